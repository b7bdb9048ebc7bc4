from collections.abc import Iterator

import pytest

from ledger.access import ANY_WORKSPACE, ApiKey
from ledger.errors import NotFound
from ledger.role import Role
from projections import keys
from projections.catalog import ALL
from tests.read_side import catch_up
from tests.views import FIRST, Told, ids, telling

pytestmark = pytest.mark.both_stores


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def made(told: Told, id_: str, opens: str, made_in: str = "acme") -> ApiKey:
    told.later(1)
    key = ApiKey.create(
        id_,
        told.by("ada", made_in),
        name=f"name of {id_}",
        role=Role.WORKER,
        workspace=opens,
        digest=f"digest of {id_}",
    )
    told.record(key)
    return key


def test_a_server_knows_every_key_in_force(told: Told) -> None:
    made(told, "k1", ANY_WORKSPACE)
    made(told, "k2", "umbrella")
    revoked = made(told, "k3", "acme")
    revoked.revoke(told.by("ada"))
    told.record(revoked)
    catch_up(told.store, ALL, told.reader)

    with told.store.reading() as connection:
        active = keys.active_keys(connection)

    assert [key.id for key in active] == ["k1", "k2"]
    assert active[0] == ("k1", "name of k1", Role.WORKER, ANY_WORKSPACE, "digest of k1")
    assert isinstance(active[0].role, Role)


def test_there_is_a_key_as_long_as_one_is_in_force(told: Told) -> None:
    nobody = told.ask(keys.any_key)
    key = made(told, "k1", "acme")
    somebody = told.ask(keys.any_key)
    key.revoke(told.by("ada"))
    told.record(key)

    assert (nobody, somebody, told.ask(keys.any_key)) == (False, True, False)


def test_an_administrator_sees_no_more_of_a_key_than_its_name(told: Told) -> None:
    made(told, "k1", "acme")

    shown = told.ask(keys.get_key, "acme", "k1")

    assert shown.pop("created_at")
    assert shown == {
        "id": "k1",
        "name": "name of k1",
        "role": "worker",
        "workspace_id": "acme",
    }


def test_keys_are_those_that_open_a_workspace_or_were_made_in_it(told: Told) -> None:
    made(told, "k1", "acme", "umbrella")
    made(told, "k2", "umbrella", "acme")
    made(told, "k3", "elsewhere", "elsewhere")

    assert ids(told.ask(keys.list_keys, "acme", FIRST)) == ["k2", "k1"]
    assert ids(told.ask(keys.list_keys, "elsewhere", FIRST)) == ["k3"]
    with pytest.raises(NotFound):
        told.ask(keys.get_key, "acme", "k3")


def test_a_revoked_key_is_none(told: Told) -> None:
    key = made(told, "k1", "acme")
    told.ask(keys.get_key, "acme", "k1")
    key.revoke(told.by("ada"))
    told.record(key)

    assert told.ask(keys.list_keys, "acme", FIRST) == []
    with pytest.raises(NotFound):
        told.ask(keys.get_key, "acme", "k1")
