"""Prices on the wire."""

from pydantic import BaseModel, Field

from ledger.fields import Money, Name, Time
from server.route import Body
from server.schemas.filters import FiltersQuery
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


class RepriceQuery(FiltersQuery):
    """The model calls of which executions, a page at a time."""

    limit: int = Field(20, ge=1, le=100, description="Executions in one request.")
    cursor: str | None = Field(None, description="The `next_cursor` of the answer before.")


class RepriceBody(Body):
    """Whether to look only; and why."""

    dry_run: bool = Field(False, description="Work it out and record nothing.")
    reason: str = Field("", max_length=1_000, description="Kept with each new price.")


class Difference(BaseModel):
    """What new prices change, for an agent and a model."""

    agent_id: str
    agent_name: str
    model: str
    calls: int = Field(description="That cost something else now.")
    newly_priced_tokens: int = Field(description="Of which nobody knew the price before.")
    previous_cost_usd: str = Field(description="Of those calls, where it was known.")
    cost_usd: str


class Repriced(BaseModel):
    """What was worked out for a page of executions, and recorded unless it was a dry run."""

    dry_run: bool
    executions: int = Field(description="Looked at.")
    repriced: int = Field(description="Of them, those with a call that costs something else now.")
    too_busy: list[str] = Field(description="Left out, since they went on while prices were set.")
    differences: list[Difference]
    total: int = Field(description="Executions that satisfy the filters.")
    next_cursor: str | None


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
