"""The limits there are, with their numbers taken from the code that holds them."""

from inspect import signature

from aiohttp.web_protocol import RequestHandler

from ledger.commands.scores import MOST_SCORES
from ledger.model_prices import MOST_PRICES
from ledger.order_queue import MOST_BYTES_WAITING, MOST_WAITING
from ledger.standing_budgets import MOST_BUDGETS
from ledger_client.work.outbox import MOST_FRAMES, MOST_SECONDS
from projections.cost_groups import MOST_GROUPS
from projections.execution_queries import MOST_DESCENDANTS
from projections.executions import _DEEPEST
from projections.labels import _LONGEST
from projections.pages import DEFAULT_LIMIT, MOST_COUNTED, MOST_PER_PAGE
from scripts.describe.markdown import code, table
from server.api.executions import _MOST_IN_TREE
from server.api.history import _MOST
from server.api.whole_runs import _MOST_LINES
from server.outflow import STUCK_SECONDS
from server.route import _LONGEST_KEY
from server.settings import Settings

_MIB = 1024 * 1024


def limits() -> str:
    """What is bounded, by how much, and what happens beyond."""
    rows = [*_of_requests(), *_of_lists(), *_of_streams()]
    return table(("what", "limit", "beyond it"), rows)


def _of_requests() -> list[tuple[str, str, str]]:
    body, event = _setting("max_body_bytes"), _setting("max_payload_bytes")
    return [
        ("request body", f"{body // _MIB} MiB ({code('LEDGER_MAX_BODY_BYTES')})", "413"),
        ("one event", f"{event // _MIB} MiB ({code('LEDGER_MAX_PAYLOAD_BYTES')})", "413"),
        ("a header, or the address", f"{_most_of_a_line():,} bytes", "400, as plain text"),
        ("lines of one NDJSON body of runs", f"{_MOST_LINES:,}", f"400 {code('validation_error')}"),
        ("`Idempotency-Key`", f"{_LONGEST_KEY} characters", f"400 {code('validation_error')}"),
        ("scores of one execution", f"{MOST_SCORES:,}", f"400 {code('limit_exceeded')}"),
        (
            "prices that a workspace states for one model",
            f"{MOST_PRICES:,}",
            f"400 {code('limit_exceeded')}",
        ),
        ("budgets of days of one workspace", f"{MOST_BUDGETS:,}", f"400 {code('limit_exceeded')}"),
        (
            "requests per second of one key",
            f"none by default ({code('LEDGER_MAX_REQUESTS_PER_SECOND')})",
            "429 with `Retry-After`",
        ),
        (
            "commands that wait for the writer",
            f"{MOST_WAITING:,}, or {MOST_BYTES_WAITING // _MIB} MiB of bodies",
            f"503 {code('queue_full')} with `Retry-After`; nothing was recorded",
        ),
        (
            "a blocking execute",
            f"{_setting('wait_seconds')} s ({code('LEDGER_WAIT_SECONDS')})",
            "the run is answered as it stands",
        ),
    ]


def _of_lists() -> list[tuple[str, str, str]]:
    return [
        ("rows of a page", str(MOST_PER_PAGE), f"becomes {DEFAULT_LIMIT}"),
        ("events of a history page", f"{_MOST:,}", "becomes 100"),
        (
            "counting for `total`",
            f"{MOST_COUNTED:,} rows, where no roll-up knows",
            "`total_is_estimate: true`",
        ),
        (
            "a tree",
            f"{_MOST_IN_TREE:,} executions, {_DEEPEST} levels",
            "400 `limit_exceeded`; `root_id` lists them",
        ),
        (
            "inclusive cost of a list",
            f"{MOST_DESCENDANTS:,} executions below the page",
            "`inclusive_cost_usd` is null",
        ),
        (
            "groups of totals",
            f"{MOST_GROUPS:,} in JSON, any number as CSV",
            f"400 {code('invalid_query')}",
        ),
        (
            "metadata key or value, to be searched",
            f"{_LONGEST} characters",
            "found by the whole text still; its digest is compared",
        ),
    ]


def _of_streams() -> list[tuple[str, str, str]]:
    return [
        (
            "silence on a stream",
            f"{_setting('heartbeat_seconds')} s ({code('LEDGER_HEARTBEAT_SECONDS')})",
            "a comment line is sent",
        ),
        ("a reader that takes nothing", f"{STUCK_SECONDS:g} s", "the connection is closed"),
        (
            "frames of a worker's agent",
            f"{MOST_FRAMES} together, or {MOST_SECONDS * 1000:g} ms",
            "they are recorded",
        ),
    ]


def _most_of_a_line() -> int:
    """What the HTTP library reads of one line, which nobody here changes."""
    return int(signature(RequestHandler).parameters["max_field_size"].default)


def _setting(name: str) -> int:
    """The default of a setting that is a whole number."""
    return int(Settings.model_fields[name].get_default())
