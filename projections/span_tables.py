"""The table in which spans can be looked up. A change of shape is a new version."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

from projections.amounts import amount_columns
from projections.dialect import index_where_set

metadata = MetaData()

spans = Table(
    "spans_v1",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="of the event it begins with"),
    Column("id", String, nullable=False),
    Column("parent_id", String, nullable=False, comment='"" for the root of a trace'),
    Column("workspace", String, nullable=False),
    Column("trace_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("agent_id", String, nullable=False),
    Column("agent_name", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("session_id", String, comment="null when unset"),
    Column("model_name", String, comment="of model calls"),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("duration_ms", BigInteger),
    Column("total_tokens", BigInteger, comment="of model calls"),
    *amount_columns(),
    Column("open_call", String, comment="id of a tool call, until it ends"),
    Column("error_message", Text, comment="null when all is well"),
    Column("token_usage", Text, comment="JSON, of model calls"),
    Column("attributes", Text, comment="JSON"),
    # The largest last: a row is read up to what is asked for.
    Column("input", Text, comment="JSON object"),
    Column("output", Text, comment="JSON object"),
)


def _index(name: str, *columns: str, given: str | None = None) -> None:
    found: list[Column[Any]] = [spans.c[column] for column in columns]
    if given is None:
        Index(f"spans_v1_{name}", *found)
    else:
        index_where_set(f"spans_v1_{name}", *found, given=spans.c[given])


_NEWEST = ("created_at", "id")
_index("created", "workspace", *_NEWEST)
_index("trace", "workspace", "trace_id", *_NEWEST)
_index("agent", "workspace", "agent_id", *_NEWEST)
_index("session", "workspace", "session_id", *_NEWEST, given="session_id")
_index("model", "workspace", "model_name", *_NEWEST, given="model_name")
_index("error", "workspace", *_NEWEST, given="error_message")
_index("open", "execution_id", "open_call", given="open_call")
