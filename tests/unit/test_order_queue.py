"""Commands on their way to the writer: nothing is lost or overtaken, and no batch is too large."""

from concurrent.futures import Future
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import Annotate
from ledger.errors import LedgerClosed
from ledger.order_queue import MOST_BYTES, MOST_COMMANDS, OrderQueue
from ledger.orders import Order, Receipt
from tests.recording import ACME


def order(size: int = 0) -> Order:
    reply: Future[Receipt] = Future()
    return Order(Annotate("a", {}), ACME, size, reply)


sizes = st.lists(st.sampled_from([0, 1, MOST_BYTES // 3, MOST_BYTES, 2 * MOST_BYTES]), max_size=9)


@given(put=sizes, held=sizes, small=st.sampled_from([0, 1, MOST_COMMANDS, MOST_COMMANDS + 1]))
def test_everything_is_taken_in_order_in_batches_within_bounds(
    put: list[int], held: list[int], small: int
) -> None:
    queue = OrderQueue()
    orders = [order(size) for size in [*put, *[0] * small]]
    for each in orders:
        queue.put(each)
    later = [order(size) for size in held]
    for each in later:
        queue.hold(each)
    queue.close()

    batches = [queue.take()]
    while not batches[-1].last:
        batches.append(queue.take())

    assert [each for batch in batches for each in batch.orders] == [*orders, *later]
    assert queue.waiting == 0
    for batch in batches:
        assert len(batch.orders) <= MOST_COMMANDS
        assert sum(each.size for each in batch.orders[:-1]) < MOST_BYTES
    for batch, following in pairwise(batches):
        taken = sum(each.size for each in batch.orders)
        assert following.orders
        assert len(batch.orders) == MOST_COMMANDS or taken >= MOST_BYTES


def test_what_is_held_is_not_taken_before_it_is_released() -> None:
    queue = OrderQueue()
    first, second, third = order(), order(), order()
    assert queue.hold(first)
    assert not queue.hold(second)
    queue.put(third)

    assert queue.take().orders == [third]
    queue.release()
    assert queue.take().orders == [first, second]


def test_being_woken_is_told_once_and_needs_no_orders() -> None:
    queue = OrderQueue()
    queue.wake()
    queue.wake()

    assert queue.take() == ([], True, False)
    queue.put(order())
    assert not queue.take().woken


def test_a_closed_queue_takes_nothing_more() -> None:
    queue = OrderQueue()
    queue.close()

    with pytest.raises(LedgerClosed):
        queue.put(order())
    assert queue.take().last
