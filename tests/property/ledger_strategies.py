"""Values for every fact, events of every kind, and commands of every kind."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

from ledger import commands as c
from ledger import events as e
from ledger.approval_policy import ApprovalPolicy
from ledger.event import Actor, Envelope, Event, FirstEvent, Stamp
from ledger.frames import Step, UsageReport
from ledger.role import Role
from ledger.status import Status
from ledger.strict_json import decode
from ledger.usage import Price, PriceUsed
from tests.given import NOON, frame

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.sampled_from(["Writer", "Critic", "Planner", "Sn\N{SNOWMAN}wman"])
numbers_as_sent = st.sampled_from([b"1.10", b"1e400", b"-0.0", b"1E5", b"0.1000000000000000001"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    numbers_as_sent.map(decode),
    words,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(
    words | st.sampled_from(["_type_", "_data_", "output"]), values, max_size=3
)
canonical = st.one_of(
    st.none(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.sampled_from([b"1.10", b"-0.0", b"1E5"]).map(decode),
    words,
)
digestible = st.dictionaries(words, canonical, max_size=3)
"""Objects that have a canonical form."""

times = st.datetimes(datetime(1970, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by definition
money = st.decimals(0, 10**9, places=12, allow_nan=False, allow_infinity=False)


# Events: a strategy for each fact, from what its field is annotated with.

_OF: Final[Mapping[Any, st.SearchStrategy[Any]]] = {
    NoneType: st.none(),
    str: words,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Decimal: money,
    datetime: times,
    Any: values,
    Status: st.sampled_from(Status),
    Role: st.sampled_from(Role),
}


def of_annotation(annotation: Any) -> st.SearchStrategy[Any]:
    """Values that a field with this annotation may hold."""
    if annotation in _OF:
        return _OF[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, UnionType}:
        return st.one_of([of_annotation(each) for each in arguments])
    if origin is list:
        return st.lists(of_annotation(arguments[0]), max_size=3)
    if origin is dict:
        is_any = arguments[1:] == (Any,)
        return objects if is_any else st.dictionaries(*map(of_annotation, arguments), max_size=3)
    assert issubclass(annotation, BaseModel)
    return models(annotation)


def models(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Models with values in every field."""
    fields = {name: of_annotation(field.annotation) for name, field in model.model_fields.items()}
    return st.builds(model, **fields)


stamps = st.builds(
    Stamp,
    workspace=words,
    actor=models(Actor),
    at=times,
    request=st.none() | words,
)


event_ids = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


@st.composite
def events(draw: st.DrawFn, kind: type[Event]) -> Event:
    """Events of a kind, with whatever facts its fields allow."""
    stamp = draw(stamps)
    facts = {name: draw(of_annotation(kind.model_fields[name].annotation)) for name in kind.FACTS}
    if issubclass(kind, FirstEvent):
        facts["originator_topic"] = kind.TOPIC.split(".")[0]
    return kind(
        originator_id=draw(words),
        originator_version=draw(st.integers(1, 2**53)),
        timestamp=stamp.at,
        envelope=Envelope(draw(event_ids), stamp, draw(st.none() | words)),
        **facts,
    )


# Commands.

