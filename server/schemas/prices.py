"""Prices on the wire."""

from pydantic import BaseModel, Field

from ledger.fields import Money, Name, Time
from server.route import Body
from server.schemas.paging import PageQuery


class PricesQuery(PageQuery):
    """Which of the workspace's prices."""

    model: Name | None = Field(None, description="Only of this model.")


class PriceBody(Body):
    """What a model costs, in US dollars per million tokens, and when."""

    model: Name = Field(description="As usage reports name it, exactly.")
    input: Money
    output: Money
    cached_input: Money | None = Field(None, description="Of tokens read from a cache; else input.")
    cache_creation: Money | None = Field(None, description="Of tokens put there; else input.")
    valid_from: Time | None = Field(
        None,
        description="Since when. By default the first price of a model holds for all the past "
        "too, and a later one from now on.",
    )
    valid_until: Time | None = Field(None, description="Until when; by default for ever.")
    note: str | None = Field(None, max_length=1_000, description="Why, for the history.")


class EndBody(Body):
    """From when on a price holds no more."""

    valid_until: Time | None = Field(None, description="By default now.")


class StatedPrice(BaseModel):
    """A price that the workspace states. Of several for one moment the newest holds."""

    id: str
    model: str
    workspace_id: str
    input: str = Field(description="Decimal text, as the others: dollars per million tokens.")
    output: str
    cached_input: str | None
    cache_creation: str | None
    valid_from: str | None
    valid_until: str | None
    note: str
    created_by: str
    created_at: str


class UnpricedModel(BaseModel):
    """A model that was called and of which nobody knows the price."""

    model: str
    unpriced_tokens: int
    first_day: str
    last_day: str
