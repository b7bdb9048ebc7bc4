"""Commands on API keys: create, revoke."""

from dataclasses import dataclass

from ledger.access import ApiKey, LockedOut
from ledger.commands.command import Decision
from ledger.role import Role
from ledger.unit import Unit


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Make a key known by the digest of its secret."""

    name: str
    role: Role
    workspace: str
    digest: str

    def decide(self, unit: Unit) -> Decision:
        """Record `created`."""
        key = ApiKey.create(
            unit.new_id(),
            unit.stamp,
            name=self.name,
            role=self.role,
            workspace=self.workspace,
            digest=self.digest,
        )
        return Decision(unit.add(key))


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Close a key for ever; where an heir is named, only while that key is in force."""

    key_id: str
    heir: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `revoked`."""
        key = unit.api_key(self.key_id)
        heir = None if self.heir is None else unit.key_anywhere(self.heir)
        if heir is not None and heir.revoked:
            message = f"key {self.heir!r} was revoked at the same time; ask again"
            raise LockedOut(message, id=self.key_id)
        key.revoke(unit.stamp)
        return Decision(key)
