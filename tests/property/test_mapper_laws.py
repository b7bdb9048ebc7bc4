"""Law: what was written is what is read, to the last digit; anything else is unreadable."""

from typing import Any

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.clock import format_time, parse_time
from ledger.errors import LedgerError, UnreadableEvent
from ledger.event import Event
from ledger.mapper import EVENTS, LedgerMapper, Recorded
from ledger.strict_json import InvalidJson, decode, decode_exact, decode_stored, encode, plain
from tests.property.ledger_strategies import events, times, values

MAPPER = LedgerMapper()


def facts_of(event: Event) -> dict[str, Any]:
    return {name: plain(getattr(event, name)) for name in event.FACTS}


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS.keys())
@settings(max_examples=max(5, settings().max_examples // 4))
@given(data=st.data())
def test_reading_what_was_written_gives_the_same_event(
    kind: type[Event], data: st.DataObject
) -> None:
    event = data.draw(events(kind))
    stored = MAPPER.to_stored_event(event)

    read = MAPPER.to_domain_event(stored)

    assert type(read) is kind
    assert MAPPER.to_stored_event(read) == stored
    assert facts_of(read) == facts_of(event)
    assert (read.originator_id, read.originator_version, read.timestamp, read.envelope) == (
        event.originator_id,
        event.originator_version,
        event.timestamp,
        event.envelope,
    )
    recorded = Recorded(1, read.originator_id, read.originator_version, stored.topic, stored.state)
    assert recorded.at == format_time(event.timestamp)
    assert recorded.payload == event.encoded()
    assert plain(recorded.facts) == plain(decode(event.encoded()))


@given(st.sampled_from(sorted(EVENTS)), st.binary(max_size=200), st.binary(max_size=99))
def test_any_bytes_are_read_or_unreadable(topic: str, envelope: bytes, payload: bytes) -> None:
    stored = StoredEvent("x", 1, topic, envelope + b"\n" + payload)

    try:
        event = MAPPER.to_domain_event(stored)
    except UnreadableEvent:
        return
    assert topic == event.TOPIC


@given(st.data())
def test_an_event_with_a_damaged_byte_is_read_or_unreadable(data: st.DataObject) -> None:
    event = data.draw(events(data.draw(st.sampled_from(list(EVENTS.values())))))
    state = bytearray(MAPPER.to_stored_event(event).state)
    state[data.draw(st.integers(0, len(state) - 1))] = data.draw(st.integers(0, 255))

    try:
        read = MAPPER.to_domain_event(StoredEvent("x", 1, event.TOPIC, bytes(state)))
    except UnreadableEvent:
        return
    assert type(read) is type(event)


@given(values)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    text = encode(value)

    assert plain(decode(text)) == plain(decode_exact(text)) == plain(decode_stored(text))
    assert plain(decode(text)) == plain(value)
    assert encode(decode(text)) == encode(decode_exact(text)) == text


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
@example("[1e400]")
def test_any_text_is_json_or_refused(text: str) -> None:
    try:
        value = decode(text.encode("utf-8", "surrogatepass"))
    except InvalidJson:
        return
    try:
        written = encode(value)
    except LedgerError:  # an integer beyond 64 bits
        return
    assert encode(decode(written)) == written


@given(times)
def test_times_are_read_as_they_were_written(time: Any) -> None:
    assert parse_time(format_time(time)) == time


@given(st.lists(times, min_size=2))
def test_times_sort_as_texts(moments: list[Any]) -> None:
    assert list(map(format_time, sorted(moments))) == sorted(map(format_time, moments))
