"""What goes out on streams, over a real socket, also to a reader who takes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from server.outflow import MayNotGoOnError, Outflow, Outflows

LARGE = bytes(range(256)) * 1024  # 256 KiB
Fill = Callable[[Outflow], Awaitable[None]]


def always() -> bool:
    return True


@asynccontextmanager
async def serving(
    outflows: Outflows, fill: Fill, may_go_on: Callable[[], bool] = always
) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with outflows.open(request, response, may_go_on) as outflow:
            await fill(outflow)
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def body_of(fill: Fill, may_go_on: Callable[[], bool] = always) -> bytes:
    async with (
        serving(Outflows(), fill, may_go_on) as port,
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}") as response,
    ):
        return await response.read()


async def test_chunks_of_any_size_arrive_in_order() -> None:
    async def fill(outflow: Outflow) -> None:
        for chunk in (b"a", b"", b"bc", LARGE, b"d"):
            outflow.add(chunk)
        await outflow.flush()
        outflow.add(b"e" + LARGE)
        await outflow.end()

    assert await body_of(fill) == b"abc" + LARGE + b"de" + LARGE


@pytest.mark.parametrize("writes", [0, 1, 3])
async def test_nothing_is_sent_from_the_write_on_before_which_it_may_not_go_on(
    writes: int,
) -> None:
    left = iter([True] * writes)

    async def fill(outflow: Outflow) -> None:
        outflow.add(LARGE)
        with pytest.raises(MayNotGoOnError):
            await outflow.end()

    assert await body_of(fill, lambda: next(left, False)) == LARGE[: writes * 64 * 1024]


async def test_it_is_full_once_there_is_enough_for_a_write() -> None:
    filled: list[bool] = []

    async def fill(outflow: Outflow) -> None:
        for size in (65_535, 1):
            outflow.add(b"x" * size)
            filled.append(outflow.is_full)
        await outflow.end()

    await body_of(fill)

    assert filled == [False, True]


async def test_a_reader_who_takes_nothing_is_let_go() -> None:
    outflows, ended = Outflows(stuck_seconds=0.2), asyncio.Event()

    async def fill(outflow: Outflow) -> None:
        try:
            while True:
                outflow.add(LARGE)
                await outflow.flush()
        except ConnectionResetError:
            ended.set()
            raise

    letting_go = asyncio.create_task(outflows.let_go())
    async with serving(outflows, fill) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(20):
            await ended.wait()
        writer.close()
    letting_go.cancel()


async def test_a_reader_who_waits_for_what_is_not_there_is_kept() -> None:
    outflows = Outflows(stuck_seconds=0.1)

    async def fill(outflow: Outflow) -> None:
        outflow.add(b"first")
        await outflow.flush()
        await asyncio.sleep(0.5)
        outflow.add(b"last")
        await outflow.end()

    letting_go = asyncio.create_task(outflows.let_go())
    async with (
        serving(outflows, fill) as port,
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}") as response,
    ):
        assert await response.read() == b"firstlast"
    letting_go.cancel()
