"""Executions that wait for workers, and workers that wait for executions."""

import asyncio

from server.work_queue import Place, WorkQueue

CLERK, SCRIBE = Place("acme", "clerk"), Place("acme", "scribe")
SECONDS = 10.0


def test_executions_are_taken_in_the_order_in_which_they_came() -> None:
    queue = WorkQueue()
    for id_ in ("b", "a", "c"):
        queue.put(CLERK, id_)

    assert [queue.take([CLERK]) for _ in range(4)] == ["b", "a", "c", None]


def test_an_execution_waits_once() -> None:
    queue = WorkQueue()
    queue.put(CLERK, "a")
    queue.put(CLERK, "a")

    assert len(queue) == 1
    assert [queue.take([CLERK]), queue.take([CLERK])] == ["a", None]


def test_an_execution_that_was_dropped_waits_no_more() -> None:
    queue = WorkQueue()
    queue.put(CLERK, "a")
    queue.drop("a")
    queue.drop("unknown")

    assert queue.take([CLERK]) is None


def test_nobody_takes_what_waits_for_another_agent() -> None:
    queue = WorkQueue()
    queue.put(SCRIBE, "a")
    queue.put(Place("theirs", "clerk"), "b")

    assert queue.take([CLERK]) is None
    assert queue.take([CLERK, SCRIBE]) == "a"


async def test_whoever_waits_is_told_what_comes() -> None:
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.arrival([CLERK, SCRIBE], SECONDS))
    await asyncio.sleep(0)

    queue.put(SCRIBE, "a")

    async with asyncio.timeout(SECONDS / 2):
        await waiting


async def test_each_execution_wakes_one_of_those_who_wait() -> None:
    queue = WorkQueue()
    waiting = [asyncio.create_task(queue.arrival([CLERK], SECONDS)) for _ in range(3)]
    await asyncio.sleep(0)

    queue.put(CLERK, "a")
    queue.put(CLERK, "b")
    await asyncio.sleep(0.01)

    assert sorted(task.done() for task in waiting) == [False, True, True]
    queue.close()
    await asyncio.gather(*waiting)


async def test_nobody_waits_longer_than_they_said() -> None:
    queue = WorkQueue()

    async with asyncio.timeout(SECONDS):
        await queue.arrival([CLERK], 0.01)
    queue.put(CLERK, "a")

    assert queue.take([CLERK]) == "a"


def test_no_agent_waits_behind_another_that_always_has_work() -> None:
    queue = WorkQueue()
    queue.put(CLERK, "a")
    queue.put(SCRIBE, "b")
    queue.put(CLERK, "c")

    assert [queue.take([CLERK, SCRIBE]) for _ in range(3)] == ["a", "b", "c"]


async def test_what_woke_somebody_who_is_gone_wakes_another() -> None:
    queue = WorkQueue()
    first, second = (asyncio.create_task(queue.arrival([CLERK], SECONDS)) for _ in range(2))
    await asyncio.sleep(0)

    queue.put(CLERK, "a")
    first.cancel()

    async with asyncio.timeout(SECONDS / 2):
        await second
    assert queue.take([CLERK]) == "a"
