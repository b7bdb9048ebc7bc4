"""The worker that is measured: `python -m tests.bench.work PORT` prints how many runs it is done
with, each time that changes."""

import asyncio
import signal
import sys
from typing import Any

from ledger_client import AsyncLedger
from ledger_client.work import AgentSet, Run, Worker
from ledger_client.work.worker import Figures
from tests.bench.client import HOST
from tests.bench.samples import TEXT

AGENT = "short"
FRAMES = 20
SLOTS = 16

agents = AgentSet()


@agents.agent(name=AGENT, version="1")
async def short(run: Run, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002 - the contract's name
    """Stream so many pieces; then rest, as an agent does that asks a model again."""
    for _ in range(FRAMES):
        await run.content(TEXT)
    if input["rest"]:
        await asyncio.sleep(input["rest"])
    await run.usage(model="gpt-5-mini", prompt_tokens=1200, completion_tokens=310)
    return {"answer": TEXT}


class Told:
    """Says on stdout how many runs are done."""

    def __init__(self) -> None:
        self._done = -1

    def change(self, now: Figures) -> None:
        if now.done != self._done:
            self._done = now.done
            print(now.done, flush=True)


async def main(port: int) -> None:
    async with AsyncLedger(f"http://{HOST}:{port}", spill=False) as ledger:
        worker = Worker(ledger, agents, slots=SLOTS, on_change=Told().change)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
