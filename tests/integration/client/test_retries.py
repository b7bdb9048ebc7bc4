"""Requests are sent again when that may help, with the same key, and not otherwise."""

import re
from time import monotonic

import pytest

from ledger_client import (
    ConnectionFailed,
    Ledger,
    PayloadTooLarge,
    ServerError,
    Unauthorized,
)
from tests.integration.client.sockets import answer, free_port, scripted

OK = answer("200 OK", b'{"data": {"id": "x"}}')
BUSY = answer("503 Service Unavailable", b'{"error": "busy"}', "Retry-After: 0")
SLOWER = answer("429 Too Many Requests", b'{"error": {"code": "rate_limited"}}', "Retry-After: 1")


def keys_in(requests: list[bytes]) -> list[bytes]:
    return [re.findall(rb"(?i)idempotency-key: (\S+)", each)[0] for each in requests]


def ledger_at(port: int, **more: float) -> Ledger:
    return Ledger(f"http://127.0.0.1:{port}", "secret", spill=False, **more)  # type: ignore[arg-type]  # numbers for numbers


@pytest.mark.parametrize("failure", [BUSY, b"", answer("502 Bad Gateway", b"<html>")])
def test_a_write_is_sent_again_with_the_same_key(failure: bytes) -> None:
    with scripted(failure, failure, OK) as server, ledger_at(server.port) as ledger:
        ledger.agents.execute("a", input={})

        keys = keys_in(server.requests)
        assert len(keys) == 3
        assert len(set(keys)) == 1


def test_what_the_server_asks_for_is_waited_for() -> None:
    with scripted(SLOWER, OK) as server, ledger_at(server.port) as ledger:
        began = monotonic()

        ledger.executions.get("x")

        assert monotonic() - began >= 1


def test_a_server_that_stays_busy_is_given_up() -> None:
    with (
        scripted(BUSY) as server,
        ledger_at(server.port, max_retries=2) as ledger,
        pytest.raises(ServerError, match="busy"),
    ):
        ledger.executions.get("x")

    assert len(server.requests) == 3


def test_a_server_that_is_not_there_is_a_failed_connection() -> None:
    with (
        ledger_at(free_port(), max_retries=1) as ledger,
        pytest.raises(ConnectionFailed, match="did not answer"),
    ):
        ledger.executions.get("x")


def test_an_answer_that_does_not_come_is_a_failed_connection() -> None:
    slow = answer("200 OK", b"{")[:-1]

    with (
        scripted(slow) as server,
        ledger_at(server.port, max_retries=0, timeout=0.2) as ledger,
        pytest.raises(ConnectionFailed),
    ):
        ledger.executions.get("x")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", Unauthorized),
        ("413 Request Entity Too Large", PayloadTooLarge),
        ("500 Internal Server Error", ServerError),
    ],
)
def test_a_refusal_is_not_asked_for_again(status: str, kind: type[Exception]) -> None:
    with scripted(answer(status)) as server, ledger_at(server.port) as ledger:
        with pytest.raises(kind):
            ledger.executions.get("x")

        assert len(server.requests) == 1


def test_the_key_and_the_workspace_go_with_every_request() -> None:
    with scripted(OK) as server:
        with Ledger(
            f"http://127.0.0.1:{server.port}/api/v1/", "secret", workspace="w", spill=False
        ) as ledger:
            ledger.executions.get("x")

        (request,) = server.requests
        assert request.startswith(b"GET /api/v1/executions/x ")
        assert b"x-api-key: secret" in request.lower()
        assert b"x-workspace-id: w" in request.lower()


def test_a_program_that_is_no_ledger_is_not_believed() -> None:
    with (
        scripted(answer("200 OK", b"<html>hello</html>")) as server,
        ledger_at(server.port, max_retries=0) as ledger,
        pytest.raises(ConnectionFailed, match="not the answer of a ledger"),
    ):
        ledger.executions.get("x")
