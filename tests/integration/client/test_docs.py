"""Every example of docs/client.md runs."""

import re
from pathlib import Path
from typing import Any

import pytest

from ledger_client import Ledger
from tests.fake_chat import call_deltas, delta, fake_chat, streamed
from tests.integration.client.conftest import address, settings_in
from tests.live_server import Caller, live_server

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "client.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_example_runs(
    server: Caller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LEDGER_SPILL_DIR", str(tmp_path))
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        here = example.replace("http://127.0.0.1:8080", address(server))
        exec(compile(here, "docs/client.md", "exec"), names)  # noqa: S102  our own page

    ledger: Ledger = names["ledger"]
    ledger.close()

    assert len(EXAMPLES) > 8
    assert [*tmp_path.iterdir()] == []
    assert "completed" in capsys.readouterr().out


def test_the_example_of_a_chat_agent_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (each for each in EXAMPLES if "chat_agent(" in each)
    arguments = '{"order_id": "10066", "amount_usd": "12.00"}'
    call = streamed(*call_deltas("refund", arguments), finish="tool_calls")
    names: dict[str, Any] = {}
    with fake_chat(call, streamed(delta(content="Done."))) as chat:
        monkeypatch.setenv("LEDGER_LLM_BASE_URL", chat.url)
        exec(compile(example, "docs/client.md", "exec"), names)  # noqa: S102  our own page
        with live_server(settings_in(tmp_path), names["agents"]) as caller:
            agent = caller.send("GET", "/agents")[1]["data"][0]["id"]
            run = caller.post(f"/agents/{agent}/execute", {"input": {"prompt": "12 back?"}})
            assert run["status"] == "awaiting_approval"
            caller.post(f"/executions/{run['id']}/approve")
            frames = caller.stream(f"/executions/{run['id']}/stream?replay=true").decode()

    assert "refunded 12.00 for 10066" in frames
    assert '"output":{"answer":"Done."}' in frames


def test_the_table_of_methods_names_what_there_is() -> None:
    ledger = Ledger(spill=False)
    rows = re.findall(r"^\| `(\w+)` \| (`\w+`[^|]*) \|$", PAGE, re.MULTILINE)

    named = [(name, method) for name, row in rows for method in re.findall(r"`(\w+)`", row)]

    assert len(rows) == 10
    assert [each for each in named if not hasattr(getattr(ledger, each[0]), each[1])] == []
