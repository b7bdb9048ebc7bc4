"""However often the leader of the views changes, nothing is folded twice or left out."""

from contextlib import closing
from enum import Enum
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.mapper import Recorded
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.store import ViewStore
from tests.postgres import fresh_schema
from tests.property.test_projections import counted
from tests.read_side import catch_up, everything_in
from tests.several import NEVER, let_leases_expire, loop_of, turn_until_done
from tests.strategies import MemoryLog, histories

SERVERS: Final = 3


class Act(Enum):
    """What may happen to a server."""

    TURN = "it folds a page, or looks"
    EXPIRE = "it is not heard of for long"
    STOP = "it ends, and is started again"
    REBUILD = "it builds the views anew"
    GROW = "something is recorded"


ACTS = st.lists(st.tuples(st.integers(0, SERVERS - 1), st.sampled_from(Act)), max_size=25)


@settings(max_examples=12)
@given(histories(max_executions=4, max_acts=30), st.integers(1, 7), ACTS)
def test_whoever_leads_the_views_end_in_the_rows_of_one_pass(
    events: list[Recorded], page_size: int, acts: list[tuple[int, Act]]
) -> None:
    with (
        fresh_schema() as one,
        closing(ViewStore.open(one)) as at_once,  # of the same kind, which shows NUL in its way
        fresh_schema() as url,
        closing(ViewStore.open(url)) as store,
    ):
        catch_up(at_once, ALL, MemoryLog(events))
        log = MemoryLog(events[:5])

        def begin(number: int) -> CatchUp:
            # Some do not notice by themselves that they lead no more: only the fence stops them.
            renewed_every = NEVER if number == 0 else 0
            return loop_of(
                str(number), store, log, *ALL, page_size=page_size, renewed_every=renewed_every
            )

        loops = [begin(number) for number in range(SERVERS)]
        for number, act in acts:
            if act is Act.TURN:
                loops[number].turn()
            elif act is Act.EXPIRE:
                let_leases_expire(store)
            elif act is Act.STOP:
                loops[number].stop()
                loops[number] = begin(number)
            elif act is Act.REBUILD:
                loops[number].rebuild(["executions", "costs"])
            else:
                log.events = events[: len(log.events) + 5]
        log.events = events
        let_leases_expire(store)
        turn_until_done(*loops)

        assert counted(everything_in(store, ALL)) == counted(everything_in(at_once, ALL))