usage_reports = st.builds(
    UsageReport,
    model=st.sampled_from(["priced", "unknown"]),
    prompt_tokens=st.integers(0, 1_000),
    completion_tokens=st.integers(0, 1_000),
    cached_tokens=st.none() | st.integers(0, 1_000),
    cost_usd=st.none() | money,
    at=st.none() | times,
)
frames = st.one_of(
    words.map(lambda text: frame(e.Thought, content=text)),
    values.map(lambda value: frame(e.ToolStarted, id="1", name="search", input=value)),
    values.map(lambda value: frame(e.ToolEnded, id="1", name="search", output=value)),
    words.map(lambda text: frame(e.ContentStreamed, content=text)),
)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(frames, frames, usage_reports), max_size=4
)
moments = st.none() | st.integers(-(10**9), 10**9).map(lambda n: NOON + timedelta(milliseconds=n))
policies = st.builds(
    ApprovalPolicy,
    required_role=st.sampled_from([None, None, None, "operator"]),
    not_requester=st.sampled_from([None, None, None, True]),
    on_reject=st.sampled_from([None, "end", "resume"]),
    expires_in_s=st.none() | st.floats(1, 10**6),
)
given_policies = st.sampled_from(
    [{"on_reject": "resume"}, {"required_role": "somebody"}, {"expires_in_s": 60}, {"theirs": 1}]
)
versions = st.fixed_dictionaries(
    {
        "version": words,
        "config": st.one_of(objects, st.just({"approval_required": True})),
        "input_schema": st.sampled_from([{}, {}, {"required": ["output"]}, {"type": "nonsense"}]),
        "given": objects | given_policies.map(lambda policy: {"approval_policy": policy}),
    }
)
guardrails = st.fixed_dictionaries(
    {
        "type": words,
        "scanner_type": words,
        "action": words,
        "config": objects,
        "is_active": st.booleans(),
        "sort_order": st.integers(0, 9),
    }
)
score_facts = st.fixed_dictionaries(
    {"name": words}, optional={"value": st.floats(-1, 1), "string_value": words, "comment": words}
)
score_configs = st.fixed_dictionaries(
    {
        "name": words,
        "data_type": st.sampled_from(["numeric", "categorical", "boolean"]),
        "categories": st.lists(values, max_size=2),
        "description": words,
        "is_active": st.booleans(),
    }
)

Commands = st.SearchStrategy[c.Command]


def creations(**known: st.SearchStrategy[Any]) -> "st.SearchStrategy[c.CreateExecution]":
    """Requests for runs, of agents by name unless `known` says otherwise."""
    agent = {} if "agent_id" in known else {"agent_name": names}
    return st.builds(
        c.CreateExecution,
        mode=st.sampled_from(["execute", "record"]),
        input=objects,
        metadata=objects,
        occurred_at=moments,
        **(agent | known),
    )


def whole_runs() -> Commands:
    """Runs that are over."""
    return st.builds(
        c.RecordRun,
        create=creations(),
        steps=steps,
        output=objects,
        error=st.none() | words,
        scores=st.lists(score_facts, max_size=2),
        started_at=moments,
        completed_at=moments,
    )


LEASES: Final = ("a" * 64, "b" * 64)
leases = st.none() | st.sampled_from(LEASES)

priced_models = st.sampled_from(["priced", "unknown"])
prices = st.builds(
    Price,
    input=money,
    output=money,
    cached_input=st.none() | money,
    cache_creation=st.none() | money,
    source=st.just("workspace"),
)

repricings = st.fixed_dictionaries(
    {
        "sequence": st.integers(1, 6),
        "model": priced_models,
        "total_tokens": st.integers(0, 1_000),
        "spent_at": times,
        "cost_usd": money,
        "previous_cost_usd": st.none() | money,
        "price": st.just(PriceUsed(source="workspace")),
    }
)

ON_EXECUTION: Final[Mapping[type[Any], Callable[[str, str], Commands]]] = {
    c.Start: lambda id_, _: st.builds(c.Start, st.just(id_), words, moments, lease=leases),
    c.Claim: lambda id_, _: st.builds(c.Claim, st.just(id_), words, st.sampled_from(LEASES)),
    c.Append: lambda id_, _: st.builds(c.Append, st.just(id_), steps, leases),
    c.RequestApproval: lambda id_, _: st.builds(
        c.RequestApproval, st.just(id_), words, digestible | objects, moments, policies, leases
    ),
    c.SupersedeApproval: lambda id_, subject: st.builds(
        c.SupersedeApproval,
        st.just(id_),
        st.just(subject),
        digestible | st.fixed_dictionaries({"output": digestible}),
        st.none() | words,
    ),
    c.Decide: lambda id_, subject: st.builds(
        c.Decide,
        st.just(id_),
        st.booleans(),
        st.none() | words,
        st.none() | st.just(subject),
        st.sampled_from([None, None, None, "sha256:0"]),
    ),
    c.ExpireApproval: lambda id_, subject: st.builds(
        c.ExpireApproval, st.just(id_), st.just(subject)
    ),
    c.Complete: lambda id_, _: st.builds(
        c.Complete, st.just(id_), digestible | objects, moments, leases, st.just([]) | steps
    ),
    c.Fail: lambda id_, _: st.builds(
        c.Fail,
        st.just(id_),
        words,
        st.sampled_from(["error", "timeout"]),
        st.none() | words,
        lease=leases,
        steps=st.just([]) | steps,
    ),
    c.Cancel: lambda id_, _: st.builds(
        c.Cancel, st.just(id_), st.none() | words, st.booleans(), leases
    ),
    c.LoseWorker: lambda id_, _: st.builds(
        c.LoseWorker, st.just(id_), st.integers(1, 3), moments, leases
    ),
    c.RepriceUsage: lambda id_, _: st.builds(
        c.RepriceUsage, st.just(id_), st.integers(1, 6), st.lists(repricings, max_size=2), words
    ),
    c.Annotate: lambda id_, _: st.builds(c.Annotate, st.just(id_), objects),
    c.Score: lambda id_, subject: st.builds(
        c.Score, st.just(id_), score_facts, st.none() | st.just(subject)
    ),
    c.RemoveScore: lambda id_, subject: st.builds(c.RemoveScore, st.just(id_), st.just(subject)),
}
"""Commands about an execution; `subject` is the last approval or score that was made."""

