import pytest

from ledger.claims import (
    AgentName,
    IdempotencyKey,
    KeyUsed,
    NameClaimed,
    NameReclaimed,
    NameReleased,
)
from ledger.strict_json import InvalidJson
from tests.given import STAMP, newest, recorded


@pytest.fixture(name="claimed")
def claimed_fixture() -> AgentName:
    claim = AgentName.claim(STAMP, "Writer", "agent-1")
    claim.pending_events.clear()
    return claim


def test_a_name_nobody_had_is_claimed() -> None:
    claim = AgentName.claim(STAMP, "Writer", "agent-1")

    assert recorded(claim) == [NameClaimed]
    assert claim.agent_id == "agent-1"


def test_a_name_that_is_given_up_belongs_to_nobody(claimed: AgentName) -> None:
    claimed.release(STAMP)

    assert recorded(claimed) == [NameReleased]
    assert claimed.agent_id is None


def test_a_name_that_was_given_up_goes_to_the_next(claimed: AgentName) -> None:
    claimed.release(STAMP)

    claimed.reclaim(STAMP, "agent-2")

    assert recorded(claimed) == [NameReleased, NameReclaimed]
    assert claimed.agent_id == "agent-2"


def test_everybody_who_claims_a_name_claims_the_same_thing() -> None:
    assert AgentName.claim(STAMP, "Writer", "agent-1").id == AgentName.id_of("acme", "Writer")


def test_a_name_in_another_workspace_is_another_claim() -> None:
    assert AgentName.id_of("acme", "Writer") != AgentName.id_of("umbrella", "Writer")


@pytest.mark.parametrize("kind", [AgentName, IdempotencyKey])
def test_a_workspace_cannot_reach_into_another_by_its_name(
    kind: type[AgentName | IdempotencyKey],
) -> None:
    assert kind.id_of("acme", "a\0b") != kind.id_of("acme\0a", "b")


def test_a_key_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidJson):
        IdempotencyKey.id_of("acme", "\udcff")


def test_a_name_and_a_key_of_the_same_letters_do_not_meet() -> None:
    assert AgentName.id_of("acme", "x") != IdempotencyKey.id_of("acme", "x")


def test_using_a_key_keeps_what_was_answered() -> None:
    key = IdempotencyKey.use(
        STAMP, "k-1", digest="d", aggregate_id="execution-1", version=3, subject="approval-1"
    )

    assert recorded(key) == [KeyUsed]
    assert key.id == IdempotencyKey.id_of("acme", "k-1")
    assert key.used == newest(key)
    assert (newest(key).key, newest(key).digest, newest(key).version) == ("k-1", "d", 3)
