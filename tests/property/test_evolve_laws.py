"""Law: evolve is total. A recorded fact is followed or passed over, never refused."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import events as e
from ledger.access import ApiKey
from ledger.agent import Agent
from ledger.claims import AgentName, IdempotencyKey
from ledger.event import Event
from ledger.mapper import EVENTS
from ledger.role import Role
from ledger.score_config import ScoreConfig
from tests.given import IN_STATUS, STAMP
from tests.property.ledger_strategies import events

CONFIG = {"name": "q", "data_type": "numeric", "categories": [], "description": ""}
OTHERS: Final[list[Callable[[], Any]]] = [
    lambda: Agent.register("a", STAMP, "Writer", "simple", "", []),
    lambda: AgentName.claim(STAMP, "Writer", "a"),
    lambda: IdempotencyKey.use(STAMP, "k", digest="d", aggregate_id="a", version=1),
    lambda: ApiKey.create("k", STAMP, name="ci", role=Role.READER, workspace="acme", digest="d"),
    lambda: ScoreConfig.create("c", STAMP, {**CONFIG, "is_active": True}),
]
EXECUTION_EVENTS = [event for topic, event in EVENTS.items() if topic.startswith("execution.")]
REMARKS: list[type[Event]] = [e.Annotated, e.Scored, e.Thought]


@given(st.data())
def test_any_fact_is_followed_in_whatever_status_it_is_met(data: st.DataObject) -> None:
    execution = data.draw(st.sampled_from(list(IN_STATUS.values())))()
    event = data.draw(events(data.draw(st.sampled_from(EXECUTION_EVENTS))))
    before = execution.status

    execution.evolve(event)

    assert execution.status is getattr(event, "status", before)


@pytest.mark.parametrize("make", OTHERS)
@given(data=st.data())
def test_a_fact_of_another_kind_of_aggregate_changes_nothing(
    make: Callable[[], Any], data: st.DataObject
) -> None:
    aggregate = make()
    before = dict(vars(aggregate))

    aggregate.evolve(data.draw(events(data.draw(st.sampled_from(REMARKS)))))

    assert vars(aggregate) == before
