"""The lifecycle as a drawing. Where a status stands is ours to choose; the arrows are the table's.

A fact that may end any open execution is one arrow from the frame around all of them.
"""

from math import hypot
from typing import Final, NamedTuple

from ledger.status import Status
from scripts.describe.lifecycle import arrows, without_change

WIDTH, HEIGHT = 960, 466
_BOX = (164, 46)
_OPEN_BOX = (24, 24, 640, 364)

PLACES: Final = {
    Status.PENDING: (122, 122),
    Status.RUNNING: (410, 122),
    Status.APPROVED: (556, 222),
    Status.AWAITING_APPROVAL: (410, 332),
    Status.COMPLETED: (846, 122),
    Status.FAILED: (846, 208),
    Status.CANCELLED: (846, 270),
    Status.REJECTED: (846, 332),
}
_FILL = {Status.COMPLETED: "good", Status.FAILED: "bad", Status.REJECTED: "bad"}
_BENDS: Final = {
    (Status.PENDING, Status.RUNNING): -26,
    (Status.RUNNING, Status.PENDING): -26,
    (Status.RUNNING, Status.AWAITING_APPROVAL): -26,
    (Status.AWAITING_APPROVAL, Status.RUNNING): -26,
}
_SHIFTS: Final = {
    (Status.PENDING, Status.RUNNING): (0, -18),
    (Status.RUNNING, Status.PENDING): (0, 18),
    (Status.RUNNING, Status.AWAITING_APPROVAL): (-66, 0),
    (Status.AWAITING_APPROVAL, Status.RUNNING): (24, 16),
    (Status.RUNNING, Status.COMPLETED): (30, -10),
    (Status.AWAITING_APPROVAL, Status.APPROVED): (46, 14),
    (Status.AWAITING_APPROVAL, Status.REJECTED): (38, 14),
    (Status.APPROVED, Status.RUNNING): (-36, 12),
    (Status.APPROVED, Status.COMPLETED): (4, 0),
}

_STYLE = """
    text { font-family: ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif;
           fill: #24303f; }
    .status { font-size: 15px; font-weight: 600; text-anchor: middle; }
    .event { font-size: 12.5px; text-anchor: middle; fill: #45556b; stroke: #ffffff;
             stroke-width: 5px; paint-order: stroke; stroke-linejoin: round; }
    .in { stroke: #f5f8fc; }
    .note { font-size: 12.5px; fill: #5b6b80; }
    .box { fill: #ffffff; stroke: #3f6fb5; stroke-width: 1.6px; }
    .good { fill: #e7f5ec; stroke: #2e8b57; }
    .bad { fill: #fbeaea; stroke: #b9474a; }
    .ended { fill: #eef0f3; stroke: #6b7686; }
    .open { fill: #f5f8fc; stroke: #b9c8dd; stroke-dasharray: 6 4; }
    .arrow { fill: none; stroke: #5b6b80; stroke-width: 1.5px; marker-end: url(#head); }
"""


class Point(NamedTuple):
    """A place in the drawing."""

    x: float
    y: float


