"""Every way the ledger refuses, and every way it fails.

    LedgerError
    ├── NotFound                    nothing of that id in this workspace
    ├── Refused                     the answer is no, and asking again will not help
    │   ├── IllegalTransition       the lifecycle table does not allow it
    │   ├── AlreadyDecided          the approval was decided before
    │   ├── DigestMismatch          the decision is about something else than what was shown
    │   ├── RoleRequired            the approval asks for a higher role
    │   ├── SamePerson              who asked must not decide
    │   ├── InvalidPolicy           a version's approval policy says what means nothing
    │   ├── InvalidPayload          an edit of held-back output that holds no output
    │   ├── InvalidInput            the input does not satisfy the agent's schema
    │   ├── InvalidSchema           a version's schema is not a JSON Schema
    │   ├── InvalidConfig           a version's config asks for what cannot be
    │   ├── InvalidUsage            token counts that contradict each other
    │   ├── NameTaken               an agent of that name exists
    │   ├── AgentArchived           the agent takes no more executions
    │   ├── KeyReused               an idempotency key came back with another request
    │   ├── ParentStopped           the run that asks for a child is to stop
    │   ├── LeaseLost               the work is another's now, or nobody's: stop
    │   ├── LimitExceeded           more than a stated limit allows
    │   ├── InvalidPrice            a price that would end before it began (model_prices.py)
    │   ├── BudgetExceeded          a run budget allows no more children (run_budget.py)
    │   ├── InvalidJson             two programs would read it differently (strict_json.py)
    │   └── NotCanonical            a number has no form that all agree on (digest.py)
    ├── VersionMismatch             somebody else was faster (asked for with If-Match)
    ├── Unavailable                 not now: nothing was recorded, try again
    │   ├── QueueFull               more commands wait than the writer may hold
    │   ├── StoreFailed             the disk or the database said no
    │   ├── OutcomeUnknown          the database went away in a commit, and stayed away (store.py)
    │   └── LedgerClosed            the ledger is shutting down
    ├── DatabaseInUse               another process has the ledger, and does not share it
    └── UnreadableEvent             a stored event this code cannot read: a fault

Refusals know nothing of HTTP. Each carries a `code`, stable for programs, and `details`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ledger.status import Status


class LedgerError(Exception):
    """The root: whatever the ledger refuses or fails at is one of these."""

    code: ClassVar[str] = "ledger_error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details


class NotFound(LedgerError):
    """Nothing of that id exists in the caller's workspace."""

    code = "not_found"

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__(f"no {kind} with id {id_!r}", kind=kind, id=id_)


class Refused(LedgerError):
    """The answer is no; the same request will be refused again."""

    code = "refused"


class IllegalTransition(Refused):
    """The lifecycle does not allow this in the execution's status."""

    code = "illegal_transition"

    def __init__(self, execution_id: str, status: Status, event: str) -> None:
        super().__init__(
            f"{event.replace('_', ' ')!r} is not possible while the execution is {status}",
            execution_id=execution_id,
            status=status,
            event=event,
        )
        self.status = status


class AlreadyDecided(Refused):
    """The approval was approved, rejected, superseded or expired before."""

    code = "already_decided"

    def __init__(self, approval_id: str, status: Status, awaited: str | None = None) -> None:
        """`awaited` is the approval that the execution waits for instead, if there is one."""
        what = f"approval {approval_id!r} is not" if approval_id else "no approval is"
        instead = f" of {awaited!r} now" if awaited else ""
        super().__init__(
            f"{what} waiting for a decision (any more); the execution is {status}{instead}",
            approval_id=approval_id,
            status=status,
            **({"awaited": awaited} if awaited else {}),
        )


class DigestMismatch(Refused):
    """The decision quotes another digest than that of what is to be decided on."""

    code = "digest_mismatch"

    def __init__(self, approval_id: str, shown: str, quoted: str) -> None:
        super().__init__(
            f"approval {approval_id!r} is about {shown}, not {quoted!r}; look at it again",
            approval_id=approval_id,
            payload_digest=shown,
        )


