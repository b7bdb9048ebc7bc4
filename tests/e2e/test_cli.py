"""The installed console script over a real socket, as people and scripts use it."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.console import SCRIPT

SECONDS = 30

Json = Any


def is_ours(name: str) -> bool:
    """Whether a variable would change the answers, or make each start compile every module."""
    return name.startswith("LEDGER_") or name == "PYTHONDONTWRITEBYTECODE"


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would change the answers."""
    kept = {name: value for name, value in os.environ.items() if not is_ours(name)}
    return {**kept, "NO_COLOR": "1", **more}


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def served(*arguments: str, **more: str) -> Iterator[str]:
    """A server on a free port; gives its URL, and ends it as an operator would."""
    process = subprocess.Popen(
        [SCRIPT, "serve", "--port", "0", *arguments],
        env=environment(**more),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = (json.loads(line) for line in process.stderr)
        yield next(line["url"] for line in lines if line["event"] == "serving")
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, rest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server with the demo agents."""
    database = f"sqlite:///{folder / 'ledger.db'}"
    with served("--database", database, "--agents", "server.demo:agents") as found:
        yield found


class Cli:
    """The script, asking one server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, fails: int = 0) -> str:
        done = run(*arguments, LEDGER_SERVER=self.url)
        assert done.returncode == fails, done
        said: str = done.stderr if fails else done.stdout
        return said

    def json(self, *arguments: str) -> Json:
        """The answer as a tool gets it: one JSON document on stdout, and nothing else."""
        return json.loads(self(*arguments, "--json"))

    def execute(self, agent: str, **input_: Any) -> Json:
        given = ["--input", json.dumps(input_), "--metadata", f"agent={agent}"]
        return self.json("executions", "execute", agent, *given)["data"]


@pytest.fixture(scope="module")
def cli(url: str) -> Cli:
    return Cli(url)


@pytest.fixture(scope="module")
def completed(cli: Cli) -> Json:
    return cli.execute("order-support", question="Where is order 10079?")


@pytest.fixture
def parked(cli: Cli) -> Json:
    return cli.execute("refund", order_id="10083", reason="unwanted")


def approval_of(cli: Cli, execution: Json) -> str:
    waiting = cli.json("approvals", "list")["data"]
    ids: list[str] = [e["id"] for e in waiting if e["execution_id"] == execution["id"]]
    return ids[0]


# Executions.


def test_a_run_is_executed_and_its_end_awaited(completed: Json) -> None:
    assert completed["status"] == "completed"
    assert "delivered on 2026-10-30" in completed["output"]["answer"]


def test_executions_are_listed_for_people(cli: Cli, completed: Json) -> None:
    printed = cli("executions", "list", "--agent", "order-support", "--status", "completed")

    row = next(line for line in printed.splitlines() if completed["id"] in line)
    assert "order-support" in row
    assert "completed" in row


def test_executions_are_listed_for_tools(cli: Cli, completed: Json) -> None:
    listed = cli.json("executions", "list", "--metadata", "agent=order-support", "--limit", "1")

    assert [each["id"] for each in listed["data"]] == [completed["id"]]
    assert listed["meta"]["limit"] == 1


def test_one_execution_is_shown_as_it_was(cli: Cli, completed: Json) -> None:
    before = cli.json("executions", "show", completed["id"], "--at", "1")["data"]

    assert before["status"] == "pending"
    assert completed["id"] in cli("executions", "show", completed["id"])


def test_the_history_names_every_event(cli: Cli, completed: Json) -> None:
    printed = cli("executions", "events", completed["id"])

    for name in ("created", "started", "tool_started", "content_streamed", "completed"):
        assert name in printed


def test_a_replay_is_readable(cli: Cli, completed: Json) -> None:
    printed = cli("executions", "replay", completed["id"])

    assert '-> find_order {"order_id":"10079"}' in printed
    assert "<- shipment_status: " in printed
    assert "completed in" in printed


def test_a_raw_replay_is_the_streams_bytes(cli: Cli, completed: Json) -> None:
    replayed = cli("executions", "replay", completed["id"], "--raw")
    watched = cli("executions", "watch", completed["id"], "--raw")

    assert replayed == watched
    assert replayed.startswith("retry: ")
    assert replayed.endswith("}\n\n")


def test_a_replay_for_tools_is_a_line_for_each_frame(cli: Cli, completed: Json) -> None:
    printed = cli("executions", "replay", completed["id"], "--json", "--after", "1")

    frames = [json.loads(line) for line in printed.splitlines()]
    assert frames[0]["event"] == "status"
    assert frames[-1]["event"] == "done"


