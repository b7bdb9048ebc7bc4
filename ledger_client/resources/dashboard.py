"""The figures of a dashboard."""

from ledger_client.method import Awaiting, Blocking, Method
from ledger_client.models import Dashboard
from ledger_client.record import one
from ledger_client.request import Call, ask


class DashboardMethods:
    """What there is to ask of the dashboard."""

    @Method
    def metrics(self, *, days: int | None = None) -> Call[Dashboard]:
        """Figures of the last days: totals, by day, by agent, by model, errors."""
        return ask("/dashboard/metrics", one(Dashboard), {"days": days})

    get_metrics = metrics


class DashboardFigures(DashboardMethods, Blocking):
    """The dashboard, for the blocking client."""


class AsyncDashboardFigures(DashboardMethods, Awaiting):
    """The dashboard, for the asyncio client."""
