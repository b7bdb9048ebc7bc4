"""Scores: judgements of runs, and what the scores of some name are meant to be."""

from http import HTTPStatus
from typing import Any

from ledger import commands as c
from ledger.errors import NotFound
from projections import executions, score_configs, scores
from server.auth import Permission
from server.errors import InvalidRequest
from server.route import Answer, Call, Handle, Route, nothing, one, page, read_model
from server.schemas import scores as s
from server.schemas.paging import PageQuery

_SCORES = "/api/v1/scores"
_SCORE = f"{_SCORES}/{{score_id}}"
_CONFIGS = "/api/v1/score-configs"
_CONFIG = f"{_CONFIGS}/{{config_id}}"


async def list_(call: Call) -> Answer:
    """Scores, newest first."""
    asked = call.query.model_dump(include=set(s.AggregatesQuery.model_fields))
    found = await call.services.query(
        lambda connection: scores.list_scores(
            connection, call.workspace, call.query.wanted, **asked
        )
    )
    return page(found.items, found.meta)


async def aggregates(call: Call) -> Answer:
    """Scores of each name, summed up."""
    asked = call.query.model_dump()
    found = await call.services.query(
        lambda connection: scores.aggregates(connection, call.workspace, **asked)
    )
    return one(found)


async def score(call: Call) -> Answer:
    """Judge a run."""
    execution_id = await _execution_of(call)
    facts = call.body.model_dump(include=set(s.ScoreFacts.model_fields))
    receipt = await call.services.record(
        c.Score(execution_id, facts), await call.caller(), call.size()
    )
    return one(await _score(call, receipt.subject or ""), status=HTTPStatus.CREATED)


async def show(call: Call) -> Answer:
    """One score."""
    return one(await _score(call, call.path("score_id")))


async def change(call: Call) -> Answer:
    """Change what is given of a score. What it said before stays in the history."""
    was = await _score(call, call.path("score_id"))
    said = {name: value for name, value in was.items() if value != ""}
    facts = read_model(s.ScoreFacts, {**said, **call.body.model_dump(exclude_none=True)})
    command = c.Score(was["execution_id"], facts.model_dump(), was["id"])
    await call.services.record(command, await call.caller(), call.size())
    return one(await _score(call, was["id"]))


async def remove(call: Call) -> Answer:
    """Withdraw a score. What it said stays in the history."""
    was = await _score(call, call.path("score_id"))
    await call.services.record(c.RemoveScore(was["execution_id"], was["id"]), await call.caller())
    return nothing()


async def list_configs(call: Call) -> Answer:
    """Score configurations, newest first."""
    found = await call.services.query(
        lambda connection: score_configs.list_configs(connection, call.workspace, call.query.wanted)
    )
    return page(found.items, found.meta)


async def create_config(call: Call) -> Answer:
    """Say what the scores of some name are meant to be; no score is refused by it."""
    body = call.body
    facts = {
        **body.model_dump(),
        "categories": body.categories or [],
        "description": body.description or "",
        "is_active": body.is_active is not False,
    }
    receipt = await call.services.record(
        c.CreateScoreConfig(facts), await call.caller(), call.size()
    )
    return one(await _config(call, receipt.id), status=HTTPStatus.CREATED)


async def show_config(call: Call) -> Answer:
    """One score configuration."""
    return one(await _config(call, call.path("config_id")))


async def change_config(call: Call) -> Answer:
    """Change what is given of a score configuration."""
    facts = call.body.model_dump(exclude_none=True)
    command = c.ChangeScoreConfig(call.path("config_id"), facts)
    receipt = await call.services.record(command, await call.caller(), call.size())
    return one(await _config(call, receipt.id))


async def remove_config(call: Call) -> Answer:
    """Offer a score configuration no more. Scores that name it stay."""
    await call.services.record(c.RemoveScoreConfig(call.path("config_id")), await call.caller())
    return nothing()


async def _execution_of(call: Call) -> str:
    """The run that is judged: by its id, or the first of its trace.

    Raises:
        InvalidRequest: neither is given.
        NotFound: the trace has no run in this workspace.
    """
    execution_id: str | None = call.body.execution_id
    trace_id: str | None = call.body.trace_id
    if execution_id:
        return execution_id
    if not trace_id:
        message = "trace_id: say which run, by trace_id or by execution_id"
        raise InvalidRequest(message)
    found = await call.services.query(
        lambda connection: executions.find_by_trace(connection, call.workspace, trace_id, 1)
    )
    if not found:
        raise NotFound("trace", trace_id)
    first: str = found[0]["id"]
    return first


async def _score(call: Call, id_: str) -> dict[str, Any]:
    return await call.services.query(
        lambda connection: scores.get_score(connection, call.workspace, id_)
    )


async def _config(call: Call, id_: str) -> dict[str, Any]:
    return await call.services.query(
        lambda connection: score_configs.get_config(connection, call.workspace, id_)
    )


def _route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.Score)
    return Route(method=method, path=path, handle=handle, summary=summary, tag="scores", **more)


_WRITE: Any = {"needs": Permission.RECORD}
_MANAGE: Any = {"needs": Permission.ADMINISTER, "answer": s.ScoreConfig}
_CREATED: Any = {"status": HTTPStatus.CREATED}
_GONE: Any = {"status": HTTPStatus.NO_CONTENT, "answer": None}

ROUTES = (
    _route("GET", _SCORES, list_, "List scores", query=s.ScoresQuery, many="page"),
    _route("POST", _SCORES, score, "Judge a run", body=s.ScoreBody, **_WRITE, **_CREATED),
    _route(
        "GET",
        f"{_SCORES}/aggregates",
        aggregates,
        "Sum scores up by name",
        query=s.AggregatesQuery,
        answer=s.ScoreAggregate,
        many="list",
    ),
    _route("GET", _SCORE, show, "Show a score"),
    _route("PATCH", _SCORE, change, "Change a score", body=s.ScoreChange, **_WRITE),
    _route("DELETE", _SCORE, remove, "Withdraw a score", **_WRITE, **_GONE),
    _route(
        "GET",
        _CONFIGS,
        list_configs,
        "List score configurations",
        query=PageQuery,
        answer=s.ScoreConfig,
        many="page",
    ),
    _route(
        "POST",
        _CONFIGS,
        create_config,
        "Make a score configuration",
        body=s.ScoreConfigBody,
        **_MANAGE,
        **_CREATED,
    ),
    _route("GET", _CONFIG, show_config, "Show a score configuration", answer=s.ScoreConfig),
    _route(
        "PATCH",
        _CONFIG,
        change_config,
        "Change a score configuration",
        body=s.ScoreConfigChange,
        **_MANAGE,
    ),
    _route(
        "DELETE",
        _CONFIG,
        remove_config,
        "Remove a score configuration",
        **{**_MANAGE, **_GONE},
    ),
)
