"""What a program says about a run, and the requests that tell the server. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ledger_client.jsontext import encode_anything

CREATE: Final = ""
START: Final = "/start"
FRAMES: Final = "/frames"
APPROVALS: Final = "/approvals"
COMPLETE: Final = "/complete"
FAIL: Final = "/fail"
ENDINGS: Final = frozenset({COMPLETE, FAIL})

MOST_FRAMES: Final = 200
_LONGEST_NAME = 200
_MOST_CHARACTERS = 1024 * 1024


class Said(NamedTuple):
    """One thing that was said.

    Attributes:
        at: when, in nanoseconds since 1970.
        path: of the request below the execution; `CREATE` announces it.
        kind: the type of a frame that has text for content; empty for everything else.
        text: that text, or else a JSON object as it was when it was said.
    """

    at: int
    path: str
    kind: str
    text: str


def requests_of(said: Iterable[Said]) -> Iterator[tuple[str, str]]:
    """Path and body of the requests that say it, in order; consecutive frames share one."""
    batch: list[str] = []
    size = 0
    for each in said:
        body = _body(each)
        is_full = len(batch) == MOST_FRAMES or size + len(body) > _MOST_CHARACTERS
        if batch and (is_full or each.path != FRAMES):
            yield FRAMES, f"[{','.join(batch)}]"
            batch, size = [], 0
        if each.path == FRAMES:
            batch.append(body)
            size += len(body)
        else:
            yield each.path, body
    if batch:
        yield FRAMES, f"[{','.join(batch)}]"


def _body(said: Said) -> str:
    """The JSON object with its time in it."""
    if said.path == APPROVALS:  # when it was asked is when the server was
        return said.text
    when = f'"{"at" if said.path else "created_at"}":"{time_text(said.at)}"'
    if said.kind:
        return f'{{"type":"{said.kind}","content":{encode_anything(said.text)},{when}}}'
    return f"{{{when}}}" if said.text == "{}" else f"{said.text[:-1]},{when}}}"


def with_parent(body: str, execution_id: str) -> str:
    """The body that announces a run, as that of a part of another one."""
    return f'{body[:-1]},"parent_execution_id":{encode_anything(execution_id)}}}'


def time_text(nanoseconds: int) -> str:
    """A time since 1970 as RFC 3339 in UTC, with microseconds."""
    seconds, rest = divmod(nanoseconds, 10**9)
    time = datetime.fromtimestamp(seconds, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def short_name(text: str) -> str:
    """A name as the server takes it: short, on one line."""
    shown = "".join(c if c.isprintable() else " " for c in str(text)[:_LONGEST_NAME])
    return shown.strip() or "unnamed"
