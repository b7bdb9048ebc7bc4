"""The keyring: keys in force, as the log tells of them."""

import pytest
from aiohttp.test_utils import make_mocked_request

from ledger.access import ANY_WORKSPACE, ApiKey, LockedOut
from ledger.mapper import LedgerMapper, Recorded
from ledger.role import Role
from server.auth import Key, Keyring, Pass, digest_of_secret
from tests.given import STAMP


def made(id_: str, workspace: str = ANY_WORKSPACE, role: Role = Role.ADMIN) -> ApiKey:
    return ApiKey.create(id_, STAMP, name=id_, role=role, workspace=workspace, digest=f"of {id_}")


def recorded(key: ApiKey) -> list[Recorded]:
    """What is announced of a key."""
    stored = [LedgerMapper().storable(event) for event in key.pending_events]
    return [Recorded(1, key.id, each.originator_version, each.topic, each.state) for each in stored]


def ring_of(*keys: ApiKey) -> Keyring:
    keyring = Keyring()
    for key in keys:
        keyring.follow(recorded(key))
    return keyring


def test_a_key_counts_from_its_announcement_until_its_revocation() -> None:
    key = made("a")
    keyring = ring_of(key)
    assert not keyring.is_empty

    key.revoke(STAMP)
    keyring.follow(recorded(key)[-1:])

    assert keyring.is_empty


def test_a_key_that_was_revoked_is_not_taken_in_from_older_knowledge() -> None:
    key = made("a")
    key.revoke(STAMP)
    keyring = ring_of(key)

    keyring.take_in([Key("a", "a", Role.ADMIN, ANY_WORKSPACE, "of a")])

    assert keyring.is_empty


@pytest.mark.parametrize(
    ("keys", "heir"),
    [
        ([made("a", "acme"), made("b", "acme")], "b"),
        ([made("a", "acme"), made("b")], "b"),
        ([made("a"), made("b")], "b"),
        ([made("a", "acme", Role.READER)], None),
        ([made("b")], None),
    ],
)
def test_an_heir_administers_all_that_a_key_does(keys: list[ApiKey], heir: str | None) -> None:
    assert ring_of(*keys).heir_of("a") == heir


@pytest.mark.parametrize(
    "keys",
    [
        [made("a")],
        [made("a"), made("b", "acme")],
        [made("a", "acme"), made("b", "umbrella")],
        [made("a", "acme"), made("b", "acme", Role.OPERATOR)],
    ],
)
def test_without_an_heir_somebody_would_be_locked_out(keys: list[ApiKey]) -> None:
    with pytest.raises(LockedOut, match="make another one first"):
        ring_of(*keys).heir_of("a")


def test_a_key_that_is_revoked_between_admission_and_the_first_write_opens_nothing() -> None:
    secret = "el_of_eve"
    key = ApiKey.create(
        "eve",
        STAMP,
        name="eve",
        role=Role.READER,
        workspace="acme",
        digest=digest_of_secret(secret),
    )
    keyring = ring_of(made("admin"), key)
    request = make_mocked_request("GET", "/", {"X-API-Key": secret})
    admitted = keyring.authenticate(request)
    keyring.follow(recorded(made("somebody else")))
    assert Pass(keyring, request, admitted).holds()

    key.revoke(STAMP)
    keyring.follow(recorded(key)[-1:])

    assert not Pass(keyring, request, admitted).holds()
