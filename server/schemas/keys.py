"""API keys on the wire."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from ledger.fields import Name
from ledger.role import Role
from server.auth import WORKSPACE_PATTERN
from server.route import Body

Workspace = Annotated[str, StringConstraints(pattern=rf"^(?:\*|{WORKSPACE_PATTERN})$")]
"""A workspace, or `*` for every one."""


class KeyBody(Body):
    """A new key. The first of a ledger must be an admin's of every workspace."""

    name: Name = Field(description="Whose key it is; shown in the audit history.")
    role: Role
    workspace: Workspace | None = Field(
        None,
        description="What the key opens; `*` is every workspace. By default the caller's, and "
        "for the first key of a ledger `*`.",
    )


class ApiKey(BaseModel):
    """A key in force. Its secret is known to its holder only."""

    id: str
    name: str
    role: Role
    workspace_id: str
    created_at: str


class CreatedApiKey(ApiKey):
    """A new key with its secret, which is shown this once."""

    secret: str
