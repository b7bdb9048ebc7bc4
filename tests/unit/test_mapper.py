import sys
from collections.abc import Mapping
from typing import Any

import pytest
from eventsourcing.persistence import StoredEvent

from ledger import events as e
from ledger.claims import AgentName
from ledger.errors import UnreadableEvent
from ledger.event import SCHEMA, Event
from ledger.mapper import EVENTS, LedgerMapper, Recorded
from ledger.strict_json import decode, encode
from tests import given
from tests.given import NOON, STAMP, newest

MAPPER = LedgerMapper()

ENVELOPE: Mapping[str, Any] = {
    "at": "2026-01-31T12:00:00.000000Z",
    "schema": SCHEMA,
    "id": "0" * 32,
    "workspace": "acme",
    "actor": {"type": "user", "id": "key-1", "auth": "api_key"},
}


def stored(topic: str, payload: bytes, **envelope: Any) -> StoredEvent:
    state = encode({**ENVELOPE, **envelope}) + b"\n" + payload
    return StoredEvent(given.EXECUTION_ID, 2, topic, state)


def written(event: Event) -> bytes:
    return MAPPER.storable(event).state


def started() -> Event:
    execution = given.pending()
    execution.start(STAMP, "worker-1")
    event: Event = newest(execution)
    return event


def test_an_event_is_stored_as_a_line_of_envelope_and_a_line_of_facts() -> None:
    event = started()

    assert (
        written(event)
        == (
            b'{"at":"2026-01-31T12:00:00.000000Z","schema":1,"id":"%s","workspace":"acme",'
            b'"actor":{"type":"user","id":"key-1","auth":"api_key","name":"Ada"},'
            b'"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","request":"request-1"}\n'
            b'{"status":"running","previous":"pending","worker":"worker-1","attempt":1}'
        )
        % event.envelope.id.encode()
    )


def test_a_frame_is_stored_like_an_event_made_by_a_model() -> None:
    execution = given.running()
    execution.append(STAMP, [given.frame(e.Thought, content="hm")])
    (frame,) = execution.pending_events
    encoded = StoredEvent(execution.id, 3, "execution.thought.v1", MAPPER.storable(frame).state)

    read = MAPPER.to_domain_event(encoded)

    assert isinstance(read, e.Thought)
    assert (read.content, read.envelope.stamp, read.timestamp) == ("hm", STAMP, NOON)
    assert MAPPER.to_stored_event(read) == encoded


def test_frames_of_one_batch_have_ids_of_their_own() -> None:
    execution = given.running()
    execution.append(STAMP, [given.frame(e.Thought, content="hm")] * 100)

    states = [MAPPER.storable(event).state for event in execution.pending_events]
    assert len({state.split(b",")[2] for state in states}) == 100


def test_a_stored_event_shows_its_parts_without_being_mapped() -> None:
    recorded = Recorded(7, given.EXECUTION_ID, 2, "execution.started.v1", written(started()))

    assert recorded.at == "2026-01-31T12:00:00.000000Z"
    assert recorded.type == "started"
    assert recorded.payload == encode(recorded.facts)
    assert recorded.facts["worker"] == "worker-1"
    assert recorded.envelope["actor"]["id"] == "key-1"


def test_the_time_of_an_event_has_its_place_whatever_the_clock_says() -> None:
    execution = given.pending()
    execution.start(STAMP._replace(at=NOON.replace(year=987, microsecond=1)), "worker-1")

    recorded = Recorded(1, execution.id, 2, "execution.started.v1", written(newest(execution)))

    assert recorded.at == "0987-01-31T12:00:00.000001Z"


def test_what_is_not_known_is_not_stored() -> None:
    execution = given.running()
    execution.record_usage(STAMP, {"model": "m", "cached_tokens": None, "prompt_tokens": 0})

    payload = written(newest(execution)).split(b"\n")[1]

    assert b"null" not in payload
    assert b"cached_tokens" not in payload
    assert b'"prompt_tokens":0' in payload


def test_numbers_keep_their_digits_through_the_store() -> None:
    output = decode(b'{"small":1.10,"large":1e400,"whole":18446744073709551615}')
    execution = given.running()
    execution.complete(STAMP, output)
    state = written(newest(execution))

    read = MAPPER.to_domain_event(StoredEvent(execution.id, 3, "execution.completed.v1", state))

    assert written(read) == state
    assert b'"output":{"small":1.10,"large":1e400,"whole":18446744073709551615}' in state


