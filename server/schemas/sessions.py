"""Sessions on the wire."""

from pydantic import BaseModel


class Session(BaseModel):
    """What happened under one session id."""

    session_id: str
    trace_count: int
    total_tokens: int
    total_cost: float | None
    total_cost_usd: str | None
    unpriced_tokens: int
    error_count: int
    first_seen: str
    last_seen: str