def drawing() -> str:
    """The lifecycle as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title">',
        '<title id="title">The lifecycle of an execution</title>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0.6 L8 4 L0 7.4 z" fill="#5b6b80"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
        _rect(*_OPEN_BOX, "open", 14),
        *_entry(),
        *_lines(),
        *(_status(status) for status in Status),
        *_notes(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _status(status: Status) -> str:
    x, y = PLACES[status]
    width, height = _BOX
    kind = _FILL.get(status, "ended" if status.is_terminal else "")
    rect = _rect(x - width / 2, y - height / 2, width, height, f"box {kind}".strip(), 9)
    return f'{rect}<text class="status" x="{x}" y="{y + 5}">{status}</text>'


def _entry() -> list[str]:
    x, y = PLACES[Status.PENDING]
    top = y - _BOX[1] / 2
    return [
        f'<circle cx="{x}" cy="{top - 45}" r="6" fill="#5b6b80"/>',
        f'<path class="arrow" d="M{x} {top - 39} L{x} {top - 2}"/>',
        _label(Point(x + 38, top - 18), "created", inside=True),
    ]


def _lines() -> list[str]:
    """One arrow for each pair of statuses, and one from the frame for what all of them can do."""
    everywhere = _from_all()
    lines = []
    for old, new, types in arrows():
        rest = [each for each in types if each not in everywhere]
        if rest:
            lines += _arrow(old, new, " / ".join(rest))
    for name, target in everywhere.items():
        right, y = _OPEN_BOX[0] + _OPEN_BOX[2], PLACES[target][1]
        end = PLACES[target][0] - _BOX[0] / 2 - 2
        lines.append(f'<path class="arrow" d="M{right} {y} L{end} {y}"/>')
        lines.append(_label(Point((right + end) / 2 - 4, y + 4), name))
    return lines


def _from_all() -> dict[str, Status]:
    """The events that every open status allows, with the status they lead to."""
    still_open = {status for status in Status if not status.is_terminal}
    sources: dict[tuple[str, Status], set[Status]] = {}
    for old, new, types in arrows():
        for name in types:
            sources.setdefault((name, new), set()).add(old)
    return {name: new for (name, new), olds in sources.items() if olds == still_open}


def _arrow(old: Status, new: Status, text: str) -> list[str]:
    start, end = Point(*PLACES[old]), Point(*PLACES[new])
    bend = _BENDS.get((old, new), 0)
    middle = Point((start.x + end.x) / 2, (start.y + end.y) / 2)
    length = hypot(end.x - start.x, end.y - start.y)
    along = Point((end.x - start.x) / length, (end.y - start.y) / length)
    pull = Point(middle.x - along.y * bend * -1, middle.y + along.x * bend)
    first, last = _border(start, pull, 0), _border(end, pull, 2)
    shift = _SHIFTS.get((old, new), (0, 0))
    place = Point((middle.x + pull.x) / 2 + shift[0], (middle.y + pull.y) / 2 + 4 + shift[1])
    path = f"M{first.x:g} {first.y:g} Q{pull.x:g} {pull.y:g} {last.x:g} {last.y:g}"
    inside = not old.is_terminal and not new.is_terminal
    return [f'<path class="arrow" d="{path}"/>', _label(place, text, inside=inside)]


def _border(center: Point, towards: Point, gap: float) -> Point:
    """Where the line from a box's middle leaves the box."""
    dx, dy = towards.x - center.x, towards.y - center.y
    half = (_BOX[0] / 2 + gap, _BOX[1] / 2 + gap)
    scale = min(half[0] / abs(dx) if dx else 1e9, half[1] / abs(dy) if dy else 1e9)
    return Point(round(center.x + dx * scale, 1), round(center.y + dy * scale, 1))


def _label(place: Point, text: str, *, inside: bool = False) -> str:
    kind = "event in" if inside else "event"
    return f'<text class="{kind}" x="{place.x:g}" y="{place.y:g}">{text}</text>'


def _notes() -> list[str]:
    by_sources: dict[frozenset[Status], list[str]] = {}
    for name, sources in without_change():
        by_sources.setdefault(sources, []).append(name)
    lines = [f"{_when(sources)} {', '.join(names)}" for sources, names in by_sources.items()]
    return [
        f'<text class="note" x="26" y="{412 + 20 * at}">{line}</text>'
        for at, line in enumerate(lines)
    ]


def _when(sources: frozenset[Status]) -> str:
    if sources == frozenset(Status):
        return "In every status, without a change:"
    return f"While {' or '.join(sorted(sources))}, without a change:"


def _rect(x: float, y: float, width: float, height: float, kind: str, radius: int) -> str:
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'rx="{radius}"/>'
    )
