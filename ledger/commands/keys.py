"""Commands on API keys: create, revoke."""

from dataclasses import dataclass

from ledger.access import ApiKey
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
    """Close a key for ever."""

    key_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `revoked`."""
        key = unit.api_key(self.key_id)
        key.revoke(unit.stamp)
        return Decision(key)
