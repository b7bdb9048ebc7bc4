"""The figures of a dashboard."""

from ledger.clock import utc_now
from projections import dashboard
from server.route import Answer, Call, Route, one
from server.schemas import dashboard as s


async def metrics(call: Call) -> Answer:
    """Totals and daily figures of the last days, today included."""
    today = utc_now().date()
    found = await call.services.query(
        lambda connection: dashboard.metrics(connection, call.workspace, call.query.days, today)
    )
    return one(found)


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/dashboard/metrics",
        handle=metrics,
        summary="Figures of the last days",
        tag="dashboard",
        query=s.DashboardQuery,
        answer=s.DashboardMetrics,
    ),
)
