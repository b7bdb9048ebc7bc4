from typing import Any

import pytest

from ledger.digest import NotCanonical, digest_of
from ledger.strict_json import decode


def test_the_digest_of_an_empty_object_is_what_any_program_computes() -> None:
    # printf '{}' | sha256sum
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

    assert digest_of({}) == f"sha256:{digest}"


def test_the_digest_is_over_canonical_json() -> None:
    # printf '{"a":[1.1,true],"b":"\xe2\x98\x83"}' | sha256sum
    digest = "952ca9c96edf9e499dc4cdd13805c1ee131bb1986daa150f14d213cb4c1e797d"

    assert digest_of({"b": "\N{SNOWMAN}", "a": [1.1, True]}) == f"sha256:{digest}"


def test_two_writings_of_the_same_value_have_one_digest() -> None:
    assert digest_of(decode(b'{"a":1.10, "b":1e2}')) == digest_of(decode(b'{"b":100.0,"a":1.1}'))


def test_another_value_has_another_digest() -> None:
    assert digest_of({"to": "staging"}) != digest_of({"to": "production"})


@pytest.mark.parametrize(
    "payload", [{"n": 2**53}, decode(b'{"n":1e400}'), {"n": float("nan")}, {"n": "\ud800"}]
)
def test_what_has_no_canonical_form_is_refused(payload: Any) -> None:
    with pytest.raises(NotCanonical) as refusal:
        digest_of(payload)

    assert refusal.value.code == "not_canonical"


def test_the_deepest_payload_of_a_request_has_a_digest() -> None:
    deep = decode(b"[" * 200 + b"]" * 200)

    assert digest_of({"output": deep}).startswith("sha256:")
