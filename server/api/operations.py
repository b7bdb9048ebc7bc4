"""Whether the server is well: for orchestrators, for Prometheus, for people who look."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from ledger.strict_json import encode
from projections.follower import Progress
from server.route import Answer, Call, Handle, Route


async def healthz(_: Call) -> Answer:
    """Answers: the process lives and its loop turns."""
    return _json({"status": "ok"})


async def readyz(call: Call) -> Answer:
    """Whether it can serve: views caught up with the start, and none of them degraded."""
    catch_up = call.services.catch_up
    projections = [_view(progress) for progress in catch_up.progress()]
    degraded = [view["name"] for view in projections if view["state"] == "degraded"]
    ready = catch_up.ready and not call.services.hub.closing
    body = {
        "status": "degraded" if degraded else "ready" if ready else "starting",
        "position": call.services.ledger.position,
        "projections": projections,
    }
    return _json(body, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


async def metrics(call: Call) -> Answer:
    """Everything that is counted, in Prometheus' text format."""
    return web.Response(
        body=call.services.metrics.exposition(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _view(progress: Progress) -> dict[str, Any]:
    return {
        "name": progress.name,
        "version": progress.version,
        "state": progress.state,
        "position": progress.position,
        "lag_events": progress.lag_events,
        "lag_seconds": round(progress.lag_seconds, 3),
        "parked": progress.parked,
        "leads": progress.leads,
    }


def _json(body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return web.Response(status=status, body=encode(body), content_type="application/json")


def _route(path: str, handle: Handle, summary: str, **more: Any) -> Route:
    return Route(
        method="GET",
        path=path,
        handle=handle,
        summary=summary,
        tag="operations",
        public=True,
        **more,
    )


ROUTES = (
    _route("/healthz", healthz, "Whether the process lives"),
    _route("/readyz", readyz, "Whether it can serve; how far each read model is"),
    _route("/metrics", metrics, "Meters, for Prometheus", media="text/plain"),
)
