"""What a version may say of a run's budget, and what counts against it."""

from decimal import Decimal
from typing import Any

import pytest

from ledger.errors import InvalidConfig
from ledger.run_budget import RunBudget, Tally, budget_in, check_limits, spent_of


@pytest.mark.parametrize("given", [None, {}, {"max_cost": None}, {"theirs": 1}])
def test_a_version_without_limits_has_no_budget(given: Any) -> None:
    assert budget_in(given) is None


def test_limits_are_exact() -> None:
    assert budget_in({"max_cost": "0.10", "max_depth": 0}) == RunBudget(
        max_cost=Decimal("0.10"), max_depth=0
    )


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"max_cost": -1}, "run_budget.max_cost"),
        ({"max_total_tokens": 1.5}, "run_budget.max_total_tokens"),
        ({"max_children": "many"}, "run_budget.max_children"),
        ([], "run_budget"),
        (7, "run_budget"),
    ],
)
def test_what_is_no_limit_is_refused_by_name(given: Any, named: str) -> None:
    with pytest.raises(InvalidConfig, match=named):
        budget_in(given)


def test_a_new_version_asks_for_no_limit_that_there_is_not() -> None:
    check_limits({"max_cost": "1", "raise_by": "1"})

    with pytest.raises(InvalidConfig, match=r"run_budget.max_costs: .* max_cost, max_total_tokens"):
        check_limits({"max_costs": "1"})


def test_tokens_without_a_price_count_at_the_price_of_the_settings() -> None:
    tally = Tally(cost=Decimal("0.1"), tokens=300, unpriced=200)
    budget = RunBudget(max_cost=Decimal(1), max_total_tokens=1000)

    assert spent_of(budget, tally, Decimal(10)) == {
        "max_cost": Decimal("0.102"),
        "max_total_tokens": 300,
    }
    assert tally.charged(Decimal(0)) == Decimal("0.1")


def test_what_has_no_limit_is_not_counted_against_one() -> None:
    assert spent_of(RunBudget(max_depth=1), Tally(tokens=5), Decimal(10)) == {}
