import pytest

from ledger.access import ANY_WORKSPACE, ApiKey, KeyCreated, KeyRevoked
from ledger.errors import Refused
from ledger.role import Role
from tests.given import STAMP, newest, recorded


@pytest.fixture(name="created")
def created_fixture() -> ApiKey:
    facts = {"name": "ci", "workspace": ANY_WORKSPACE, "digest": "d" * 64}
    key = ApiKey.create("key-1", STAMP, role=Role.WORKER, **facts)
    key.pending_events.clear()
    return key


def test_creating_a_key_records_its_digest_and_no_secret() -> None:
    facts = {"name": "ci", "workspace": "acme", "digest": "d" * 64}

    key = ApiKey.create("key-1", STAMP, role=Role.READER, **facts)

    assert recorded(key) == [KeyCreated]
    assert set(KeyCreated.FACTS) == {"name", "role", "workspace", "digest"}
    assert newest(key).encoded() == (
        b'{"name":"ci","role":"reader","workspace":"acme","digest":"%s"}' % (b"d" * 64)
    )


def test_a_key_belongs_to_the_workspace_in_which_it_was_made(created: ApiKey) -> None:
    assert created.workspace == "acme"


def test_revoking_a_key_records_revoked(created: ApiKey) -> None:
    created.revoke(STAMP)

    assert recorded(created) == [KeyRevoked]


def test_a_key_is_revoked_once(created: ApiKey) -> None:
    created.revoke(STAMP)
    created.pending_events.clear()

    with pytest.raises(Refused, match="revoked already"):
        created.revoke(STAMP)

    assert recorded(created) == []
