"""The audit history: every recorded event, of one execution or of the whole ledger."""

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ledger.access import ApiKey
from ledger.application import Ledger
from ledger.mapper import EVENTS, Recorded
from ledger.strict_json import encode
from projections.errors import InvalidQuery
from server.api.streams import cursor_of, send
from server.auth import Permission
from server.frames import HEARTBEAT
from server.outflow import WAIT
from server.route import Answer, Call, Route, page
from server.schemas import executions as s
from server.services import Services

_MOST = 1000
_SCANNED_AT_ONCE = 2_000
_MOST_SCANS = 20
_TYPES = frozenset(event.TYPE for event in EVENTS.values())
_OF_KEYS = f"{ApiKey.TOPIC}."


class Scan(NamedTuple):
    """Part of a history.

    Attributes:
        events: those that were asked for.
        after: how far the history was looked through; go on from there.
        more: whether there may be more.
    """

    events: Sequence[Recorded]
    after: int
    more: bool


async def of_execution(call: Call) -> Answer:
    """Every event of an execution, in order."""
    id_, query, ledger = call.path("execution_id"), call.query, call.services.ledger
    limit, wanted = _limit(query.limit), _wanted(query.type)

    def read() -> tuple[Scan, int]:
        first = ledger.read_first([id_])
        call.check_execution(id_, first)
        scan = _scan(
            lambda after: ledger.read_execution(id_, after, _SCANNED_AT_ONCE),
            lambda event: event.version,
            query.after,
            limit,
            wanted,
        )
        return scan, _total(ledger, id_, query.type)

    scan, total = await call.services.read(read)
    return page([audit(event) for event in scan.events], _meta(scan, total, limit))


def _total(ledger: Ledger, id_: str, types: str | None) -> int:
    """How many events of these types an execution has; of all types if none is named."""
    if not types:
        return ledger.last_version(id_)
    names = _names(types)
    topics = [topic for topic, event in EVENTS.items() if event.TYPE in names]
    return sum(ledger.count(id_, topic) for topic in topics)


async def of_ledger(call: Call) -> Answer:
    """Every event of the workspace after a position: as a page, or followed as a feed.

    The total is counted where the page looked through everything; else it is what there is at most.
    """
    query, ledger, services = call.query, call.services.ledger, call.services
    of_type = _wanted(query.type)
    sees_keys = call.principal.permission >= Permission.ADMINISTER

    def wanted(event: Recorded) -> bool:
        is_shown = sees_keys or not event.topic.startswith(_OF_KEYS)
        return is_shown and of_type(event) and event.envelope["workspace"] == call.workspace

    if "text/event-stream" in call.request.headers.get("Accept", ""):
        after = cursor_of(call.request)
        return await send(call, _feed(services, query.after if after is None else after, wanted))
    limit = _limit(query.limit)

    def read() -> Scan:
        return _scan(
            lambda after: ledger.read_log(after, _SCANNED_AT_ONCE),
            lambda event: event.position,
            query.after,
            limit,
            wanted,
        )

    scan = await services.read(read)
    if query.after == 0 and not scan.more:
        meta = _meta(scan, len(scan.events), limit)
    else:
        meta = _meta(scan, ledger.position, limit) | {"total_is_estimate": True}
    return page([audit(event) for event in scan.events], meta)


def audit(event: Recorded) -> dict[str, Any]:
    """An event as the audit shows it: what was recorded, when, by whom."""
    envelope = event.envelope
    return {
        "sequence": event.version,
        "type": event.type,
        "at": envelope["at"],
        "actor": envelope["actor"],
        "data": event.facts,
        "position": event.position,
        "trace_id": envelope.get("trace_id"),
        "schema": envelope["schema"],
        "id": envelope["id"],
        "aggregate_id": event.id,
        "topic": event.topic,
        "request_id": envelope.get("request"),
    }


async def _feed(
    services: Services, after: int, wanted: Callable[[Recorded], bool]
) -> AsyncIterator[bytes]:
    """What was recorded after a position, then what is being recorded, without end."""
    clock, every = get_running_loop().time, services.settings.heartbeat_seconds
    with services.hub.join_everything() as everything:
        everything.last = max(everything.last, services.ledger.position)
        beat = clock() + every  # however much is recorded that this reader does not want
        yield WAIT
        while not services.hub.closing:
            text, last = await services.read(partial(_feed_page, services, after, wanted))
            if text or clock() >= beat:
                yield text or HEARTBEAT
                yield WAIT
                beat = clock() + every
            if last > after:
                after = last
            else:
                await everything.went_on(after, beat - clock())


def _feed_page(
    services: Services, after: int, wanted: Callable[[Recorded], bool]
) -> tuple[bytes, int]:
    events = services.ledger.read_log(after, _MOST)
    frames = [
        b"event: %b\nid: %d\ndata: %b\n\n"
        % (event.type.encode(), event.position, encode(audit(event)))
        for event in events
        if wanted(event)
    ]
    return b"".join(frames), events[-1].position if events else after


def _scan(
    read: Callable[[int], Sequence[Recorded]],
    place: Callable[[Recorded], int],
    after: int,
    limit: int,
    wanted: Callable[[Recorded], bool],
) -> Scan:
    """Look through a history until there is enough; bounded, however little of it is wanted."""
    found: list[Recorded] = []
    for _ in range(_MOST_SCANS):
        events = read(after)
        for event in events:
            if wanted(event):
                if len(found) == limit:
                    return Scan(found, after, more=True)
                found.append(event)
            after = place(event)
        if not events:
            return Scan(found, after, more=False)
    return Scan(found, after, more=True)


def _wanted(types: str | None) -> Callable[[Recorded], bool]:
    if not types:
        return lambda _: True
    names = _names(types)
    unknown = names - _TYPES
    if unknown:
        known = ", ".join(sorted(_TYPES))
        raise InvalidQuery("type", f"there is no event type {min(unknown)!r}; there are {known}")
    return lambda event: event.type in names


def _names(types: str) -> set[str]:
    return {name.strip() for name in types.split(",")}


def _limit(limit: int) -> int:
    return limit if 1 <= limit <= _MOST else 100


def _meta(scan: Scan, total: int, limit: int) -> dict[str, Any]:
    pages = -(-total // limit)
    return {
        "total": total,
        "page": 1,
        "limit": limit,
        "pages": pages,
        "total_pages": pages,
        "next_cursor": str(scan.after) if scan.more else None,
        "next_after": scan.after,
        "has_more": scan.more,
    }


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/executions/{execution_id}/events",
        handle=of_execution,
        summary="The whole history of a run: every event, who, when, what",
        tag="audit",
        query=s.EventsQuery,
        answer=s.AuditEvent,
        many="page",
    ),
    Route(
        method="GET",
        path="/api/v1/events",
        handle=of_ledger,
        summary="The history of everything, as a page or (Accept: text/event-stream) as a feed",
        tag="audit",
        query=s.EventsQuery,
        answer=s.AuditEvent,
        many="page",
    ),
)