class RoleRequired(Refused):
    """The approval asks for a higher role than that of who decides."""

    code = "forbidden"

    def __init__(self, approval_id: str, required_role: str) -> None:
        super().__init__(
            f"approval {approval_id!r} needs a decision by the role {required_role} or higher",
            approval_id=approval_id,
            required_role=required_role,
        )


class SamePerson(Refused):
    """Who asked, for the run or for the approval, must not be who decides."""

    code = "same_person"

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            f"approval {approval_id!r} must be decided by somebody who did not ask for it",
            approval_id=approval_id,
        )


class InvalidPolicy(Refused):
    """A version's approval policy has a key of ours with a value that means nothing."""

    code = "invalid_policy"

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"approval_policy.{key}: {problem}", path=f"approval_policy.{key}")


class InvalidPayload(Refused):
    """An edited payload that could not be carried out if it were approved."""

    code = "invalid_payload"


class InvalidInput(Refused):
    """The input does not satisfy the version's input schema; nothing was recorded."""

    code = "invalid_input"

    def __init__(self, violations: Sequence[Mapping[str, Any]]) -> None:
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(
            f"{first['path'] or 'input'}: {first['message']}{more}", violations=list(violations)
        )


class InvalidSchema(Refused):
    """A version's schema is not a JSON Schema of draft 2020-12."""

    code = "invalid_schema"


class InvalidConfig(Refused):
    """A version's config asks for what cannot be; names the key."""

    code = "invalid_config"


class InvalidUsage(Refused):
    """Token counts that cannot all be true."""

    code = "invalid_usage"


class NameTaken(Refused):
    """An agent of that name exists in the workspace."""

    code = "name_taken"

    def __init__(self, name: str, agent_id: str) -> None:
        super().__init__(
            f"an agent named {name!r} exists already (id {agent_id})", name=name, agent_id=agent_id
        )


class AgentArchived(Refused):
    """The agent was archived and takes no more executions, versions or changes."""

    code = "agent_archived"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"agent {agent_id!r} is archived", agent_id=agent_id)


class KeyReused(Refused):
    """An idempotency key was used before, for a request that said something else."""

    code = "idempotency_mismatch"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used for a different request; take a new key", key=key
        )


class ParentStopped(Refused):
    """The execution that asks for a child was cancelled, or is to be."""

    code = "parent_stopped"

    def __init__(self, execution_id: str) -> None:
        super().__init__(
            f"execution {execution_id!r} is being stopped and begins no child",
            execution_id=execution_id,
        )


class LeaseLost(Refused):
    """The caller does not hold the lease under which the execution is worked on.

    To a worker this says: stop. The execution was given to another, or is over.
    """

    code = "lease_lost"

    def __init__(self, execution_id: str, status: Status) -> None:
        message = f"execution {execution_id!r} is {status}, and not under this lease (any more)"
        super().__init__(f"{message}; stop", execution_id=execution_id, status=status)


class LimitExceeded(Refused):
    """More than a stated limit allows."""

    code = "limit_exceeded"


class VersionMismatch(LedgerError):
    """The execution is not at the version the caller named."""

    code = "version_mismatch"

    def __init__(self, id_: str, expected: int, actual: int) -> None:
        super().__init__(
            f"{id_!r} is at version {actual}, not {expected}", expected=expected, actual=actual
        )
        self.expected = expected
        self.actual = actual


class Unavailable(LedgerError):
    """Not now; the same request may succeed later. Nothing was recorded, unless it says so."""

    code = "unavailable"


class QueueFull(Unavailable):
    """More commands wait for the writer than it may hold."""

    code = "queue_full"


class StoreFailed(Unavailable):
    """The store could not commit: the disk is full, the file is gone, the database is away."""

    code = "store_failed"


class LedgerClosed(Unavailable):
    """The ledger is shutting down and takes no more commands."""

    code = "closed"


class DatabaseInUse(LedgerError):
    """Another process has this ledger, and does not share it."""

    code = "database_in_use"


class UnreadableEvent(LedgerError):
    """A stored event this code cannot read: unknown topic, newer schema, damaged bytes.

    A fault, not a refusal: to guess would be to publish something that never happened.
    """

    code = "unreadable_event"
