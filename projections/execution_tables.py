"""The tables in which executions can be looked up. A change of shape is a new version."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

from projections.dialect import CLUSTERED, index_where_set

metadata = MetaData()

executions = Table(
    "executions_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("agent_id", String, nullable=False),
    Column("agent_name", String, nullable=False),
    Column("agent_version_id", String, nullable=False),
    Column("user_id", String, comment="null when unset"),
    Column("session_id", String, comment="null when unset"),
    Column("parent_id", String),
    Column("root_id", String, nullable=False, comment="of a root its own id"),
    Column("trace_id", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("error_code", String),
    Column("cost", BigInteger, comment="own, nano-dollars; null when unknown"),
    Column("cost_usd", String, comment="own, exact decimal text; null when unknown"),
    Column("unpriced_tokens", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("total_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger),
    Column("cache_creation_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("models", Text, nullable=False, comment="JSON list, in order of first use"),
    Column("worker", String, comment="who works on it, or did last"),
    Column("attempt", Integer, nullable=False),
    Column("cancellation_requested", Boolean, nullable=False),
    Column("approval_id", String, comment="while parked"),
    Column("approval_expires_at", BigInteger, comment="while parked"),
    Column("version", Integer, nullable=False, comment="how many events so far"),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("duration_ms", BigInteger),
)

payloads = Table(
    "execution_payloads_v1",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("input", Text, comment="JSON, as recorded"),
    Column("output", Text),
    Column("metadata", Text),
)

labels = Table(
    "execution_labels_v1",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("name", String, primary_key=True, comment='"model" or "metadata.<key>"'),
    Column("value", String, primary_key=True, comment="as labels.value_of has it"),
    Column("workspace", String, nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="of the execution"),
    **CLUSTERED,
)

counts = Table(
    "execution_counts_v1",
    metadata,
    Column("workspace", String, primary_key=True),
    Column("agent_id", String, primary_key=True),
    Column("status", String, primary_key=True),
    Column("executions", BigInteger, nullable=False),
    **CLUSTERED,
)


def _index(name: str, *columns: str, given: str | None = None) -> None:
    table_columns: list[Column[Any]] = [executions.c[column] for column in columns]
    name = f"executions_v1_{name}"
    if given is None:
        Index(name, *table_columns)
    else:
        index_where_set(name, *table_columns, given=executions.c[given])


_NEWEST = ("created_at", "id")
_index("created", "workspace", *_NEWEST)
_index("status", "workspace", "status", *_NEWEST)
_index("agent", "workspace", "agent_id", *_NEWEST)
_index("agent_status", "workspace", "agent_id", "status", *_NEWEST)
_index("session", "workspace", "session_id", *_NEWEST, given="session_id")
_index("user", "workspace", "user_id", *_NEWEST, given="user_id")
_index("error_code", "workspace", "error_code", *_NEWEST, given="error_code")
_index("trace", "workspace", "trace_id", *_NEWEST)
_index("root", "workspace", "root_id", *_NEWEST)
_index("parent", "parent_id", *_NEWEST, given="parent_id")
_index("completed", "workspace", "completed_at", "id")
_index("cost", "workspace", "cost", "id")
_index("duration", "workspace", "duration_ms", "id")
_index("tokens", "workspace", "total_tokens", "id")

Index(
    "execution_labels_v1_search",
    *(labels.c[name] for name in ("workspace", "name", "value", "created_at", "execution_id")),
)
