"""What is asked of the views of many runs, as a path over HTTP and as a query in process."""

import random
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import Connection

from projections import costs, executions
from projections.filters import parse_filters
from tests.bench.history import NEWEST, customer_of, session_of
from tests.bench.recording import EXECUTIONS
from tests.bench.samples import WORKSPACE


class Data(NamedTuple):
    """What there is to ask about.

    Attributes:
        runs: how many.
        agents: their ids.
        cursors: of pages anywhere in the list of all.
    """

    runs: int
    agents: Sequence[str]
    cursors: Sequence[str]


class Question(NamedTuple):
    """A question with something left to chance."""

    what: str
    path: Callable[[random.Random, Data], str]
    ask: Callable[[Connection, str], Any]


def listed(connection: Connection, path: str) -> executions.Page:
    """The page of executions that a path asks for."""
    filters = parse_filters(parse_qsl(urlsplit(path).query))
    return executions.list_executions(connection, WORKSPACE, filters)


def summarised(connection: Connection, path: str) -> Any:
    """The summary of costs that a path asks for."""
    given = dict(parse_qsl(urlsplit(path).query))
    first, last = (date.fromisoformat(given[name]) for name in ("from", "to"))
    return costs.summary(connection, WORKSPACE, first, last)


def _list(**parameters: Any) -> str:
    return f"{EXECUTIONS}?{urlencode(parameters)}"


def _run(choose: random.Random, data: Data) -> int:
    return choose.randrange(data.runs)


_MONTH = {"from": "2026-06-01", "to": NEWEST.date().isoformat()}

QUESTIONS = (
    Question("page 1", lambda *_: _list(limit=20), listed),
    Question(
        "a deep page by cursor",
        lambda choose, data: _list(cursor=choose.choice(data.cursors)),
        listed,
    ),
    Question(
        "agent and status",
        lambda choose, data: _list(agent_id=choose.choice(data.agents), status="failed"),
        listed,
    ),
    Question(
        "metadata",
        lambda choose, data: _list(**{"metadata.customer": customer_of(_run(choose, data))}),
        listed,
    ),
    Question(
        "session",
        lambda choose, data: _list(session_id=session_of(_run(choose, data))),
        listed,
    ),
    Question(
        "summary of costs, 30 days",
        lambda *_: f"/api/v1/costs/summary?{urlencode(_MONTH)}",
        summarised,
    ),
)
