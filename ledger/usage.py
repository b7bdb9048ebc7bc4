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
    """A price that somebody states for a model: US dollars per million tokens, and its source."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_creation: Decimal | None = None
    source: str
    effective: str | None = None


class PriceRow(BaseModel):
    """One line of a computed cost: so many units, at so many dollars for each `per` of them.

    Attributes:
        unit: what is counted, as genai-prices names it, less what other lines of the cost count.
        count: how many.
        usd: dollars for each `per`.
        per: how many units the dollars are for.
        above: the row is of a tier for requests with more input tokens than this.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    unit: str
    count: int
    usd: Decimal
    per: int = 1_000_000
    above: int | None = None


class PriceUsed(BaseModel):
    """The price by which a cost was computed, kept with it: anybody can do the sum again.

    Attributes:
        source: who states it: `workspace`, `settings`, `genai-prices`.
        input: dollars per million tokens, as the next three, where the price has them.
        version: of the source's data.
        effective: since when the source has this price, where it says.
        provider: whose price it is, by the source's name.
        model: the source's name for the model.
        price_id: of the workspace's own price.
        rows: what was added up.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None
    cache_creation: Decimal | None = None
    source: str
    effective: str | None = None
    version: str | None = None
    provider: str | None = None
    model: str | None = None
    price_id: str | None = None
    rows: list[PriceRow] | None = None


class Totals(BaseModel):
    """What an execution spent in all, written into the event that ends it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token_usage: Usage = Field(default_factory=Usage)
    cost_usd: Decimal | None = None
    unpriced_tokens: int = 0
