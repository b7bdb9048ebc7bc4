from typing import Any

import pytest

from ledger.approval_policy import ApprovalPolicy, holds_back, policy_in
from ledger.errors import InvalidPolicy
from ledger.strict_json import decode


def test_what_a_version_says_of_ours_is_the_policy_and_the_rest_is_passed_over() -> None:
    given = decode(b'{"required_role":"admin","not_requester":true,"expires_in_s":1.50,"theirs":1}')

    policy = policy_in(given)

    assert policy == ApprovalPolicy(required_role="admin", not_requester=True, expires_in_s=1.5)


@pytest.mark.parametrize("given", [None, "admin", ["admin"], {}, {"approvers": ["ada"]}])
def test_what_says_nothing_of_ours_is_no_policy(given: Any) -> None:
    assert policy_in(given) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("required_role", "reader"),
        ("required_role", "manager"),
        ("not_requester", "yes"),
        ("not_requester", 1),
        ("on_reject", "retry"),
        ("expires_in_s", 0),
        ("expires_in_s", -1),
        ("expires_in_s", 1e12),
        ("expires_in_s", "60"),
        ("expires_in_s", True),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(InvalidPolicy) as refusal:
        policy_in({key: value})

    assert refusal.value.details["path"] == f"approval_policy.{key}"


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"approval_required": True}, True), ({"approval_required": "true"}, False), ({}, False)],
)
def test_only_a_plain_true_holds_work_back(config: dict[str, Any], expected: bool) -> None:
    assert holds_back(config) is expected
