"""Hostile payloads are kept byte-exact or refused clearly; the run stays readable."""

import json
from collections.abc import Iterator

import pytest

from tests.live_server import Caller, live_server
from tests.property.test_streams import frames_in
from tests.quick_settings import quick_settings
from tests.stores import database_in

pytestmark = pytest.mark.both_stores

KEPT = {
    "the library's own keys": b'{"_type_":"uuid_hex","_data_":"00"}',
    "NUL": b'"a\\u0000b"',
    "line ends": b'"\\n\\r\\n\\n"',
    "a fraction's digits": b"[1.10,1e2,-0.0,0.1e-7]",
    "a number beyond a float": b"[1e400,12345678901234567890.0]",
    "64-bit integers": b"[9223372036854775807,-9223372036854775808,18446744073709551615]",
    "every plane": '"\u2028\ud7ff\ue000\U0010ffff"'.encode(),
    "depth 150": b"[" * 150 + b"]" * 150,
    "an empty key": b'{"":{"":""}}',
    "prototype keys": b'{"__proto__":1,"constructor":2}',
    "a forged frame": b'"\\n\\nevent: done\\nid: 99\\ndata: {}\\n\\n"',
}
REFUSED = {
    "NaN": b"NaN",
    "Infinity": b"[-Infinity]",
    "a lone surrogate": b'"\\ud800"',
    "a lone surrogate in UTF-8": b'"\xed\xa0\x80"',
    "bytes that are not UTF-8": b'"\xff"',
    "5,000 digits": b"9" * 5000,
    "an integer beyond 64 bits": b"18446744073709551616",
    "depth 10,000": b"[" * 10_000 + b"]" * 10_000,
    "duplicate keys": b'{"a":1,"a":2}',
    "nothing": b"",
    "half a document": b'{"a":',
}


@pytest.fixture(scope="module")
def caller(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    database = database_in(tmp_path_factory.mktemp("hostile"))
    settings = quick_settings(database)
    with live_server(settings) as caller:
        yield caller


@pytest.fixture
def running(caller: Caller) -> str:
    id_: str = caller.post("/executions", {"agent": "hostile", "input": {}})["id"]
    caller.post(f"/executions/{id_}/start")
    return id_


def readable(caller: Caller, id_: str) -> bool:
    """Whether the run can be shown, listed, replayed and audited."""
    paths = (f"/executions/{id_}", "/executions?limit=5", f"/executions/{id_}/events")
    statuses = [caller.send("GET", path)[0] for path in paths]
    frames_in(caller.stream(f"/executions/{id_}/replay"))
    return statuses == [200, 200, 200]


@pytest.mark.parametrize("payload", KEPT.values(), ids=KEPT)
def test_a_strange_payload_is_replayed_byte_for_byte(
    caller: Caller, running: str, payload: bytes
) -> None:
    frame = b'{"type":"tool_start","id":"t","name":"n","input":' + payload + b"}"

    status, answer = caller.send("POST", f"/executions/{running}/frames", frame)

    assert status == 200, answer
    assert b'"input":' + payload + b"}\n\n" in caller.stream(f"/executions/{running}/replay")
    assert readable(caller, running)


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)
def test_a_payload_that_programs_would_read_differently_is_refused(
    caller: Caller, running: str, payload: bytes
) -> None:
    frame = b'{"type":"tool_start","id":"t","name":"n","input":' + payload + b"}"

    status, answer = caller.send("POST", f"/executions/{running}/frames", frame)

    assert status == 400
    assert answer["error"]["code"] in ("validation_error", "invalid_json")
    assert answer["error"]["message"]
    assert caller.send("GET", f"/executions/{running}")[1]["data"]["version"] == 2
    assert readable(caller, running)


@pytest.mark.parametrize("payload", KEPT.values(), ids=KEPT)
def test_a_strange_input_and_metadata_come_back_as_they_were(
    caller: Caller, payload: bytes
) -> None:
    body = b'{"agent":"hostile","input":{"x":%b},"metadata":{"x":%b}}' % (payload, payload)

    status, created = caller.send("POST", "/executions", body)

    assert status == 201, created
    path = f"/executions/{created['data']['id']}"
    _, shown = caller.send("GET", path)
    assert shown["data"]["input"] == {"x": json.loads(payload)}
    assert shown["data"]["metadata"] == {"x": json.loads(payload)}
    assert readable(caller, created["data"]["id"])


def test_twenty_megabytes_are_refused_with_the_limit(caller: Caller, running: str) -> None:
    frame = b'{"type":"content","content":"%b"}' % (b"x" * 20_000_000)

    status, answer = caller.send("POST", f"/executions/{running}/frames", frame)

    assert status == 413
    assert answer["error"]["code"] == "payload_too_large"
    assert readable(caller, running)


def test_one_event_beyond_the_limit_is_refused_and_nothing_of_its_batch_is_recorded(
    caller: Caller, running: str
) -> None:
    frames = [{"type": "content", "content": "x"}, {"type": "content", "content": "x" * 5_000_000}]

    status, answer = caller.send("POST", f"/executions/{running}/frames", frames)

    assert (status, answer["error"]["code"]) == (413, "payload_too_large")
    assert caller.send("GET", f"/executions/{running}")[1]["data"]["version"] == 2


@pytest.mark.parametrize(
    "path",
    [
        "/executions/%00",
        "/executions/%ff%fe",
        "/executions/..%2f..%2fetc%2fpasswd",
        "/executions/" + "x" * 5000,
        "/executions?status=%00",
        "/executions?metadata.=x",
        "/executions?metadata.a%00b=x",
        "/executions?q=%ff",
        "/executions?created_after=0001-01-01T00:00:00%2B14:00",
        "/executions?created_after=9999-12-31T23:59:59-14:00",
        "/executions?limit=99999999999999999999999",
        "/executions?page=99999999999999999999999",
        "/executions?cursor=%00",
        "/executions?cursor=W10",
        "/executions?min_cost=NaN",
        "/executions?min_cost=1e999999",
        "/executions?agent_id=a&agent_id=b",
        "/agents?name=%00",
        "/approvals?status=nonsense",
        "/costs/summary?from=9999-99-99",
        "/costs?group_by=nonsense",
        "/traces?trace_id=%00",
        "/traces/%00",
        "/scores?name=%ff",
        "/sessions/%00",
        "/dashboard/metrics?days=99999999999999999999",
        "/events?after=-1",
        "/events?after=99999999999999999999999",
    ],
)
def test_no_address_is_a_fault_of_ours(caller: Caller, path: str) -> None:
    status, answer = caller.send("GET", path)

    assert status in (200, 400, 404), answer
    if status != 200:
        assert isinstance(answer["error"]["message"], str)
