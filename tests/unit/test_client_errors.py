"""An answer of 400 or more becomes the exception for it."""

import pytest

from ledger_client.errors import (
    ApiError,
    BadRequest,
    ConnectionFailed,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServerError,
    Unauthorized,
    VersionMismatch,
    api_error,
)
from ledger_client.retries import Retries

OF_STATUS = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: ApiError,
    412: VersionMismatch,
    413: PayloadTooLarge,
    429: RateLimited,
    500: ServerError,
    503: ServerError,
}


@pytest.mark.parametrize(("status", "kind"), OF_STATUS.items())
def test_a_status_has_its_exception(status: int, kind: type[ApiError]) -> None:
    assert type(api_error(status, {})) is kind


def test_a_refusal_says_what_the_server_said() -> None:
    said = {"code": "invalid_input", "message": "input.q: no", "details": {"violations": [1]}}

    error = api_error(400, {"error": said})

    assert (error.code, error.message) == ("invalid_input", "input.q: no")
    assert error.details == {"violations": [1]}
    assert str(error) == "input.q: no (400 invalid_input)"


def test_a_fault_has_its_text_and_the_code_at_the_end_of_its_type() -> None:
    body = {"error": "not now", "type": "urn:execution-ledger:queue_full"}

    error = api_error(503, body, retry_after=2)

    assert (error.code, error.message, error.retry_after) == ("queue_full", "not now", 2)


@pytest.mark.parametrize("body", [None, [], "text", {"error": 7}])
def test_an_answer_that_is_no_error_body_is_an_error_all_the_same(body: object) -> None:
    error = api_error(502, body, phrase="Bad Gateway")

    assert (error.status, error.message, error.code) == (502, "Bad Gateway", "http_502")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert Retries(1).pause(api_error(status, {}), 0) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 413, 500])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    assert Retries(9).pause(api_error(status, {}), 0) is None


def test_tries_come_to_an_end() -> None:
    assert Retries(2).pause(ConnectionFailed(), 1) is not None
    assert Retries(2).pause(ConnectionFailed(), 2) is None


def test_pauses_grow_and_are_never_the_same_for_everybody() -> None:
    pauses = [Retries(99).pause(ConnectionFailed(), n) or 0 for n in range(12)]

    assert all(0 < pause <= 8 for pause in pauses)
    assert pauses[0] <= 0.25
    assert pauses[-1] >= 4


def test_what_the_server_asks_for_is_waited_for() -> None:
    assert Retries(3).pause(api_error(429, {}, retry_after=7), 0) == 7