def test_watching_a_run_that_failed_exits_with_1(cli: Cli) -> None:
    given = json.dumps({"order_id": "10010", "reason": "unwanted"})

    asked = cli("executions", "execute", "refund", "--input", given, fails=1)

    id_ = asked.removeprefix("execution-ledger: execution ").split(" ")[0]
    assert f"execution {id_} failed" in cli("executions", "watch", id_, fails=1)
    assert f"execution {id_} failed" in cli("executions", "watch", id_, "--raw", fails=1)


def test_a_parked_run_is_cancelled(cli: Cli, parked: Json) -> None:
    printed = cli("executions", "cancel", parked["id"], "--reason", "mistake")

    assert printed == f"{parked['id']} is cancelled\n"


def test_an_input_that_the_agent_does_not_take_is_refused(cli: Cli) -> None:
    given = ["executions", "execute", "refund", "--input", '{"order_id": "ten"}']

    first, *further = cli(*given, fails=1).splitlines()

    assert first.endswith(f"(and {len(further)} more)")
    assert [line.split(":")[0] for line in further] == ["  input.order_id"]


def test_what_is_executed_can_be_asked_for_without_waiting(cli: Cli) -> None:
    given = ["--input", '{"text": "A log.", "sentences": 1}', "--no-wait"]

    asked = cli.json("executions", "execute", "text-statistics", *given)["data"]

    assert asked["status"] in {"pending", "running", "completed"}
    assert "text-statistics" in cli("executions", "execute", "text-statistics", *given)
    assert "completed" in cli("executions", "watch", asked["id"])


def test_a_list_that_goes_on_says_how(cli: Cli, completed: Json, parked: Json) -> None:
    first = cli("executions", "list", "--limit", "1")

    cursor = first.split("--cursor ")[1].strip()
    assert parked["id"] in first
    assert parked["id"] not in cli("executions", "list", "--limit", "100", "--cursor", cursor)


# Approvals.


def test_a_run_that_was_approved_goes_on(cli: Cli, parked: Json) -> None:
    approval = approval_of(cli, parked)

    cli("approvals", "approve", approval, "--reason", "fine")

    assert "completed in" in cli("executions", "watch", parked["id"])
    assert "not waiting for a decision" in cli("approvals", "approve", approval, fails=1)


def test_a_digest_that_was_looked_at_goes_with_the_decision(cli: Cli, parked: Json) -> None:
    approval = approval_of(cli, parked)
    shown = cli("approvals", "show", approval)
    digest = cli.json("approvals", "show", approval)["data"]["payload_digest"]

    refused = cli("approvals", "approve", approval, "--digest", "sha256:0", fails=1)
    cli("approvals", "approve", approval, "--digest", digest)

    assert "look at it again" in refused
    assert digest in shown


def test_an_edited_refund_is_what_the_agent_pays(cli: Cli, parked: Json) -> None:
    old = cli.json("approvals", "show", approval_of(cli, parked))["data"]
    payload = json.dumps(old["payload"] | {"amount_usd": "12.00"})

    printed = cli("approvals", "supersede", old["id"], "--payload", payload, "--reason", "too much")
    cli("approvals", "approve", approval_of(cli, parked))
    cli("executions", "watch", parked["id"])

    assert printed.endswith(f"takes the place of {old['id']}\n")
    done = cli.json("executions", "show", parked["id"])["data"]
    assert done["output"]["refund_usd"] == "12.00"


def test_a_run_that_was_rejected_is_over(cli: Cli, parked: Json) -> None:
    approval = approval_of(cli, parked)

    printed = cli("approvals", "reject", approval)

    assert printed.startswith(f"{approval} is rejected, by ")
    assert "rejected" in cli("executions", "watch", parked["id"], fails=1)


# Agents, costs, keys.


def test_agents_are_made_versioned_and_promoted(cli: Cli) -> None:
    cli("agents", "create", "planner", "--description", "Plans.")
    cli("agents", "add-version", "planner", "--version", "1")
    cli("agents", "add-version", "planner", "--version", "2", "--config", '{"model": "m"}')

    printed = cli("agents", "promote", "planner", "2")

    assert printed == "version 2 is in force\n"
    [agent] = cli.json("agents", "list", "--search", "planner")["data"]
    assert agent["current_version"]["version"] == "2"


