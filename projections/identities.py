"""Pages of the log, and who the executions in them are."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter

from ledger.events import Created
from ledger.mapper import Recorded
from projections.projection import Identity, Log, Page
from projections.times import micros_of

_MOST_KNOWN = 10_000
_ID_AND_TOPIC = itemgetter(Recorded._fields.index("id"), Recorded._fields.index("topic"))
_OF_EXECUTION = Created.TOPIC.partition(".")[0] + "."


class LogReader:
    """Reads the log for one thread, and remembers who the executions it met lately are."""

    def __init__(self, log: Log, most_known: int = _MOST_KNOWN) -> None:
        self._log = log
        self._most_known = most_known
        self._known: dict[str, Identity] = {}  # in order of use, the latest last

    def page(self, after: int, limit: int, sparing: Collection[str] = ()) -> Page:
        """At most `limit` events after a position, with the identities of their executions."""
        events = self._log.read_log(after, limit, sparing)
        return Page(events, self.identities(events))

    def identities(self, events: Sequence[Recorded]) -> Mapping[str, Identity]:
        """By id, the identity of every execution that the events belong to.

        One whose first event cannot be read is left out: whoever needs it fails at that event.
        """
        topics = dict(map(_ID_AND_TOPIC, events))
        ids = [id_ for id_, topic in topics.items() if topic.startswith(_OF_EXECUTION)]
        found = {id_: self._known.pop(id_) for id_ in ids if id_ in self._known}
        missing = {id_ for id_ in ids if id_ not in found}
        if missing:
            found |= _identities(e for e in events if e.version == 1 and e.id in missing)
            missing -= found.keys()
        if missing:
            found |= _identities(self._log.read_first(sorted(missing)))
        self._remember(found)
        return found

    def _remember(self, identities: Mapping[str, Identity]) -> None:
        self._known.update(identities)
        surplus = len(self._known) - self._most_known
        if surplus > 0:
            for id_ in list(self._known)[:surplus]:
                del self._known[id_]


def identity_of(created: Recorded) -> Identity:
    """Read the event that created an execution.

    Raises:
        ValueError, KeyError, TypeError: it cannot be read.
    """
    facts = created.facts
    return Identity(
        workspace=created.envelope["workspace"],
        agent_id=facts["agent_id"],
        agent_name=facts["agent_name"],
        agent_version_id=facts["agent_version_id"],
        user_id=facts["user_id"],
        session_id=facts["session_id"],
        trace_id=facts["trace_id"],
        root_execution_id=facts["root_execution_id"],
        parent_execution_id=facts.get("parent_execution_id"),
        created_at=micros_of(facts.get("occurred_at") or created.at),
    )


def _identities(events: Iterable[Recorded]) -> dict[str, Identity]:
    found = {}
    for event in events:
        try:
            found[event.id] = identity_of(event)
        except (ValueError, KeyError, TypeError):
            continue
    return found
