"""Agents on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ledger.agent import AgentType
from ledger.fields import Name, Word
from server.route import LenientBody
from server.schemas.executions import ExecuteBody
from server.schemas.paging import PageQuery

Json = dict[str, Any]
_LONGEST_TEXT = 10_000


class AgentsQuery(PageQuery):
    """Which agents."""

    type: AgentType | None = None
    name: Word | None = Field(None, description="The whole name, exactly.")
    search: Word | None = Field(None, description="A part of the name or the description.")
    status: Literal["active", "archived", "all"] = Field(
        "active", description="Archived agents are left out unless asked for."
    )


class AgentBody(LenientBody):
    """A new agent. Its name is its own within the workspace."""

    name: Name
    type: AgentType = "agent"
    description: str = Field("", max_length=_LONGEST_TEXT)
    labels: list[Word] = Field(default_factory=list, max_length=100)


class AgentChange(LenientBody):
    """What is to change; what is not given stays."""

    name: Name | None = None
    type: AgentType | None = None
    description: str | None = Field(None, max_length=_LONGEST_TEXT)
    labels: list[Word] | None = Field(None, max_length=100)


class Given(BaseModel):
    """What a version may carry for others to read; the ledger keeps it as given."""

    model_config = ConfigDict(extra="ignore")

    model_settings: Any = Field(None, alias="model_config")
    run_budget: Any = None
    approval_policy: Any = Field(
        None,
        description="Where work is held back: `required_role`, `not_requester`, `on_reject` and "
        "`expires_in_s` of the approval; the rest is kept.",
    )
    tools: Any = None
    sub_agents: Any = None
    guardrails: Any = None
    cache_timeout: Any = None
    vfs_enabled: Any = None
    masking_enabled: Any = None


class VersionBody(LenientBody, Given):
    """A new version. It never changes afterwards.

    A `config` with `approval_required: true` holds finished work back until a human decides, at
    the checkpoint `checkpoint_name`.
    """

    version: Name
    config: Json = Field(default_factory=dict)
    input_schema: Json | None = Field(
        None, description="JSON Schema 2020-12; an execution's input must satisfy it."
    )
    output_schema: Json | None = None
    message: str | None = Field(None, max_length=_LONGEST_TEXT)
    set_current: bool | None = Field(None, description="The first version is current anyway.")

    @property
    def given(self) -> Json:
        """What came for others to read, under the names it came with."""
        names = set(Given.model_fields)
        return self.model_dump(include=names, by_alias=True, exclude_unset=True)


class PreviewBody(LenientBody):
    """An input to try."""

    input: Json
    version_id: Word | None = Field(None, description="By default the current version.")


class PlaygroundBody(ExecuteBody):
    """A run with another prompt than the version's; the prompt is kept in its metadata."""

    prompt_override: Json


class GuardrailBody(LenientBody):
    """A guardrail. The ledger keeps it for those who enforce it."""

    type: Name
    scanner_type: Name
    action: Name = "block"
    config: Json | None = None
    is_active: bool | None = None
    sort_order: int | None = Field(None, ge=-(2**53), le=2**53)


class AgentVersion(Given):
    """A version of an agent. `is_active` says the same as `is_current`."""

    id: str
    agent_id: str
    version: str
    config: Json
    input_schema: Json
    output_schema: Json | None
    is_current: bool
    is_active: bool
    message: str
    created_at: str


class Agent(BaseModel):
    """A named program that executions are runs of."""

    id: str
    workspace_id: str
    name: str
    description: str
    type: AgentType
    status: Literal["active", "archived"]
    labels: list[str]
    created_at: str
    updated_at: str
    current_version: AgentVersion | None


class Guardrail(BaseModel):
    """A guardrail as given."""

    id: str
    agent_id: str
    type: str
    scanner_type: str
    action: str
    config: Json
    is_active: bool
    sort_order: int
    created_at: str
    updated_at: str


class Preview(BaseModel):
    """The input would be accepted. Both version fields are empty for an agent without versions."""

    agent_id: str
    version_id: str
    version: str
    input: Json
    valid: Literal[True]