def test_what_there_is_no_version_of_cannot_be_put_in_force(cli: Cli) -> None:
    assert "no version '77'" in cli("agents", "promote", "refund", "77", fails=1)


def test_of_two_versions_with_one_label_none_is_put_in_force_by_it(cli: Cli) -> None:
    cli("agents", "create", "twice")
    ids = [cli("agents", "add-version", "twice", "--version", "1").strip() for _ in range(2)]

    refused = cli("agents", "promote", "twice", "1", fails=1)

    assert all(id_ in refused for id_ in ids)
    assert cli("agents", "promote", "twice", ids[0]) == "version 1 is in force\n"


def test_a_disk_that_is_full_is_said_in_one_line(cli: Cli) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [SCRIPT, "executions", "list"],
            env=environment(LEDGER_SERVER=cli.url),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "execution-ledger: nothing more can be written: No space left on device"
    ]


def test_costs_are_shown_for_people_and_for_tools(cli: Cli) -> None:
    cli.execute("text-statistics", text="A log. A table. A reading of the log.", sentences=1)

    by_model = cli.json("costs", "--by", "model")["data"]

    row = next(row for row in by_model if row["model"] == "local-rules-1")
    assert row["unpriced_tokens"] == row["total_tokens"] > 0
    assert "local-rules-1" in cli("costs", "--by", "agent,model")
    assert "total" in cli("costs")
    assert "local-rules-1" not in cli("costs", "--by", "model", "--to", "2020-01-01")
    assert "inclusive cost" in cli("costs", "--by", "status", "--inclusive")
    assert cli("costs", "--by", "model", "--csv").startswith("model,executions,calls,")
    assert cli("costs", "--by", "user", "--focus").startswith("BilledCost,BillingAccountId,")


def test_costs_by_agent_name_each_agent_beside_its_id(cli: Cli, completed: Json) -> None:
    printed = cli("costs", "--by", "agent,status", "--agent", "order-support")
    [shown] = cli.json("costs", "--by", "agent", "--agent", "order-support")["data"]

    [row] = [line for line in printed.splitlines() if completed["agent_id"] in line]
    assert "order-support" in row
    assert shown["agent"] == completed["agent_id"]


def test_a_period_has_either_name_and_a_last_day_is_in_it(cli: Cli, completed: Json) -> None:
    today = completed["created_at"][:10]
    for first, last in (("--from", "--to"), ("--since", "--until")):
        period = (first, today, last, today)

        assert cli.json("costs", "--by", "day", *period)["data"][0]["executions"] > 0
        listed = cli.json("executions", "list", "--agent", "order-support", *period)["data"]
        assert completed["id"] in [each["id"] for each in listed]
        assert cli.json("reprice", "--dry-run", *period)["data"]["executions"] > 0


def test_a_tree_is_shown_with_what_it_cost(cli: Cli, completed: Json) -> None:
    printed = cli("executions", "tree", completed["id"])

    assert f"order-support {completed['id']} completed" in printed
    assert "with all below: " in printed
    assert cli.json("executions", "tree", completed["id"])["data"]["children"] == []


def test_a_price_is_stated_for_a_model_that_had_none(cli: Cli) -> None:
    cli.execute("text-statistics", text="A log. A table. A reading of the log.", sentences=1)
    assert "local-rules-1" in cli("prices", "unknown")

    printed = cli("prices", "set", "local-rules-1", "--input", "0.5", "--output", "2")
    [price] = cli.json("prices", "list", "--model", "local-rules-1")["data"]

    assert "local-rules-1" in printed
    assert (price["input"], price["valid_from"]) == ("0.5", None)
    assert "something else now" in cli("reprice", "--model", "local-rules-1", "--dry-run")
    assert "local-rules-1" in cli("reprice", "--model", "local-rules-1", "--reason", "it was free")
    told = cli.json("reprice", "--model", "local-rules-1", "--dry-run")["data"]
    assert (told["repriced"], told["differences"]) == (0, [])
    ended = cli.json("prices", "end", price["id"], "--until", "2030-01-01")["data"]
    assert ended["valid_until"] == "2030-01-01T00:00:00.000000Z"


def test_a_budget_of_the_day_is_set_and_ended(cli: Cli) -> None:
    printed = cli("budgets", "set", "--of", "user", "--user-id", "mallory", "--max-cost", "0.5")
    [budget] = cli.json("budgets", "list")["data"]

    assert "mallory" in printed
    assert "used today" in cli("budgets", "list")
    assert (budget["user_id"], budget["max_cost"]) == ("mallory", "0.5")
    assert "limits nothing any more" in cli("budgets", "end", budget["id"])


