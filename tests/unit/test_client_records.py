"""What the server said, as attributes and as keys."""

import copy
import pickle

import pytest

from ledger_client.errors import ConnectionFailed
from ledger_client.events import ContentEvent, DoneEvent, Event, ToolEndEvent, event_of
from ledger_client.models import Agent, AuditEvent, Execution
from ledger_client.paging import call_after, page_of
from ledger_client.record import one
from ledger_client.request import ask, place, write
from ledger_client.sse import Message

RUN = Execution({"id": "x", "output": {"a": 1}, "metadata": {"k": "v"}})


def test_a_field_is_an_attribute_and_a_key() -> None:
    assert RUN.output == RUN["output"] == {"a": 1}


def test_the_envelope_of_the_wire_may_be_asked_for() -> None:
    assert RUN["data"]["output"] == RUN["data"]["data"]["output"] == {"a": 1}


def test_a_field_named_data_is_that_field() -> None:
    assert AuditEvent({"data": {"why": "so"}})["data"] == {"why": "so"}


def test_a_field_that_was_not_sent_is_not_made_up() -> None:
    with pytest.raises(AttributeError, match="'cost_usd' was sent"):
        _ = RUN.cost_usd


def test_a_record_is_a_mapping() -> None:
    assert RUN == {"id": "x", "output": {"a": 1}, "metadata": {"k": "v"}}
    assert dict(RUN)["id"] == RUN.get("id") == "x"
    assert "error" not in RUN


def test_a_record_can_be_copied_and_kept() -> None:
    event = DoneEvent("done", {"sequence": 3, "output": {}})

    assert copy.deepcopy(RUN) == RUN
    assert pickle.loads(pickle.dumps(event)).type == "done"  # noqa: S301  our own bytes


def test_what_is_within_has_its_type_too() -> None:
    tree = Execution({"id": "x", "children": [{"id": "y", "children": []}]})

    assert [child.id for child in tree.children] == ["y"]
    assert Agent({"current_version": None}).current_version is None


def test_a_page_is_iterated_over_and_says_where_it_stands() -> None:
    page = page_of(Execution)({"data": [{"id": "x"}], "meta": {"total": 9, "has_more": True}})

    assert [run.id for run in page] == [page[0].id] == [page["data"][0]["id"]] == ["x"]
    assert (len(page), page.meta.total) == (1, 9)


def test_the_next_page_is_asked_for_by_cursor_alone() -> None:
    call = ask("/executions", page_of(Execution), {"page": 2, "status": "failed"})
    page = call.parse({"data": [], "meta": {"has_more": True, "next_cursor": "c"}})

    after = call_after(call, page)

    assert after is not None
    assert after.request.params == {"status": "failed", "cursor": "c"}


def test_whoever_is_no_ledger_is_not_believed() -> None:
    with pytest.raises(ConnectionFailed, match="not the answer of a ledger"):
        one(Execution)({"hello": "world"})


def test_an_id_cannot_lead_to_another_path() -> None:
    assert place("executions", "a/../b?c") == "/executions/a%2F..%2Fb%3Fc"
    with pytest.raises(ValueError, match="empty"):
        place("executions", "")


def test_all_tries_of_one_write_carry_one_key_and_two_writes_two() -> None:
    first, second = (write("POST", "/x", one(Agent), {"a": None}) for _ in range(2))

    assert first.request.headers["Idempotency-Key"] != second.request.headers["Idempotency-Key"]
    assert first.request.body == b"{}"


def test_a_frame_has_its_class() -> None:
    event = event_of(Message("content", '{"sequence":4,"at":"t","content":"Hi"}', "4"))

    assert isinstance(event, ContentEvent)
    assert (event.type, event.sequence, event.at, event.content) == ("content", 4, "t", "Hi")


def test_what_a_frame_may_lack_is_none() -> None:
    event = event_of(Message("tool_end", '{"sequence":4,"id":"t","name":"n"}', "4"))

    assert isinstance(event, ToolEndEvent)
    assert (event.summary, event.output, event.error) == ("", None, None)


def test_a_frame_of_a_later_server_is_an_event_without_a_class() -> None:
    event = event_of(Message("weather", '{"sequence":4,"sky":"blue"}', "4"))

    assert isinstance(event, Event)
    assert (event.type, event["sky"], event.is_last) == ("weather", "blue", False)


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", '{"sequence":"4"}'])
def test_what_is_no_frame_is_no_event(data: str) -> None:
    assert event_of(Message("content", data, "")) is None
