"""The table in which spans can be looked up and added up. A change of shape is a new version."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table

from projections.amounts import amount_columns
from projections.dialect import CLUSTERED, index_where_set

metadata = MetaData()

spans = Table(
    "spans_v1",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="of the event it begins with"),
    Column("end_sequence", Integer, comment="of the event a tool call ends with"),
    Column("workspace", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="of the execution"),
    Column("started_at", BigInteger, comment="of a call"),
    Column("ended_at", BigInteger, comment="of a call"),
    Column("duration_ms", BigInteger, comment="of a call"),
    Column("failed", Boolean, comment="null when it did not"),
    Column("open_call", String, comment="id of a tool call, until it ends"),
    Column("model_name", String, comment="of a model call"),
    Column("total_tokens", BigInteger, comment="of a model call"),
    *amount_columns(),
    **CLUSTERED,
)

index_where_set(
    "spans_v1_failed",
    *(spans.c[name] for name in ("workspace", "created_at", "execution_id", "sequence")),
    given=spans.c.failed,
)
index_where_set("spans_v1_open", spans.c.execution_id, spans.c.open_call, given=spans.c.open_call)
