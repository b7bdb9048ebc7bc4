"""Scores and score configurations on the wire."""

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from ledger.fields import Name, Number, Word
from ledger.score_config import DataType
from server.route import LenientBody, Query
from server.schemas.paging import PageQuery

_LONGEST_TEXT = 10_000


class AggregatesQuery(Query):
    """Which scores are summed up."""

    trace_id: Word | None = None
    execution_id: Word | None = None
    name: Word | None = None
    source: Word | None = None
    data_type: DataType | None = None
    config_id: Word | None = None


class ScoresQuery(PageQuery, AggregatesQuery):
    """Which scores."""


class ScoreChange(LenientBody):
    """What is to change; what is not given stays."""

    name: Name | None = None
    value: Number | None = Field(None, description="Of a boolean score 0 or 1.")
    string_value: str | None = Field(None, max_length=_LONGEST_TEXT)
    data_type: DataType | None = None
    source: Word | None = None
    comment: str | None = Field(None, max_length=_LONGEST_TEXT)
    span_id: Word | None = None
    config_id: Word | None = None


class Judgement(LenientBody):
    """A judgement: a numeric or boolean one has a value, a categorical one a text."""

    name: Name
    value: Number | None = Field(None, description="Of a boolean score 0 or 1.")
    string_value: str | None = Field(None, max_length=_LONGEST_TEXT)
    data_type: DataType = "numeric"
    source: Word = "api"
    comment: str | None = Field(None, max_length=_LONGEST_TEXT)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.data_type == "categorical" and not self.string_value:
            message = "a categorical score needs a string_value"
            raise ValueError(message)
        if self.data_type == "numeric" and self.value is None:
            message = "a numeric score needs a value"
            raise ValueError(message)
        if self.data_type == "boolean" and self.value not in {0, 1}:
            message = "a boolean score needs the value 0 or 1"
            raise ValueError(message)
        return self


class ScoreFacts(Judgement):
    """A judgement, and what it is about beside the run."""

    span_id: Word | None = None
    config_id: Word | None = None


class ScoreBody(ScoreFacts):
    """A judgement of a run: the run by its id, or by its trace."""

    trace_id: Word | None = Field(None, description="Its root execution is scored.")
    execution_id: Word | None = None


class Score(BaseModel):
    """A judgement."""

    id: str
    workspace_id: str
    trace_id: str
    span_id: str
    execution_id: str
    name: str
    value: float | None
    string_value: str
    data_type: DataType
    source: str
    comment: str
    config_id: str | None
    created_by: str
    created_at: str
    updated_at: str


class ScoreAggregate(BaseModel):
    """The scores of one name, summed up. Without a numeric one the last three are null."""

    name: str
    count: int
    avg: float | None
    min: float | None
    max: float | None


class ScoreConfigBody(LenientBody):
    """What the scores of some name are meant to be; kept, not enforced."""

    name: Name
    data_type: DataType = "numeric"
    min_value: Number | None = None
    max_value: Number | None = None
    categories: list[Any] | None = Field(None, max_length=1000)
    description: str | None = Field(None, max_length=_LONGEST_TEXT)
    is_active: bool | None = None


class ScoreConfigChange(LenientBody):
    """What is to change; what is not given stays."""

    name: Name | None = None
    data_type: DataType | None = None
    min_value: Number | None = None
    max_value: Number | None = None
    categories: list[Any] | None = Field(None, max_length=1000)
    description: str | None = Field(None, max_length=_LONGEST_TEXT)
    is_active: bool | None = None


class ScoreConfig(BaseModel):
    """What the scores of some name are meant to be; kept, not enforced."""

    id: str
    workspace_id: str
    name: str
    data_type: DataType
    min_value: float | None
    max_value: float | None
    categories: list[Any]
    description: str
    is_active: bool
    created_at: str
    updated_at: str
