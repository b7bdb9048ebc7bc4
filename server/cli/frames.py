"""Frames of a stream, from bytes to what people read."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple

from rich.text import Text

from ledger.strict_json import decode_stored, encode
from server.cli.output import clean, coloured, money, print_bytes, print_json, say, seconds

_LONGEST = 300

Json = dict[str, Any]


class Frame(NamedTuple):
    """One frame: its name, its sequence, what it says, and how it came."""

    name: str
    sequence: int
    data: Json
    raw: bytes

    @property
    def is_last(self) -> bool:
        """Whether the execution ended with it."""
        return self.name in {"done", "error"}


async def frames_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """The frames in a stream of bytes; heartbeats and the preamble are left out."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n\n")
        for raw in whole:
            frame = _frame(raw)
            if frame is not None:
                yield frame


def _frame(raw: bytes) -> Frame | None:
    lines = (line.partition(b": ") for line in raw.split(b"\n"))
    fields = {name: value for name, _, value in lines if name}
    if b"data" not in fields:
        return None
    data = decode_stored(fields[b"data"])
    return Frame(fields[b"event"].decode(), int(fields[b"id"]), data, raw + b"\n\n")


async def printed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, printed as they are."""
    async for chunk in chunks:
        print_bytes(chunk)
        yield chunk


def print_frame(frame: Frame, *, as_json: bool) -> None:
    """Print a frame as a line, for tools or for people."""
    if as_json:
        print_json({"event": frame.name, "id": frame.sequence, "data": frame.data})
    else:
        say(readable(frame))


def readable(frame: Frame) -> Text:
    """A frame as a line for people."""
    line = Text(f"{frame.sequence:>5} {clean(frame.data.get('at'))[11:23]}  ", style="dim")
    say = _SAY.get(frame.name, _other)
    return line.append_text(say(frame.data))


def short(value: Any) -> str:
    """A value as JSON on one line, cut off where it gets long."""
    text = clean(encode(value).decode())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _execution(data: Json) -> Text:
    return Text(f"execution {clean(data['execution_id'])}")


def _thinking(data: Json) -> Text:
    return Text(clean(data["content"]), style="italic dim")


def _content(data: Json) -> Text:
    return Text(clean(data["content"]))


def _tool_start(data: Json) -> Text:
    return Text(f"-> {clean(data['name'])} {short(data.get('input'))}", style="blue")


def _tool_end(data: Json) -> Text:
    if data.get("error"):
        return Text(f"<- {clean(data['name'])} failed: {clean(data['error'])}", style="red")
    said = clean(data.get("summary")) or short(data.get("output"))
    return Text(f"<- {clean(data['name'])}: {said}", style="blue")


def _usage(data: Json) -> Text:
    counts = f"{data['prompt_tokens']} + {data['completion_tokens']} tokens"
    return Text(f"usage of {clean(data['model'])}: {counts}, {money(data.get('cost_usd'))}")


def _status(data: Json) -> Text:
    by = clean(data["actor"].get("name") or data["actor"]["id"])
    goes_on = data["status"] == "running" and "approval_id" in data  # after a no, with the next try
    decided = Text("rejected, and ", style="red") if goes_on else Text()
    why = f": {clean(data['reason'])}" if data.get("reason") else ""
    return decided.append_text(coloured(data["status"])).append(f", by {by}{why}", style="dim")


def _approval(data: Json) -> Text:
    place = f"{clean(data['id'])} at {clean(data['checkpoint_name'])}"
    instead = f", instead of {clean(data['supersedes'])}" if "supersedes" in data else ""
    asked = f"waits for approval {place}{instead}: "
    return Text(asked, style="magenta").append(short(data["payload"]))


def _done(data: Json) -> Text:
    took = f" in {seconds(data.get('duration_ms'))}"
    if data["token_usage"].get("total_tokens"):
        took += f", {money(data.get('cost_usd'))}"
    return coloured(data["status"]).append(f"{took}: ").append(short(data["output"]))


def _error(data: Json) -> Text:
    return coloured(data["status"]).append(f": {clean(data['message'])}")


def _other(data: Json) -> Text:
    return Text(short(data))


_SAY: Final[dict[str, Callable[[Json], Text]]] = {
    "execution": _execution,
    "thinking": _thinking,
    "content": _content,
    "tool_start": _tool_start,
    "tool_end": _tool_end,
    "usage": _usage,
    "status": _status,
    "approval": _approval,
    "done": _done,
    "error": _error,
}