def test_a_budget_of_an_agent_is_shown_with_its_name(cli: Cli, completed: Json) -> None:
    name, id_ = completed["agent_name"], completed["agent_id"]
    limits = ("--max-tokens", "1000000")

    printed = cli("budgets", "set", "--of", "agent", "--agent", id_, *limits)
    cli("budgets", "set", "--of", "agent", *limits)

    assert name in printed
    assert id_ not in cli("budgets", "list")
    for budget in cli.json("budgets", "list")["data"]:
        cli("budgets", "end", budget["id"])


def test_the_first_key_is_made_at_the_file_and_then_every_request_needs_one(
    tmp_path: Path,
) -> None:
    database = f"sqlite:///{tmp_path / 'keys.db'}"
    refused = run("keys", "create", "crawler", "--role", "worker", "--database", database)
    made = run("keys", "create", "ops", "--role", "admin", "--database", database)
    secret = made.stdout.strip()

    assert (refused.returncode, made.returncode) == (2, 0), (refused, made)
    assert ["a new one was made" in each.stderr for each in (refused, made)] == [True, False]
    with served("--database", database, "--no-worker") as url:
        assert "API key" in Cli(url)("keys", "list", fails=1)
        answer = run("keys", "list", "--json", LEDGER_SERVER=url, LEDGER_API_KEY=secret)
        [key] = json.loads(answer.stdout)["data"]
        assert (key["name"], key["role"], key["workspace_id"]) == ("ops", "admin", "*")
        crawler = run(
            "keys", "create", "crawler", "--role", "worker", "--opens", "default", "--json",
            "--server", url, "--api-key", secret,
        )  # fmt: skip
        id_ = json.loads(crawler.stdout)["data"]["id"]
        gone = run("keys", "revoke", id_, "--server", url, "--api-key", secret)
        assert gone.stdout == f"key {id_} is revoked\n"


# Ways to fail.


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = run("executions", "list", "--server", address)

    assert done.returncode == 3
    assert address in done.stderr
    assert "execution-ledger serve" in done.stderr
    assert done.stdout == ""


def test_an_unknown_option_is_a_matter_of_usage() -> None:
    assert run("executions", "list", "--colour", "red").returncode == 2


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (("costs", "--from", "yesterday"), "from"),
        (("costs", "--by", "colour"), "group_by"),
        (("costs", "--where", "colour=red"), "colour"),
        (("executions", "list", "--status", "asleep"), "status"),
        (("executions", "list", "--since", "yesterday"), "created_after"),
        (("prices", "set", "m", "--input", "cheap", "--output", "1"), "input"),
        (("budgets", "set"), "--max-cost"),
        (("budgets", "set", "--user-id", "eve", "--max-cost", "1"), "add --of user"),
        (("reprice",), "reason"),
    ],
)
def test_a_value_without_meaning_is_a_matter_of_usage(
    cli: Cli, wrong: tuple[str, ...], named: str
) -> None:
    assert named in cli(*wrong, fails=2)


def test_what_the_server_refuses_is_said_on_stderr(cli: Cli) -> None:
    assert "no execution" in cli("executions", "show", "nothing", fails=1)
    assert "no agent named" in cli("executions", "execute", "nobody", fails=1)


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["serve", "--database", "mysql://me:secret@db"], {}, "sqlite:///PATH"),
        (["serve"], {"LEDGER_PROT": "80"}, "unknown setting LEDGER_PROT"),
        (["serve"], {"LEDGER_WORKER_SLOTS": "0"}, "LEDGER_WORKER_SLOTS"),
        (["serve", "--agents", "nothing_of_that_name:agents"], {}, "cannot import"),
        (["serve", "--host", "192.0.2.1"], {}, "without an API key"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    database = f"sqlite:///{tmp_path / 'ledger.db'}"

    done = run(*arguments, **{"LEDGER_DATABASE": database, **variables})

    assert done.returncode == 2, done
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_taken_port_and_a_taken_file_are_said_in_one_line(url: str, folder: Path) -> None:
    database, port = f"sqlite:///{folder / 'ledger.db'}", url.rpartition(":")[2]

    taken_file = run("serve", "--port", "0", "--database", database)
    taken_port = run("serve", "--port", port, "--database", f"sqlite:///{folder / 'other.db'}")

    assert (taken_file.returncode, taken_port.returncode) == (1, 1)
    assert "in use" in taken_file.stderr.splitlines()[-1]
    assert f"port {port}" in taken_port.stderr.splitlines()[-1]
    assert "Traceback" not in taken_file.stderr + taken_port.stderr


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "--database", f"sqlite:///{tmp_path / 'no' / 'ledger.db'}")

    assert done.returncode == 1
    assert "cannot open" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_ledger_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("this is not a database, however long it may be " * 100)

    done = run("serve", "--port", "0", "--database", f"sqlite:///{path}")

    assert done.returncode == 1
    assert "cannot open" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


