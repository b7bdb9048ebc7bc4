"""Both clients offer the same, and the names that existing programs use are there."""

import inspect
from typing import Any

import pytest
from promptrails import PromptRails

import ledger_client
from ledger_client import AsyncLedger, Ledger

RESOURCES = (
    "agents",
    "executions",
    "approvals",
    "costs",
    "prices",
    "budgets",
    "scores",
    "traces",
    "sessions",
    "dashboard",
)
NOT_OURS = {"traces": {"pii_report", "ingest"}}
OLDER_NAMES = {
    "costs": {"get_summary", "get_agent_summary"},
    "dashboard": {"get_metrics"},
    "scores": {"get_aggregates", "create_config", "update_config", "delete_config"},
    "traces": {"get_by_trace_id", "get_summary"},
}


def names(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")} - {"transport"}


@pytest.fixture
def blocking() -> Ledger:
    return Ledger(spill=False)


@pytest.fixture
def awaiting() -> AsyncLedger:
    return AsyncLedger(spill=False)


def test_both_clients_have_the_same_names(blocking: Ledger, awaiting: AsyncLedger) -> None:
    assert names(blocking) == names(awaiting)
    assert set(RESOURCES) <= names(blocking)


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_resource_has_the_same_methods_and_arguments_in_both(
    blocking: Ledger, awaiting: AsyncLedger, resource: str
) -> None:
    ours, theirs = getattr(blocking, resource), getattr(awaiting, resource)

    assert names(ours) == names(theirs)
    for name in names(ours):
        signatures = [inspect.signature(getattr(each, name)) for each in (ours, theirs)]
        assert signatures[0] == signatures[1]
        assert "self" not in signatures[0].parameters


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_method_says_what_it_does(blocking: Ledger, resource: str) -> None:
    found = getattr(blocking, resource)

    assert [name for name in names(found) if not inspect.getdoc(getattr(found, name))] == []


@pytest.mark.parametrize("resource", ["agents", "executions", "traces"])
def test_the_methods_of_the_published_client_are_there(blocking: Ledger, resource: str) -> None:
    published = getattr(PromptRails("any"), resource)

    missing = names(published) - names(getattr(blocking, resource))

    assert missing == NOT_OURS.get(resource, set())


@pytest.mark.parametrize("resource", OLDER_NAMES)
def test_the_methods_of_the_older_client_are_there(blocking: Ledger, resource: str) -> None:
    assert OLDER_NAMES[resource] <= names(getattr(blocking, resource))


def test_what_the_package_exports_is_there_and_in_order() -> None:
    assert sorted(ledger_client.__all__) == ledger_client.__all__
    assert [name for name in ledger_client.__all__ if not hasattr(ledger_client, name)] == []
