"""The filters of executions, as documented. `projections.filters` reads them; a test compares."""

from datetime import date
from typing import Literal

from pydantic import Field

from ledger.fields import Time
from server.route import Query
from server.schemas.paging import PageQuery

_METADATA = "Beside these, `metadata.<key>=value` finds what carries that metadata."


class FiltersQuery(Query):
    """Which executions. What is given must all hold."""

    status: str | None = Field(
        None,
        description="One status or several, by commas; `waiting_approval` is another word for "
        f"`awaiting_approval`. {_METADATA}",
    )
    agent_id: str | None = None
    agent_version_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    parent_id: str | None = Field(None, description="The children of this execution.")
    root_id: str | None = Field(None, description="The whole tree under this execution.")
    trace_id: str | None = None
    model: str | None = Field(None, description="A model that it called.")
    error_code: str | None = None
    created_after: Time | None = Field(None, description="Created then or later.")
    created_before: Time | None = Field(None, description="Created before then.")
    completed_after: Time | None = Field(None, description="Ended then or later.")
    completed_before: Time | None = Field(None, description="Ended before then.")
    min_cost: float | None = Field(None, description="US dollars, own cost, at least.")
    max_cost: float | None = Field(None, description="US dollars, own cost, at most.")
    min_duration_ms: int | None = None
    max_duration_ms: int | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None


class ExecutionsQuery(PageQuery, FiltersQuery):
    """Which executions, in which order, and how much of each."""

    sort: Literal[
        "created_at",
        "-created_at",
        "completed_at",
        "-completed_at",
        "cost",
        "-cost",
        "duration_ms",
        "-duration_ms",
        "total_tokens",
        "-total_tokens",
    ] = Field("-created_at", description="A minus is for descending.")
    fields: str | None = Field(
        None,
        description="The fields to show, by commas; `input`, `output` and `metadata` cost most.",
    )


class CostsQuery(FiltersQuery):
    """Which executions are summed up, and by what."""

    group_by: str = Field(
        "agent",
        description="By commas: `agent`, `version`, `model`, `provider`, `user`, `session`, "
        "`workspace`, `status`, `day`, `hour` and `metadata.<key>`.",
    )
    from_: date | None = Field(None, alias="from", description="The first day in UTC.")
    to: date | None = Field(None, description="The last day, included.")
    scope: Literal["own", "inclusive"] = Field(
        "own",
        description="What executions spent themselves; or with all below them, under the one at "
        "the top, which the filters are then about.",
    )
    format: Literal["json", "csv", "focus"] | None = Field(
        None, description="Where it is not given, `Accept: text/csv` asks for `csv`."
    )
