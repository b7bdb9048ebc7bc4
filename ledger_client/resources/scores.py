"""Scores: judgements of runs, and what the scores of some name may be."""

from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.models import Score, ScoreAggregate, ScoreConfig
from ledger_client.paging import Page, page_of
from ledger_client.record import many, nothing, one
from ledger_client.request import Call, ask, place, write

Aggregates = list[ScoreAggregate]


def _list(
    _: Any,
    /,
    *,
    page: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    **filters: Any,
) -> Call[Page[Score]]:
    """Scores, newest first.

    Args:
        page: counted from 1.
        limit: rows of a page, at most 100.
        cursor: `meta.next_cursor` of the page before; wins over `page`.
        filters: `trace_id`, `execution_id`, `name`, `source`, `data_type`, `config_id`.
    """
    query = {"page": page, "limit": limit, "cursor": cursor, **filters}
    return ask("/scores", page_of(Score), query)


class ScoreMethods:
    """What there is to do with scores."""

    list = Method(_list)
    iterate = Walk(_list)

    @Method
    def create(
        self,
        *,
        name: str,
        value: float | None = None,
        string_value: str | None = None,
        data_type: str = "numeric",
        execution_id: str | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        config_id: str | None = None,
        source: str = "api",
        comment: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Score]:
        """Judge a run, named by its `execution_id` or by its `trace_id`.

        Args:
            name: what is judged.
            value: of a numeric score, or 0 or 1 of a boolean one.
            string_value: of a categorical score.
            data_type: numeric, categorical or boolean.
            execution_id: of the run.
            trace_id: of the run, instead.
            span_id: of the step that is meant.
            config_id: the configuration that the score must satisfy.
            source: where the judgement comes from.
            comment: why.
            idempotency_key: the same key judges once; by default each call is its own.
        """
        body = {
            "name": name,
            "value": value,
            "string_value": string_value,
            "data_type": data_type,
            "execution_id": execution_id,
            "trace_id": trace_id,
            "span_id": span_id,
            "config_id": config_id,
            "source": source,
            "comment": comment,
        }
        return write("POST", "/scores", one(Score), body, idempotency_key)

    @Method
    def get(self, score_id: str) -> Call[Score]:
        """One score."""
        return ask(place("scores", score_id), one(Score))

    @Method
    def update(self, /, score_id: str, **changes: Any) -> Call[Score]:
        """Change what is given. What it said before stays in the history."""
        return write("PATCH", place("scores", score_id), one(Score), changes)

    @Method
    def delete(self, score_id: str) -> Call[None]:
        """Withdraw it. What it said stays in the history."""
        return write("DELETE", place("scores", score_id), nothing)

    @Method
    def aggregates(self, /, **filters: Any) -> Call[Aggregates]:
        """Scores of each name, summed up; the filters are those of the list."""
        return ask("/scores/aggregates", many(ScoreAggregate), filters)

    get_aggregates = aggregates

    @Method
    def list_configs(
        self, *, page: int | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[ScoreConfig]]:
        """Configurations, newest first."""
        query = {"page": page, "limit": limit, "cursor": cursor}
        return ask("/score-configs", page_of(ScoreConfig), query)

    @Method
    def get_config(self, config_id: str) -> Call[ScoreConfig]:
        """One configuration."""
        return ask(place("score-configs", config_id), one(ScoreConfig))

    @Method
    def create_config(
        self, /, *, name: str, data_type: str = "numeric", **given: Any
    ) -> Call[ScoreConfig]:
        """Say what the scores of some name may be.

        Args:
            name: of the scores.
            data_type: numeric, categorical or boolean.
            given: `min_value`, `max_value`, `categories`, `description`, `is_active`.
        """
        body = {"name": name, "data_type": data_type, **given}
        return write("POST", "/score-configs", one(ScoreConfig), body)

    @Method
    def update_config(self, /, config_id: str, **changes: Any) -> Call[ScoreConfig]:
        """Change what is given."""
        return write("PATCH", place("score-configs", config_id), one(ScoreConfig), changes)

    @Method
    def delete_config(self, config_id: str) -> Call[None]:
        """Remove a configuration. Scores stay."""
        return write("DELETE", place("score-configs", config_id), nothing)


class Scores(ScoreMethods, Blocking):
    """Scores, for the blocking client."""


class AsyncScores(ScoreMethods, Awaiting):
    """Scores, for the asyncio client."""
