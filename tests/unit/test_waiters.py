"""Waiting until views contain a position."""

import asyncio
import threading

from projections.waiters import Waiters


def waiters(**positions: int) -> Waiters:
    made = Waiters(lambda: None)
    made.moved(positions)
    return made


def test_nobody_waits_for_what_is_there() -> None:
    assert waiters(a=5, b=5).wait(5, timeout=0)


def test_all_projections_count_unless_some_are_named() -> None:
    some = waiters(a=5, b=3)

    assert not some.wait(4, timeout=0)
    assert some.wait(4, timeout=0, names=["a"])


def test_an_unknown_projection_never_gets_anywhere() -> None:
    assert not waiters(a=5).wait(1, timeout=0, names=["nobody"])


def test_a_thread_is_woken_when_the_position_is_reached() -> None:
    some = waiters(a=0)
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(some.wait(3, timeout=30)))

    thread.start()
    while not len(some):
        pass
    some.moved({"a": 3})
    thread.join()

    assert told == [True]
    assert len(some) == 0


async def test_a_thousand_tasks_are_woken_by_one_call() -> None:
    some = waiters(a=0)
    loop = asyncio.get_running_loop()
    calls: list[object] = []
    call = loop.call_soon_threadsafe

    def counting(*args: object) -> object:
        calls.append(args[0])
        return call(*args)  # type: ignore[arg-type] # whatever it was given

    loop.call_soon_threadsafe = counting  # type: ignore[method-assign, assignment] # counts, and calls it
    tasks = [asyncio.ensure_future(some.reached(3, 30)) for _ in range(1_000)]
    await asyncio.sleep(0)
    some.moved({"a": 3})

    assert await asyncio.gather(*tasks) == [True] * 1_000
    assert len(calls) == 1


async def test_a_task_that_gives_up_leaves_nothing_behind() -> None:
    some = waiters(a=0)

    assert not await some.reached(1, 0.001)
    assert len(some) == 0


async def test_a_cancelled_task_leaves_nothing_behind() -> None:
    some = waiters(a=0)
    task = asyncio.ensure_future(some.reached(1, 30))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert len(some) == 0


def test_whoever_begins_to_wait_hurries_the_loop() -> None:
    hurried: list[None] = []
    some = Waiters(lambda: hurried.append(None))

    some.wait(1, timeout=0, names=["a"])

    assert hurried == [None]


def test_a_waiter_of_a_closed_loop_does_not_matter() -> None:
    some = waiters(a=0)
    loop = asyncio.new_event_loop()
    task = loop.create_task(some.reached(1, 30))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    some.moved({"a": 1})

    assert len(some) == 0
    # asyncio has no other way to be told that a task left unfinished is no mistake.
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
    task.get_coro().close()
