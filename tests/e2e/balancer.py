"""A load balancer: each connection goes to one of the servers that are there just now."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

_TRY_AGAIN_SECONDS = 0.05
_PIECE = 64 * 1024


Choose = Callable[[], Sequence[int]]


@contextmanager
def balanced(ports: Sequence[int], choose: Choose | None = None) -> Iterator[int]:
    """The port of a balancer in front of the servers at some ports.

    `choose` says for each connection in which order they are tried; by default it is chance.
    """
    chance = random.Random(5)
    order = choose or (lambda: chance.sample(ports, len(ports)))
    loop = asyncio.new_event_loop()
    listening: list[int] = []
    is_there, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with await asyncio.start_server(_passing_to(order), "127.0.0.1", 0) as server:
            listening.append(server.sockets[0].getsockname()[1])
            is_there.set()
            await stop.wait()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        await asyncio.sleep(0)  # in which the connections are let go that were aborted

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert is_there.wait(30)
    try:
        yield listening[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


def _passing_to(order: Choose):  # type: ignore[no-untyped-def] # a protocol of asyncio's
    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            there = await _connected(order())
            if there is not None:
                writers.append(there[1])
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        except asyncio.CancelledError:  # the end, which asyncio would log as a failure
            for each in writers:
                each.transport.abort()
        writer.close()

    return passing


async def _connected(
    ports: Sequence[int],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A connection to the first of the servers that is there."""
    for _ in range(200):
        for port in ports:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(_TRY_AGAIN_SECONDS)
    return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()
