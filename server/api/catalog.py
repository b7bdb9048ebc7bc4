"""Every route there is. Order matters where a fixed path would also match a variable one."""

from collections.abc import Sequence
from typing import Final

from server.api import (
    agents,
    approvals,
    budgets,
    costs,
    dashboard,
    docs,
    executions,
    history,
    keys,
    operations,
    prices,
    recording,
    scores,
    sessions,
    streams,
    traces,
    whole_runs,
    workers,
)
from server.route import Route

_DESCRIBED: Final[Sequence[Route]] = (
    *executions.ROUTES,
    *whole_runs.ROUTES,
    *recording.ROUTES,
    *workers.ROUTES,
    *streams.ROUTES,
    *history.ROUTES,
    *approvals.ROUTES,
    *agents.ROUTES,
    *costs.ROUTES,
    *prices.ROUTES,
    *budgets.ROUTES,
    *traces.ROUTES,
    *scores.ROUTES,
    *sessions.ROUTES,
    *dashboard.ROUTES,
    *keys.ROUTES,
    *operations.ROUTES,
)

ROUTES: Final[Sequence[Route]] = (*_DESCRIBED, *docs.routes_about(_DESCRIBED))
"""All of them, those that describe the others included."""

_BUSIEST: Final = ("/frames", "/replay", "/stream")

BUSIEST_FIRST: Final = sorted(ROUTES, key=lambda route: not route.path.endswith(_BUSIEST))
"""In the order in which paths are tried, one after the other, at each request."""
