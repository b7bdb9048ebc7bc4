"""What is handed to the writer, and what comes back: who asks, what they are told, and how."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import InvalidStateError
from typing import Any, NamedTuple, Protocol

from ledger.commands import Command
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.role import Role


class Caller(NamedTuple):
    """On whose behalf a command is given, and what they said about it.

    Attributes:
        workspace: in which the command works; nothing outside exists for it.
        actor: from the credentials.
        request: the id of the request, for the envelope.
        key: an idempotency key; the same key with the same digest gets the first answer again.
        digest: of the request that carried the key.
        expected_version: refuse unless the target is at this version (If-Match).
        role: from the credentials; None for what acts without any, which decides nothing that
            asks for a role.
    """

    workspace: str
    actor: Actor
    request: str | None = None
    key: str | None = None
    digest: str = ""
    expected_version: int | None = None
    role: Role | None = None


class Receipt(NamedTuple):
    """What a caller is told: it is recorded.

    Attributes:
        id: of the aggregate the command was about.
        version: of that aggregate after the command.
        subject: the id of what the command made beside it: an approval, a version, a score.
        position: of the last event recorded for it; 0 when it recorded none.
        repeated: whether this is the answer to an earlier request with the same key.
        events: what was recorded for it.
        budget: how the budgets stand that it spent from: `state`, and what is `remaining`.
    """

    id: str
    version: int
    subject: str | None = None
    position: int = 0
    repeated: bool = False
    events: Sequence[Recorded] = ()
    budget: Mapping[str, Any] | None = None


class Reply(Protocol):
    """Where the answer goes: a future of threads, or one of asyncio."""

    def set_result(self, result: Receipt, /) -> None:
        """It is recorded."""

    def set_exception(self, exception: BaseException, /) -> None:
        """It was refused, or failed; nothing of it is recorded."""


class Order(NamedTuple):
    """A command on its way through the writer."""

    command: Command
    caller: Caller
    size: int
    reply: Reply


Answer = tuple[Reply, Receipt | Exception]
Deliver = Callable[[Sequence[Answer]], None]


def deliver_directly(answers: Sequence[Answer]) -> None:
    """Settle on the writer's own thread; for callers that block on a future of threads."""
    for reply, answer in answers:
        settle(reply, answer)


def settle(reply: Reply, answer: Receipt | Exception) -> None:
    """Give one answer; nobody need be waiting for it any more."""
    try:
        if isinstance(answer, Receipt):
            reply.set_result(answer)
        else:
            reply.set_exception(answer)
    except InvalidStateError:
        pass
