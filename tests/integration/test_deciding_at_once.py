"""Many who decide on one approval at the same time, each on a connection of their own."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live_server import Caller, live_server
from tests.quick_settings import quick_settings
from tests.stores import database_in

pytestmark = pytest.mark.both_stores

DECIDERS = 50


def asked(caller: Caller) -> tuple[str, str]:
    """A run that waits for a human, and its approval."""
    run = caller.post("/executions", {"agent": "Scribe", "input": {}})["id"]
    caller.post(f"/executions/{run}/start")
    return run, caller.post(f"/executions/{run}/approvals", {"checkpoint_name": "pay"})[
        "approval_id"
    ]


def test_of_fifty_who_decide_at_once_one_wins(tmp_path: Path) -> None:
    settings = quick_settings(database_in(tmp_path))
    with live_server(settings) as caller:
        run, approval = asked(caller)

        def decide(number: int) -> tuple[int, Any]:
            decision = ("approved", "rejected")[number % 2]
            body = {"decision": decision, "reason": str(number)}
            return caller.send("POST", f"/approvals/{approval}/decide", body)

        with ThreadPoolExecutor(DECIDERS) as threads:
            answers = list(threads.map(decide, range(DECIDERS)))

        [winner] = [said["data"] for status, said in answers if status == 200]
        refused = Counter(said["error"]["code"] for status, said in answers if status == 400)
        assert refused == {"already_decided": DECIDERS - 1}
        _, shown = caller.send("GET", f"/approvals/{approval}")
        assert shown["data"] == winner
        _, events = caller.send("GET", f"/executions/{run}/events?type=approved,rejected")
        assert [event["data"]["reason"] for event in events["data"]] == [winner["reason"]]
