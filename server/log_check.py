"""Whether the log is whole: every event readable and found, every sequence without a gap."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
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
        problems += _not_found(ledger, events)
        position = events[-1].position
        advance(position, ledger.position)
        if len(problems) >= _MOST_TOLD:
            break
    return problems[:_MOST_TOLD]


def _not_found(ledger: Ledger, events: Sequence[Recorded]) -> Iterator[str]:
    """Which aggregates, asked for by their ids as a replay asks, give other events than the log."""
    for id_, group in groupby(sorted(events, key=attrgetter("id")), attrgetter("id")):
        own = list(group)
        last = own[-1].version
        found: list[Recorded] = []
        after = own[0].version - 1
        while after < last and (page := ledger.read_execution(id_, after, len(own), last)):
            found += page
            after = page[-1].version
        if found != own:
            yield f"events {own[0].version} to {last} of {id_} are not found by its id"


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
