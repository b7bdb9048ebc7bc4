"""Logs of many runs, made fast: sample runs are recorded by real commands, then copied.

A copy has ids, times, session, user and metadata of its own; every other byte is what the ledger
itself wrote, so that the copies cannot drift from what it writes.
"""

import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, count, islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from eventsourcing.persistence import StoredEvent

from ledger.application import Ledger
from ledger.clock import format_time
from ledger.ids import new_id
from ledger.mapper import Recorded
from ledger.sqlite import open_store
from tests.bench.samples import AGENTS, CUSTOMER, SESSION, USER, Shape, record_sample

NEWEST = datetime(2026, 6, 30, tzinfo=UTC)
_SPACING = timedelta(seconds=20)
_BETWEEN = b"\0"  # JSON escapes it, so no stored event holds one
_EVENT_ID = re.compile(rb'"id":"[0-9a-f]{32}"')
_EVENT_MARK = "EVENT-MARK-OF-24-LETTERS"
_SIDE_BY_SIDE = 20
_AT_ONCE = 5_000


class Sample(NamedTuple):
    """A recorded run, ready to be copied.

    Attributes:
        ids: that must be others in a copy, the execution's first.
        trace_id: likewise.
        times: all that occur in it, likewise.
        topics: of its events.
        text: the stored states, one after the other.
    """

    ids: Sequence[str]
    trace_id: str
    times: Sequence[datetime]
    topics: Sequence[str]
    text: bytes


def session_of(number: int) -> str:
    """Twenty runs make a session."""
    return f"session-{number // 20:08d}"


def customer_of(number: int) -> str:
    """Metadata of a run; a thousand customers take turns."""
    return f"customer-{number % 1000:04d}"


def write_log(file: Path, runs: int, shape: Shape, samples: int = 60) -> list[str]:
    """Record a log of so many runs in a new file.

    Args:
        file: of the ledger; beside it stay the samples.
        runs: how many.
        shape: of each.
        samples: how many runs are really recorded, of twenty agents in turn.

    Returns:
        The ids of the runs, oldest first.
    """
    others, recorded = _samples(file.with_name("samples.db"), shape, samples)
    made: list[str] = []
    copies = chain.from_iterable(_groups(recorded, runs, made))
    store = open_store(file, "normal")
    store.insert_events([StoredEvent(*event[1:]) for event in others])
    while batch := list(islice(copies, _AT_ONCE)):
        store.insert_events(batch)
    store.close()
    return made


def _samples(file: Path, shape: Shape, number: int) -> tuple[list[Recorded], list[Sample]]:
    """What was recorded about agents, and runs of them."""
    steps = count()

    def clock() -> datetime:
        return NEWEST + next(steps) * timedelta(milliseconds=617)

    with Ledger(file, durability="normal", clock=clock) as ledger:
        made = [
            record_sample(ledger, AGENTS[n % len(AGENTS)], shape, n // len(AGENTS))
            for n in range(number)
        ]
        log = ledger.read_log(0, 10_000_000)
        others = [event for event in log if not event.topic.startswith("execution.")]
        runs = [[event for event in log if event.id == ids[0]] for ids in made]
        return others, list(map(_sample_of, made, runs))


def _sample_of(ids: Sequence[str], events: Sequence[Recorded]) -> Sample:
    states = [
        _EVENT_ID.sub(b'"id":"%b%08x"' % (_EVENT_MARK.encode(), place), event.state, count=1)
        for place, event in enumerate(events)
    ]
    return Sample(
        ids=ids,
        trace_id=events[0].facts["trace_id"],
        times=[datetime.fromisoformat(at) for at in sorted({event.at for event in events})],
        topics=[event.topic for event in events],
        text=_BETWEEN.join(states),
    )


def _groups(
    samples: Sequence[Sample], runs: int, made: list[str]
) -> Iterator[Iterator[StoredEvent]]:
    """Copies in the order of their times, some of them side by side, event by event."""
    choose = random.Random(1)
    for first in range(0, runs, _SIDE_BY_SIDE):
        numbers = range(first, min(runs, first + _SIDE_BY_SIDE))
        copies = [_copy(choose.choice(samples), n, NEWEST - (runs - n) * _SPACING) for n in numbers]
        made.extend(str(copy[0].originator_id) for copy in copies)
        yield (event for events in zip_longest(*copies) for event in events if event is not None)


def _copy(sample: Sample, number: int, began: datetime) -> list[StoredEvent]:
    own_ids = [new_id(began) for _ in sample.ids]
    own_times = [began + (time - sample.times[0]) for time in sample.times]
    changes = [
        *zip(sample.ids, own_ids, strict=True),
        *zip(map(format_time, sample.times), map(format_time, own_times), strict=True),
        (sample.trace_id, f"{number + 1:032x}"),
        (_EVENT_MARK, f"{number:024x}"),
        (SESSION, session_of(number)),
        (USER, f"user-{number % 500:03d}"),
        (CUSTOMER, customer_of(number)),
    ]
    text = sample.text
    for mark, own in changes:
        text = text.replace(mark.encode(), own.encode())
    return [
        StoredEvent(own_ids[0], version, topic, state)
        for version, (topic, state) in enumerate(
            zip(sample.topics, text.split(_BETWEEN), strict=True), 1
        )
    ]
