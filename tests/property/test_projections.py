"""Laws of every read model, over whole histories."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.mapper import Recorded
from projections.catalog import ALL
from tests.read_side import Dump, catch_up, everything_in, fresh_views
from tests.strategies import MemoryLog, histories


@given(histories(), st.integers(1, 7), st.lists(st.integers(0, 60), max_size=4))
def test_any_pages_and_any_restarts_end_in_the_rows_of_one_pass(
    events: list[Recorded], page_size: int, stops: list[int]
) -> None:
    with fresh_views() as at_once, fresh_views() as bit_by_bit:
        catch_up(at_once, ALL, MemoryLog(events))

        for stop in [*sorted(stops), len(events)]:
            catch_up(bit_by_bit, ALL, MemoryLog(events[:stop]), page_size)

        assert counted(everything_in(bit_by_bit, ALL)) == counted(everything_in(at_once, ALL))


def counted(dump: Dump) -> Dump:
    """A count of nothing is the same as no count."""
    return dump | {"execution_counts_v1": {row for row in dump["execution_counts_v1"] if row[-1]}}
