"""Costs as FOCUS 1.2 has them: the FinOps Open Cost and Usage Specification, one row per charge.

A charge is what the calls of one model by one agent cost in a day, or in an hour. FOCUS knows no
unknown cost: what has no price stands beside the cost, in `x_UnpricedTokens`, and its quantity is
not among what was priced.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from ledger.strict_json import encode
from projections import cost_groups
from projections.agent_rows import agents
from projections.cost_questions import Question
from projections.cost_sources import money_of

Json = dict[str, Any]

COLUMNS: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "Tags",
    "x_CachedTokens",
    "x_Calls",
    "x_CompletionTokens",
    "x_PromptTokens",
    "x_UnpricedTokens",
)
"""The mandatory ones, those that we can fill, and after them our own."""

_OF_A_CHARGE: Final = ("agent", "model", "provider")
_TIMES: Final = ("hour", "day")
_NOBODY: Final = "Unknown"


def charges_of(asked: Question) -> Question:
    """The same question, told apart as charges are; what else it tells apart becomes tags."""
    time = "hour" if "hour" in asked.by else "day"
    others = [name for name in asked.by if name not in (*_TIMES, *_OF_A_CHARGE)]
    return asked._replace(by=(time, *_OF_A_CHARGE, *others))


def charges(connection: Connection, asked: Question) -> Iterator[list[Json]]:
    """The charges of a question, in the order of their times, some at a time.

    Args:
        connection: to the views.
        asked: as `charges_of` has it.
    """
    for rows in cost_groups.each(connection, asked):
        names = _names(connection, asked.workspace, {row["agent"] for row in rows})
        yield [_charge(asked, row, names) for row in rows]


def _names(connection: Connection, workspace: str, ids: set[str]) -> Mapping[str, str]:
    wanted = select(agents.c.id, agents.c.name).where(
        agents.c.workspace == workspace, agents.c.id.in_(ids)
    )
    return {row.id: row.name for row in connection.execute(wanted)}


def _charge(asked: Question, row: Json, names: Mapping[str, str]) -> Json:
    cost = row[f"{money_of(asked.scope)}_usd"] or "0"
    provider = row["provider"] or _NOBODY
    begin, end = _period(row[asked.by[0]])
    month, next_month = _month(begin)
    agent = names.get(row["agent"], row["agent"])
    return {
        **_ALWAYS,
        "BilledCost": cost,
        "BillingAccountId": asked.workspace,
        "BillingPeriodEnd": _text(next_month),
        "BillingPeriodStart": _text(month),
        "ChargeDescription": _description(row, agent),
        "ChargePeriodEnd": _text(end),
        "ChargePeriodStart": _text(begin),
        "ConsumedQuantity": row["total_tokens"],
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": provider,
        "ListCost": cost,
        "PricingQuantity": row["total_tokens"] - row["unpriced_tokens"],
        "ProviderName": provider,
        "PublisherName": provider,
        "ResourceId": row["agent"],
        "ResourceName": agent,
        "SkuId": row["model"],
        "Tags": _tags(row, asked.by[1 + len(_OF_A_CHARGE) :]),
        "x_CachedTokens": row["cached_tokens"],
        "x_Calls": row["calls"],
        "x_CompletionTokens": row["completion_tokens"],
        "x_PromptTokens": row["prompt_tokens"],
        "x_UnpricedTokens": row["unpriced_tokens"],
    }


_ALWAYS: Final[Json] = {
    "BillingAccountName": None,
    "BillingCurrency": "USD",
    "ChargeCategory": "Usage",
    "ChargeClass": None,
    "ChargeFrequency": "Usage-Based",
    "ConsumedUnit": "Tokens",
    "PricingUnit": "Tokens",
    "ResourceType": "AI agent",
    "ServiceCategory": "AI and Machine Learning",
    "ServiceName": "Language models",
    "ServiceSubcategory": "Generative AI",
}


def _description(row: Json, agent: str) -> str:
    said = f"{row['calls']} calls of {row['model']} by {agent}"
    unpriced = row["unpriced_tokens"]
    return f"{said}; without {unpriced} tokens of unknown price" if unpriced else said


def _tags(row: Json, names: Sequence[str]) -> str | None:
    tags = {name: row[name] for name in names if row[name] != ""}
    return encode(tags).decode() if tags else None


def _period(text: str) -> tuple[datetime, datetime]:
    begin = datetime.fromisoformat(text.removesuffix("Z"))
    is_day = len(text) == len("2026-01-31")
    return begin, begin + (timedelta(days=1) if is_day else timedelta(hours=1))


def _month(time: datetime) -> tuple[datetime, datetime]:
    month = time.replace(day=1, hour=0)
    return month, (month + timedelta(days=31)).replace(day=1)


def _text(time: date) -> str:
    return f"{time.isoformat()}Z"
