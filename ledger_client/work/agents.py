"""How a program says which agents it has: a name, a version, and the function that is one run.

    agents = AgentSet()

    @agents.agent(name="greeter", version="1", description="Greets whom it is given.")
    async def greet(run: Run, input: Guest) -> dict[str, Any]:
        await run.content(f"Hello {input.name}")
        return {"greeted": input.name}

`execution-ledger worker MODULE:NAME` runs them, on this machine or any other;
`execution-ledger serve --agents MODULE:NAME` runs them in the server's own process.
"""

import importlib
import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel

Json = dict[str, Any]
Function = Callable[[Any, Any], Awaitable[Json | BaseModel]]
Model = type[BaseModel]
F = TypeVar("F", bound=Callable[[Any, Any], Awaitable[Any]])

AgentType = Literal["simple", "chain", "multi_agent", "workflow", "composite", "agent"]

_PARAMETERS = 2  # the run and its input


class InvalidAgent(Exception):
    """Something that cannot be run as an agent; says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefinition:
    """An agent as a program defines it.

    Attributes:
        name: unique in the workspace.
        version: a label; the first registration of each label is recorded and put in force.
        function: one run of it.
        input_schema: JSON Schema 2020-12 that an input must satisfy before anything is recorded.
        input_model: the function is given its input as this model; as a dict without one.
        config: kept with the version; `approval_required` holds finished work back.
        approval_policy: who may decide on work held back, how long, and what follows a no.
    """

    name: str
    version: str
    function: Function
    description: str = ""
    type: AgentType = "agent"
    labels: list[str] = field(default_factory=list)
    input_schema: Json = field(default_factory=dict)
    output_schema: Json | None = None
    config: Json = field(default_factory=dict)
    approval_policy: Json = field(default_factory=dict)
    input_model: Model | None = None

    async def call(self, run: Any) -> Json | BaseModel:
        """Run it once, with a `Run`. What an agent may do, it may not do to its worker: exit."""
        model = self.input_model
        try:
            given = run.input if model is None else model.model_validate(run.input)
            return await self.function(run, given)
        except SystemExit as error:
            message = f"the agent tried to exit ({error.code})"
            raise RuntimeError(message) from error


class AgentSet:
    """The agents of a program, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, AgentDefinition] = {}

    def __iter__(self) -> Iterator[AgentDefinition]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, definition: AgentDefinition) -> None:
        """Take an agent in. Raises InvalidAgent when its name is in use."""
        if definition.name in self._by_name:
            message = f"there are two agents named {definition.name!r}"
            raise InvalidAgent(message)
        self._by_name[definition.name] = definition

    def agent(
        self, *, name: str, version: str, input_schema: Json | None = None, **more: Any
    ) -> Callable[[F], F]:
        """Make the decorated `async def f(run, input)` an agent.

        Args:
            name: unique in the workspace.
            version: a label; raise it when the code or the schema changes.
            input_schema: without one, that of the pydantic model that annotates `input`. The
                schema of outputs is that of the model that annotates the result.
            more: other fields of `AgentDefinition`: description, type, labels, config, and so on.

        Raises:
            InvalidAgent: not an async function of a run and an input, or the name is in use.
        """

        def add(function: F) -> F:
            model, result = _models(function, name)
            schema = input_schema
            if schema is None:
                schema = model.model_json_schema() if model else {"type": "object"}
            if result is not None:
                more.setdefault("output_schema", result.model_json_schema(mode="serialization"))
            self.add(
                AgentDefinition(
                    name=name,
                    version=version,
                    function=function,
                    input_schema=schema,
                    input_model=model,
                    **more,
                )
            )
            return function

        return add


def load_agents(place: str) -> AgentSet:
    """The agent set that a module holds, given as `MODULE:NAME`.

    Raises:
        InvalidAgent: there is no such module, or nothing of that kind in it.
    """
    module_name, _, name = place.partition(":")
    if not module_name or not name:
        message = f"{place!r} is not of the form MODULE:NAME, for example my_agents:agents"
        raise InvalidAgent(message)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module does when it is imported
        message = f"cannot import {module_name!r}: {_why(error, module_name)}"
        raise InvalidAgent(message) from error
    if not hasattr(module, name):
        message = f"there is no {name!r} in {module_name!r}"
        raise InvalidAgent(message)
    found = getattr(module, name)
    if not isinstance(found, AgentSet):
        message = f"{place!r} is not an AgentSet"
        raise InvalidAgent(message)
    if not len(found):
        message = f"{place!r} holds no agent"
        raise InvalidAgent(message)
    return found


def _why(error: Exception, module_name: str) -> str:
    """What went wrong, and in which line; for a name that ends as files do, what was meant."""
    if module_name.endswith(".py"):
        return f"it is a module's name, without .py: {module_name.removesuffix('.py')}"
    said = f"{error}" if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    is_import = last is None or "importlib" in last.filename
    return said if is_import or last is None else f"{said} ({last.filename}, line {last.lineno})"


def _models(function: Callable[..., Any], name: str) -> tuple[Model | None, Model | None]:
    """The models that the second parameter and the result are annotated with, if they are any."""
    parameters = list(inspect.signature(function).parameters)
    if not inspect.iscoroutinefunction(function) or len(parameters) != _PARAMETERS:
        message = f"agent {name!r} is not of the form `async def f(run, input)`"
        raise InvalidAgent(message)
    hints: Mapping[str, Any] = get_type_hints(function)
    return _model(hints.get(parameters[1])), _model(hints.get("return"))


def _model(hint: Any) -> Model | None:
    return hint if isinstance(hint, type) and issubclass(hint, BaseModel) else None
