"""What a report of usage comes to: its counts and its cost, by the prices of the time."""

from ledger import events as e
from ledger.frames import UsageReport
from ledger.pricing import OwnPrice, Spent, cost_facts
from ledger.unit import Unit


def usage_facts(unit: Unit, report: UsageReport) -> e.Json:
    """The facts of a usage event: the counts of a report, checked and priced.

    Raises:
        InvalidUsage: counts that contradict each other, or none at all.
    """
    usage, units, reported, context = report.reading
    at = report.at or unit.stamp.at
    spent = Spent(report.model, report.provider, usage, at, units, context)
    policy = unit.policy
    own = own_price(unit, spent)
    return {
        **dict(usage),
        **cost_facts(spent, own, policy.prices, policy.catalog, reported),
        "model": report.model,
        "provider": report.provider,
        "units": units or None,
        "context": context or None,
        "raw": report.raw,
        "duration_ms": report.duration_ms,
        "occurred_at": report.at,
    }


def own_price(unit: Unit, spent: Spent) -> OwnPrice | None:
    """The workspace's own price for what was spent, if it states one for that time."""
    prices = unit.model_prices(spent.model)
    return None if prices is None else prices.at(spent.at)