def test_a_payload_that_looks_like_one_of_the_library_is_only_a_payload() -> None:
    look_alike = {"_type_": "uuid_hex", "_data_": "not a uuid"}
    execution = given.running()
    execution.complete(STAMP, look_alike)
    recorded = MAPPER.to_stored_event(newest(execution))

    read = MAPPER.to_domain_event(recorded)

    assert isinstance(read, e.Completed)
    assert read.output == look_alike


@pytest.mark.parametrize("topic", ["os:system", "execution.vanished.v1", "execution", ""])
def test_an_unknown_topic_is_unreadable(topic: str) -> None:
    with pytest.raises(UnreadableEvent, match="unknown topic"):
        MAPPER.to_domain_event(stored(topic, b"{}"))


def test_a_stored_topic_never_imports_a_module() -> None:
    module = "antigravity"  # would open a browser

    with pytest.raises(UnreadableEvent):
        MAPPER.to_domain_event(stored(f"{module}:fly", b"{}"))

    assert module not in sys.modules


def test_only_modules_of_the_ledger_define_topics() -> None:
    class Foreign(Event):
        TOPIC = "foreign.happened.v1"

    assert Foreign.TYPE == "happened"
    assert "foreign.happened.v1" not in EVENTS


def test_an_old_topic_is_read_through_its_upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {
        "execution.mused.v1": ("execution.mused.v2", lambda facts: {"words": facts["text"]}),
        "execution.mused.v2": ("execution.thought.v1", lambda facts: {"content": facts["words"]}),
    }
    monkeypatch.setattr("ledger.mapper.UPCASTERS", steps)

    event = MAPPER.to_domain_event(stored("execution.mused.v1", b'{"text":"hm"}'))

    assert isinstance(event, e.Thought)
    assert event.content == "hm"


def test_a_newer_schema_is_refused_not_guessed() -> None:
    newer = stored("execution.thought.v1", b'{"content":"hm"}', schema=SCHEMA + 1)

    with pytest.raises(UnreadableEvent, match=f"schema {SCHEMA + 1} is newer than {SCHEMA}"):
        MAPPER.to_domain_event(newer)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\n",
        b"{}\n{}",
        b"[]\n{}",
        b"null\nnull",
        encode(ENVELOPE),
        encode(ENVELOPE) + b"\n",
        encode(ENVELOPE) + b"\n[]",
        encode(ENVELOPE) + b"\nnull",
        encode(ENVELOPE) + b"\n{}",
        encode(ENVELOPE) + b'\n{"content":1}',
        encode(ENVELOPE) + b'\n{"content":"hm"',
        encode(ENVELOPE) + b'\n{"content":"\xff"}',
        encode(ENVELOPE) + b"\n" + b"[" * 100_000,
        encode({**ENVELOPE, "at": "noon"}) + b'\n{"content":"hm"}',
        encode({**ENVELOPE, "at": "0001-01-01T00:00:00+01:00"}) + b'\n{"content":"hm"}',
        encode({**ENVELOPE, "actor": "Ada"}) + b'\n{"content":"hm"}',
        encode({**ENVELOPE, "schema": "one"}) + b'\n{"content":"hm"}',
    ],
)
def test_damaged_bytes_are_unreadable(state: bytes) -> None:
    damaged = StoredEvent(given.EXECUTION_ID, 5, "execution.thought.v1", state)

    with pytest.raises(UnreadableEvent) as fault:
        MAPPER.to_domain_event(damaged)

    assert str(fault.value).startswith(f"event 5 of '{given.EXECUTION_ID}' (execution.thought.v1)")


def test_facts_that_a_later_version_added_are_passed_over() -> None:
    event = MAPPER.to_domain_event(stored("execution.thought.v1", b'{"content":"hm","mood":"ok"}'))

    assert isinstance(event, e.Thought)


@pytest.mark.parametrize(("topic", "event"), EVENTS.items(), ids=EVENTS.keys())
def test_a_topic_names_its_aggregate_its_event_and_a_version(
    topic: str, event: type[Event]
) -> None:
    aggregate, type_, version = topic.split(".")

    assert (event.TOPIC, event.TYPE, version) == (topic, type_, "v1")
    assert aggregate.isidentifier()
    assert type_.isidentifier()


def test_the_first_event_of_an_aggregate_brings_it_into_being() -> None:
    claim = AgentName.claim(STAMP, "Writer", "agent-1")
    recorded = MAPPER.to_stored_event(newest(claim))

    read = MAPPER.to_domain_event(recorded)

    twin = read.mutate(None)
    assert isinstance(twin, AgentName)
    assert (twin.agent_id, twin.workspace, twin.version) == ("agent-1", "acme", 1)
