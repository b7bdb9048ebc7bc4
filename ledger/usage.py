"""What an agent spent, as events say it: tokens, prices, totals."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class Usage(BaseModel):
    """Token counts: prompt includes what was cached, completion includes reasoning."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None


class Price(BaseModel):
    """The price by which a cost was computed: US dollars per million tokens, and its source."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_creation: Decimal | None = None
    source: str
    effective: str | None = None


class Totals(BaseModel):
    """What an execution spent in all, written into the event that ends it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token_usage: Usage = Field(default_factory=Usage)
    cost_usd: Decimal | None = None
    unpriced_tokens: int = 0
