"""Moving a ledger from one database to another: every event, byte for byte, at its position."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import zip_longest
from typing import Final, NamedTuple

from ledger.event import EncodedEvent
from ledger.mapper import Recorded
from ledger.store import Store

Advance = Callable[[int, int], None]
"""Told the position reached, and the last one: while copying, and again while comparing."""

_EVENTS_PER_COMMIT: Final = 8_000


class Moved(NamedTuple):
    """What is in both databases now.

    Attributes:
        copied: how many events were copied; the others were there from an earlier attempt.
        events: how many there are.
        digest: of all of them: SHA-256, in hex.
    """

    copied: int
    events: int
    digest: str


class OtherLedger(Exception):
    """The target has events that are not the source's, or not at the same place."""


def move(source: Store, target: Store, advance: Advance) -> Moved:
    """Copy what the target lacks, then read both to their ends and compare them.

    What is broken off is taken up again by calling it again. Nobody may write to either.

    Raises:
        OtherLedger: they differ; nothing more was written once that was known.
        StoreFailed: one of the databases failed.
    """
    begin, end = target.last_position(), source.last_position()
    if begin and target.read_log(begin - 1, 1) != source.read_log(begin - 1, 1):
        raise OtherLedger("the target has events that the source does not have")
    position = begin
    while events := source.read_log(position, _EVENTS_PER_COMMIT):
        _copy(events, position, target)
        position = events[-1].position
        advance(position, end)
    return Moved(position - begin, end, _compared(source, target, end, advance))


def _copy(events: list[Recorded], after: int, target: Store) -> None:
    if [event.position for event in events] != list(range(after + 1, after + len(events) + 1)):
        message = f"the source has a gap in its positions after {after}"
        raise OtherLedger(message)
    given = target.insert_events(
        [EncodedEvent(each.topic, each.id, each.version, each.state) for each in events]
    )
    if list(given) != [event.position for event in events]:
        message = f"somebody else writes to the target; it is no copy from position {given[0]} on"
        raise OtherLedger(message)


def _compared(source: Store, target: Store, end: int, advance: Advance) -> str:
    digest = sha256()
    for position, (ours, theirs) in enumerate(zip_longest(_all(source), _all(target)), 1):
        if ours is None or ours != theirs:
            message = f"source and target differ at position {position}"
            raise OtherLedger(message)
        place = f"{position} {ours.id} {ours.version} {ours.topic} {len(ours.state)}\n"
        digest.update(place.encode() + ours.state)
        if position % _EVENTS_PER_COMMIT == 0:
            advance(position, end)
    return digest.hexdigest()


def _all(store: Store) -> Iterator[Recorded]:
    position = 0
    while events := store.read_log(position, _EVENTS_PER_COMMIT):
        yield from events
        position = events[-1].position