# Maintenance.


def test_views_are_checked_broken_found_and_rebuilt(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    with served("--database", database, "--agents", "server.demo:agents") as url:
        execution = Cli(url).execute("order-support", question="Where is order 10079?")
        in_use = run("check", "--database", database)
    whole = run("check", "--database", database)
    break_the_views(tmp_path / "ledger.views.db", execution["id"])
    broken = run("check", "--database", database, "--json")
    rebuilt = run("rebuild", "--database", database)
    again = run("check", "--database", database, "--json")

    assert (in_use.returncode, "in use" in in_use.stderr) == (1, True), in_use
    assert (whole.returncode, "agree" in whole.stdout) == (0, True), whole
    assert broken.returncode == 1, broken
    assert execution["id"] in json.loads(broken.stdout)["data"]["problems"][0]
    assert rebuilt.returncode == 0, rebuilt
    assert json.loads(again.stdout)["data"] == {"consistent": True, "problems": []}


def break_the_views(path: Path, id_: str) -> None:
    """Change a row behind the server's back."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE executions_v1 SET total_tokens = 7 WHERE id = ?", (id_,))
    connection.close()


def test_a_view_that_is_not_there_is_not_rebuilt(tmp_path: Path) -> None:
    done = run("rebuild", "nothing", "--database", f"sqlite:///{tmp_path / 'ledger.db'}")

    assert done.returncode == 2
    assert "there is no view 'nothing'; there are executions, " in done.stderr


def test_a_ledger_that_is_not_there_is_not_made_by_a_check(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    done = run("check", "--database", f"sqlite:///{path}")

    assert done.returncode == 1
    assert "there is no ledger" in done.stderr
    assert not path.exists()


# The demo.


def test_the_demo_shows_its_runs_and_ends() -> None:
    done = run("demo", "--once", "--port", "0")

    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    for status in ("completed", "failed", "rejected", "awaiting_approval"):
        assert status in done.stdout
    assert "invalid_input" in done.stdout
    assert re.search(r"Cost in all: \$0\.0000\d+ for \d+ tokens", done.stdout)
    assert "completed in" in done.stdout.splitlines()[-1]


def test_the_demo_of_a_ledger_with_keys_needs_one(tmp_path: Path) -> None:
    database = ("--database", f"sqlite:///{tmp_path / 'kept.db'}")
    secret = run("keys", "create", "ops", "--role", "admin", *database).stdout.strip()

    refused = run("demo", "--once", "--port", "0", *database)
    done = run("demo", "--once", "--port", "0", *database, LEDGER_API_KEY=secret)

    assert refused.returncode == 1
    assert "set LEDGER_API_KEY" in refused.stderr
    assert done.returncode == 0, done


def test_the_demo_takes_another_port_and_its_suggestions_do_what_they_say(
    url: str, tmp_path: Path
) -> None:
    taken, database = url.rpartition(":")[2], f"sqlite:///{tmp_path / 'demo.db'}"
    command = [str(SCRIPT), "demo", "--port", taken, "--database", database]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        curls = [shlex.split(line) for line in printed if line.startswith("curl ")]
        listed, replayed, approved = (
            subprocess.run(curl, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
            for curl in curls
        )
        script, *watch = next(shlex.split(line) for line in printed if "executions watch" in line)
        watched = run(*watch)
        process.send_signal(signal.SIGINT)

    assert process.returncode == 0
    assert f"Port {taken} is in use, so the demo takes another one." in printed
    assert (tmp_path / "demo.db").is_file()
    assert {each["agent_name"] for each in json.loads(listed)["data"]} >= {"refund"}
    assert replayed.rstrip().splitlines()[-2].startswith("id: ")
    assert json.loads(approved)["data"]["status"] in {"approved", "running", "completed"}
    assert shutil.which(script, path=environment()["PATH"]) is not None
    assert watched.returncode == 0, watched
    assert "completed in" in watched.stdout