ON_AGENT: Final[Mapping[type[Any], Callable[[str, str], Commands]]] = {
    c.ChangeAgent: lambda id_, _: st.builds(
        c.ChangeAgent,
        st.just(id_),
        st.fixed_dictionaries({}, optional={"name": names, "description": words}),
    ),
    c.AddVersion: lambda id_, _: st.builds(c.AddVersion, st.just(id_), versions, st.booleans()),
    c.PromoteVersion: lambda id_, subject: st.builds(
        c.PromoteVersion, st.just(id_), st.just(subject)
    ),
    c.AddGuardrail: lambda id_, _: st.builds(c.AddGuardrail, st.just(id_), guardrails),
    c.ArchiveAgent: lambda id_, _: st.just(c.ArchiveAgent(id_)),
}
"""Commands about an agent; `subject` is the last version that was added."""

ON_CONFIG: Final[Mapping[type[Any], Callable[[str, str], Commands]]] = {
    c.ChangeScoreConfig: lambda id_, _: st.builds(
        c.ChangeScoreConfig,
        st.just(id_),
        st.fixed_dictionaries({}, optional={"name": words, "max_value": st.floats(0, 1)}),
    ),
    c.RemoveScoreConfig: lambda id_, _: st.just(c.RemoveScoreConfig(id_)),
}
"""Commands about a score configuration."""

ON_KEY: Final[Mapping[type[Any], Callable[[str, str], Commands]]] = {
    c.RevokeKey: lambda id_, _: st.just(c.RevokeKey(id_)),
}
"""Commands about an API key."""

ON_BUDGET: Final[Mapping[type[Any], Callable[[str, str], Commands]]] = {
    c.EndBudget: lambda _, subject: st.just(c.EndBudget(subject)),
    c.LookAtBudgets: lambda _, __: st.just(c.LookAtBudgets()),
}
"""Commands about the budgets of days; `subject` is the last one that was set."""

ON_PRICE: Final[Mapping[type[Any], Callable[[str, str], Commands]]] = {
    c.EndPrice: lambda _, subject: st.builds(
        c.EndPrice, priced_models, st.just(subject), st.none() | times
    ),
}
"""Commands about the prices of a model; `subject` is the last price that was stated."""

NEW: Final[Mapping[type[Any], Commands]] = {
    c.CreateExecution: creations(),
    c.RecordRun: whole_runs(),
    c.RegisterAgent: st.builds(c.RegisterAgent, names, description=words),
    c.CreateScoreConfig: st.builds(c.CreateScoreConfig, score_configs),
    c.CreateKey: st.builds(c.CreateKey, words, st.sampled_from(Role), words, words),
    c.SetBudget: st.builds(
        c.SetBudget,
        st.sampled_from(["workspace", "agent", "user"]),
        st.none() | words,
        st.none() | money,
        st.none() | st.integers(0, 10_000),
    ),
    c.SetPrice: st.builds(
        c.SetPrice, priced_models, prices, st.none() | times, st.none() | times, st.none() | words
    ),
}
"""Commands that bring something into being."""
