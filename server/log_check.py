"""Whether the log is whole: every event readable, every sequence without a gap."""

from typing import Final

from ledger.application import Ledger
from ledger.mapper import EVENTS, UPCASTERS, Recorded
from projections.rebuild import Advance

_EVENTS_PER_READ: Final = 2_000
_MOST_TOLD: Final = 100


def check_log(ledger: Ledger, advance: Advance) -> list[str]:
    """Read the log from its first event to its last.

    Args:
        ledger: whose log.
        advance: told the position reached and the log's end.

    Returns:
        The first hundred things that are wrong with it, in words. There should be none.
    """
    problems: list[str] = []
    versions: dict[str, int] = {}
    position = 0
    while events := ledger.read_log(position, _EVENTS_PER_READ):
        for event in events:
            problems += _problems_of(event, versions.get(event.id, 0))
            versions[event.id] = event.version
        position = events[-1].position
        advance(position, ledger.position)
        if len(problems) >= _MOST_TOLD:
            break
    return problems[:_MOST_TOLD]


def _problems_of(event: Recorded, before: int) -> list[str]:
    where = f"event {event.version} of {event.id} at {event.position}"
    problems = []
    if event.version != before + 1:
        problems.append(f"{where}: follows event {before}")
    if event.topic not in EVENTS and event.topic not in UPCASTERS:
        problems.append(f"{where}: unknown topic {event.topic!r}")
    try:
        _ = event.envelope["actor"], event.facts
    except (ValueError, KeyError, TypeError) as error:
        problems.append(f"{where}: cannot be read: {error}")
    return problems
