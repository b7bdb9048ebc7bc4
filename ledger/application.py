"""The ledger: commands in, recorded events out. The one door of this package."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from ledger.clock import Clock, SteadyClock, parse_time, utc_now
from ledger.commands import Command
from ledger.database import open_store
from ledger.mapper import Recorded
from ledger.orders import Caller, Deliver, Receipt, Reply
from ledger.store import Durability, Store
from ledger.unit import Policy
from ledger.writer import Batch, Writer, tell

Listener = Callable[[Sequence[Recorded]], None]


class Ledger:
    """What happened, and what may happen next.

    Commands go through one writer thread and are answered once they are durable. Reads may come
    from any thread at any time. On PostgreSQL any number of processes may have one open; on SQLite
    close it to let another write. What was acknowledged is recorded whether it is closed or killed.
    """

    def __init__(
        self,
        database: Path | str,
        *,
        durability: Durability = "full",
        clock: Clock = utc_now,
        policy: Policy | None = None,
        measure: Callable[[Batch], None] = lambda _: None,
    ) -> None:
        """Open a ledger, and make it if there is none.

        Args:
            database: a SQLite file, whose folder must exist, or a URL: `sqlite:///PATH` or one of
                PostgreSQL.
            durability: "full" survives a power cut, "normal" the end of the process only.
            clock: the time; stands still where it would go back.
            policy: prices and the like that decisions depend on.
            measure: called on the writer's thread after each commit.

        Raises:
            DatabaseInUse: another process has it, and does not share it.
            StoreFailed: it cannot be opened, or is not a ledger.
        """
        self.policy = policy or Policy()
        self._listeners: list[Listener] = []
        self._store: Store = open_store(database, durability)
        try:
            position = self._store.last_position()
            last_at = _last_time(self._store, position)
        except BaseException:
            self._store.close()
            raise
        self._position = position
        self._writer = Writer(
            self._store,
            SteadyClock(clock, last_at),
            self.policy,
            self._announce,
            measure,
            position,
        )

    @property
    def position(self) -> int:
        """The position of the last event that this process recorded, or took in from others."""
        return self._position

    @property
    def waiting(self) -> int:
        """How many commands wait for the writer."""
        return self._writer.waiting

    def submit(self, command: Command, caller: Caller, reply: Reply, size: int = 0) -> None:
        """Give a command; the receipt, or the refusal, goes to the reply after the commit.

        Raises:
            QueueFull: too much waits; nothing was recorded.
            LedgerClosed: the ledger is shutting down.
        """
        self._writer.submit(command, caller, size, reply)

    def hold(self, command: Command, caller: Caller, reply: Reply, size: int = 0) -> bool:
        """Give a command that the writer gets by the next `release`, in one piece with others.

        For whoever makes many commands on one thread: a writer that is woken by the first would
        take the interpreter from the making of the rest, and the batch would be small.

        Returns:
            Whether it is the first that waits so; then see to it that there is a `release`.

        Raises:
            QueueFull: too much waits; nothing was recorded.
            LedgerClosed: the ledger is shutting down.
        """
        return self._writer.hold(command, caller, size, reply)

    def release(self) -> None:
        """Let the writer have what is held."""
        self._writer.release()

    def record(self, command: Command, caller: Caller) -> Receipt:
        """Give a command and wait for its receipt. Raises what the command is refused with."""
        receipt: Future[Receipt] = Future()
        self.submit(command, caller, receipt)
        return receipt.result()

    def deliver_by(self, deliver: Deliver) -> None:
        """Give answers by this function, called once per batch on the writer's thread."""
        self._writer.deliver = deliver

    def subscribe(self, listener: Listener) -> None:
        """Tell a listener, on the writer's thread, what is recorded from now on, by whomever.

        Every event is told once, in the order of the log.
        """
        self._listeners.append(listener)

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
        """At most `limit` events of the whole ledger after a position, in order.

        Of the topics in `sparing` only what is the last event of its aggregate in this stretch.
        """
        return self._store.read_log(after, limit, sparing)

    def read_execution(
        self, id_: str, after: int = 0, limit: int = 1_000_000_000, until: int | None = None
    ) -> list[Recorded]:
        """Some events of an execution after a version, in order, up to `until` if given.

        At most `limit`, and fewer where they are large; an empty list is the end.
        """
        return self._store.read_execution(id_, after, limit, until)

    def read_facts(self, id_: str, until: int | None = None) -> list[Recorded]:
        """The events of an execution that are not frames: enough for its state."""
        return self._store.read_facts(id_, until)

    def read_last(self, id_: str, topics: Collection[str]) -> Recorded | None:
        """The last event of an execution with one of these topics, none of them a frame's."""
        return self._store.read_last(id_, topics)

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        """The first event of each of these aggregates."""
        return self._store.read_first(ids)

    def last_version(self, id_: str) -> int:
        """How many events an execution has; 0 when there is none of that id."""
        return self._store.last_version(id_)

    def count(self, id_: str, topic: str) -> int:
        """How many events of a topic an execution has."""
        return self._store.count(id_, topic)

    def close(self) -> None:
        """Record what was handed over, then let go of the database."""
        self._writer.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _announce(self, recorded: Sequence[Recorded]) -> None:
        self._position = recorded[-1].position
        for listener in self._listeners:
            tell(listener, recorded)


def _last_time(store: Store, position: int) -> datetime:
    last = store.read_log(position - 1, 1) if position else []
    return parse_time(last[0].at) if last else datetime.min.replace(tzinfo=UTC)
