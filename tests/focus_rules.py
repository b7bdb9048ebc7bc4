"""What FOCUS 1.2 demands of each column, in our words: written from the specification.

It knows nothing of the code that exports, nor of what that code puts into a column.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

Row = Mapping[str, str]

MANDATORY: Final = frozenset(
    [
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingCurrency",
        "BillingPeriodEnd",
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ChargePeriodEnd",
        "ChargePeriodStart",
        "ContractedCost",
        "EffectiveCost",
        "InvoiceIssuerName",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "ServiceCategory",
        "ServiceName",
    ]
)
"""The columns of feature level Mandatory. Others are there where they apply, or recommended."""


class Rule(NamedTuple):
    """Of one column.

    Attributes:
        check: whether a value that is there has the right form.
        nullable: whether a row of usage may leave it out, which in CSV is an empty cell.
    """

    check: Callable[[str], bool]
    nullable: bool = False


def _one_of(*allowed: str) -> Callable[[str], bool]:
    return lambda text: text in allowed


def _is_text(text: str) -> bool:
    return bool(text.strip())


def _is_decimal(text: str) -> bool:
    """Digits with one point at most: no exponent, no plus, no commas, no unit."""
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _is_amount(text: str) -> bool:
    return _is_decimal(text) and Decimal(text) >= 0


def _is_time(text: str) -> bool:
    """ISO 8601, extended, in UTC: 2026-01-31T00:00:00Z."""
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text) is None:
        return False
    return datetime.fromisoformat(text).tzinfo is not None


def _is_key_value(text: str) -> bool:
    """A JSON object with unique keys and plain values."""
    pairs: list[tuple[str, object]] = json.loads(text, object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    plain = all(isinstance(value, str | int | float | bool | None) for _, value in pairs)
    return text.startswith("{") and len(keys) == len(set(keys)) and plain


def _is_unit(text: str) -> bool:
    return re.fullmatch(r"(\d+ )?[A-Z][A-Za-z]*([-/][A-Z][A-Za-z]*)?", text) is not None


_CATEGORIES: Final = """AI and Machine Learning|Analytics|Business Applications|Compute|Databases|
Developer Tools|Multicloud|Identity|Integration|Internet of Things|Management and Governance|Media|
Migration|Mobile|Networking|Security|Storage|Web|Other""".replace("\n", "").split("|")

_OF_AI: Final = (
    "AI Platforms",
    "Bots",
    "Generative AI",
    "Machine Learning",
    "Natural Language Processing",
    "Other (AI and Machine Learning)",
)

RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(
        ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), Rule(_is_decimal)
    ),
    **dict.fromkeys(
        ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"),
        Rule(_is_time),
    ),
    **dict.fromkeys(
        ("BillingAccountId", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceName"),
        Rule(_is_text),
    ),
    "BillingAccountName": Rule(_is_text, nullable=True),
    "BillingCurrency": Rule(lambda text: re.fullmatch(r"[A-Z]{3}", text) is not None),
    "ChargeCategory": Rule(_one_of("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    "ChargeClass": Rule(_one_of("Correction"), nullable=True),
    "ChargeDescription": Rule(_is_text, nullable=True),
    "ChargeFrequency": Rule(_one_of("One-Time", "Recurring", "Usage-Based")),
    "ConsumedQuantity": Rule(_is_amount),
    "ConsumedUnit": Rule(_is_unit),
    "PricingQuantity": Rule(_is_amount),
    "PricingUnit": Rule(_is_unit),
    "ResourceId": Rule(_is_text, nullable=True),
    "ResourceName": Rule(_is_text, nullable=True),
    "ResourceType": Rule(_is_text, nullable=True),
    "ServiceCategory": Rule(_one_of(*_CATEGORIES)),
    "ServiceSubcategory": Rule(_one_of(*_OF_AI)),
    "SkuId": Rule(_is_text),
    "Tags": Rule(_is_key_value, nullable=True),
}
"""Of the columns that an export of usage may have; a column that is not here is not of FOCUS."""


def violations(columns: list[str], rows: list[Row]) -> list[str]:
    """What breaks a rule, in words."""
    return [*_of_columns(columns), *(said for row in rows for said in _of_row(row))]


def _of_columns(columns: list[str]) -> list[str]:
    found = [f"{name} is missing" for name in sorted(MANDATORY.difference(columns))]
    found += [f"{name} is there twice" for name in columns if columns.count(name) > 1]
    custom = re.compile(r"x_[A-Z][A-Za-z0-9]*")
    return found + [
        f"{name} is no column of FOCUS, and none of ours"
        for name in columns
        if name not in RULES and not custom.fullmatch(name)
    ]


def _of_row(row: Row) -> list[str]:
    found = []
    for name, rule in RULES.items():
        text = row.get(name, "")
        if name in row and not (rule.check(text) if text else rule.nullable):
            found.append(f"{name} must not be {text!r}")
    return found or _of_relations(row)


def _of_relations(row: Row) -> list[str]:
    """What columns demand of one another."""
    begin, end, month, next_month = (
        datetime.fromisoformat(row[name])
        for name in (
            "ChargePeriodStart",
            "ChargePeriodEnd",
            "BillingPeriodStart",
            "BillingPeriodEnd",
        )
    )
    relations = {
        "a charge's period is an hour or a day": end - begin in {timedelta(hours=1), timedelta(1)},
        "a charge is within its billing period": month <= begin < end <= next_month,
        "a billing period begins where a month does": (month.day, month.hour) == (1, 0),
        "a purchase is not usage-based": row["ChargeCategory"] != "Purchase"
        or row["ChargeFrequency"] != "Usage-Based",
        "a resource has a type": bool(row["ResourceId"]) == bool(row["ResourceType"]),
        "without unit prices list and contracted cost are the billed one": row["ListCost"]
        == row["ContractedCost"]
        == row["BilledCost"],
    }
    return [said for said, holds in relations.items() if not holds]
