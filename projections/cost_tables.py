"""The tables of costs: what each model call cost, and totals by day in the cuts people ask for.

A cut is a set of dimensions by which totals are kept. A question is answered from a cut that tells
apart all that it asks about; without one, calls are added up. A change of shape is a new version.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Column, Computed, Index, Integer, MetaData, String, Table, Text

from projections import cost_text
from projections.amounts import amount_columns
from projections.dialect import CLUSTERED

NO_MODEL: Final = ""
"""In cuts by model stands here what is counted by execution; and the provider that nobody named."""

HOUR: Final = 60 * 60 * 10**6
"""Microseconds."""

HOURS: Final = 24
"""Of a day."""

metadata = MetaData()

OF_EXECUTIONS: Final = ("executions", "errors", "duration_ms", "durations")
OF_CALLS: Final = (
    "calls",
    "priced_calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "unpriced_tokens",
    "cost_nano",
    "cost_rest",
)
SUMS: Final = (*OF_EXECUTIONS, *OF_CALLS)
"""What is added up. The money is the sum of what is known; where no call is priced it is none."""

TOKENS: Final = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")

calls = Table(
    "cost_calls_v3",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="of the event that reported it"),
    Column("workspace", String, nullable=False),
    Column("hour", BigInteger, nullable=False, comment="since 1970, UTC"),
    Column("model", String, nullable=False),
    Column("provider", String, nullable=False, comment='"" when nobody said'),
    *(Column(name, BigInteger, nullable=False) for name in TOKENS),
    *amount_columns(),
    **CLUSTERED,
)

Index("cost_calls_v3_hour", calls.c.workspace, calls.c.hour)

runs = Table(
    "cost_runs_v3",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("labels", Text, nullable=False, comment="JSON object: metadata, as labels have it"),
    Column("errors", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("durations", BigInteger, nullable=False),
    **CLUSTERED,
)


class Cut(NamedTuple):
    """Totals by day and some dimensions.

    Attributes:
        table: of the totals.
        key: its dimensions beside workspace and day; for metadata these are `label` and `value`.
    """

    table: Table
    key: tuple[str, ...]

    @property
    def of_calls(self) -> bool:
        """Whether it tells calls apart that are of one execution."""
        return "model" in self.key


def _cut(name: str, *key: str, order: tuple[str, ...] = (), shown: bool = False) -> Cut:
    """A cut whose rows lie in the order of the workspace, the day and its key, or another.

    Args:
        name: of the table.
        key: its dimensions.
        order: of its rows after the workspace.
        shown: whether the database keeps each row's JSON as well, since thousands are read at once.
    """
    kinds: dict[str, Any] = {"day": BigInteger}
    columns = [
        Column(each, kinds.get(each, String), primary_key=True)
        for each in ("workspace", *(order or ("day", *key)))
    ]
    sums = [Column(each, BigInteger, nullable=False) for each in SUMS]
    table = Table(f"costs_by_{name}_v3", metadata, *columns, *sums, **CLUSTERED)
    if shown:
        table.append_column(Column("shown", Text, Computed(cost_text.shown(), persisted=True)))
    return Cut(table, key)


BY_AGENT: Final = _cut("agent", "agent", shown=True)
BY_USER: Final = _cut("user", "user")
BY_VERSION: Final = _cut("version", "agent", "version", "status")
BY_MODEL: Final = _cut("model", "agent", "model", "provider")
BY_LABEL: Final = _cut("label", "label", "value", order=("label", "day", "value"))

CUTS: Final = (BY_AGENT, BY_USER, BY_VERSION, BY_MODEL, BY_LABEL)
"""From the smallest on, as far as one can know."""
