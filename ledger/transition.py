"""What facts that change the status have in common, and what an execution came to in the end."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from ledger.event import Event
from ledger.status import Status


class Usage(BaseModel):
    """Token counts: prompt includes what was cached, completion includes reasoning."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None


class Totals(BaseModel):
    """What an execution spent in all, written into the event that ends it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token_usage: Usage = Field(default_factory=Usage)
    cost_usd: Decimal | None = None
    unpriced_tokens: int = 0


class Transition(Event):
    """A fact that moves the execution to another status."""

    status: Status
    previous: Status
    occurred_at: datetime | None = None


class Ended(Transition):
    """A fact after which nothing follows.

    What the execution spent and how long it took are part of it, so that the frame which ends a
    stream needs no other event.
    """

    totals: Totals
    duration_ms: int | None = None
