"""Settings: `LEDGER_*` variables, read once, here and nowhere else."""

import os
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ledger.database import SQLITE, file_of, is_known, is_postgres, shown
from ledger.strict_json import InvalidJson, decode
from ledger.usage import Price
from server.validation import problems_of

_PREFIX = "LEDGER_"
_OF_CLIENTS = frozenset(
    {"server", "api_key", "url", "spill_dir", "llm_base_url", "llm_model", "llm_api_key"}
)
"""Variables that clients and agents read, which say nothing to a server."""

_DB_FUNCTIONS = "POSTGRES_ENABLE_DB_FUNCTIONS"
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})

_NO_AMOUNTS = frozenset({"source", "effective"})
"""What a price says beside its amounts."""


class InvalidSettings(Exception):
    """A setting is unknown or has no meaning; says which and what it may be."""


class Settings(BaseModel):
    """Every setting, with its default. The descriptions are the documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1",
        description=(
            "Address to listen on. Without any API key only a loopback address is accepted."
        ),
    )
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database: str = Field(
        "sqlite:///execution-ledger.db",
        description=(
            "Where the ledger is kept: `sqlite:///PATH`, with the read models beside it in `PATH`"
            " with `.views.db`; or `postgresql://USER@HOST/NAME`, as libpq takes it, with the read"
            " models in the same schema."
        ),
    )
    durability: Literal["full", "normal"] = Field(
        "full",
        description=(
            "`full`: what was acknowledged survives a power cut. `normal`: it survives"
            " the end of the process only."
        ),
    )
    max_body_bytes: int = Field(
        16 * 1024 * 1024,
        ge=1024,
        description="Largest request body, in bytes; a larger one is refused with 413.",
    )
    max_payload_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        description="Largest single event, in bytes; a larger one is refused with 413.",
    )
    max_requests_per_second: float = Field(
        0,
        ge=0,
        description=(
            "Requests per second that one API key may make of one server, in bursts of twice as "
            "many; more is 429. 0 is no limit."
        ),
    )
    heartbeat_seconds: float = Field(
        15, gt=0, description="How often an idle stream sends a comment, in seconds."
    )
    wait_seconds: float = Field(
        25,
        ge=0,
        le=28,
        description=(
            "How long a blocking execute waits for the end, in seconds. Published "
            "clients give up after 30."
        ),
    )
    read_your_writes_seconds: float = Field(
        5,
        ge=0,
        description=(
            "How long a query waits for the read models to reach what was recorded "
            "before it, in seconds."
        ),
    )
    shutdown_seconds: float = Field(
        10, ge=0, description="How long open requests may take to finish on shutdown, in seconds."
    )
    approval_ttl_seconds: float | None = Field(
        None,
        gt=0,
        le=10**9,
        description=(
            "How long an approval waits for a decision when its request does not say, "
            "in seconds; empty is for ever."
        ),
    )
    worker_slots: int = Field(
        8, ge=1, le=1024, description="How many executions the in-process worker works on at once."
    )
    lease_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description=(
            "How long an execution stays with a worker that is not heard of, in seconds; "
            "workers are to be heard of three times as often."
        ),
    )
    cancel_grace_seconds: float = Field(
        30,
        ge=0,
        le=86400,
        description=(
            "How long a worker has to confirm a cancellation before the execution is "
            "cancelled without it, in seconds."
        ),
    )
    most_attempts: int = Field(
        3, ge=1, description="How often an execution is taken up before a lost worker fails it."
    )
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description=(
            'Prices in US dollars per million tokens: JSON, `{"MODEL": {"input": '
            '"2.50", "output": "10", "cached_input": "1.25"}}`. They go before `price_list`, '
            "and the prices that a workspace states go before them."
        ),
    )
    price_list: Literal["packaged", "updated", "none"] = Field(
        "packaged",
        description=(
            "Prices of models for which nobody here states one. `packaged`: those that came with "
            "the genai-prices library, as of the time of the call. `updated`: fetched anew from "
            "time to time. `none`: such a model's cost is unknown."
        ),
    )
    price_list_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description=(
            "Where `updated` fetches the list, in the format of genai-prices; by default the "
            "library's repository on the internet. A list that cannot be had changes nothing."
        ),
    )
    price_list_seconds: float = Field(
        3_600, gt=0, le=86_400 * 7, description="How often `updated` fetches the list."
    )
    budget_unpriced_usd: Decimal = Field(
        Decimal(10),
        ge=0,
        le=10**9,
        description=(
            "US dollars per million tokens that budgets count for tokens whose price nobody "
            "knows; 0 counts them as nothing, and then a budget of money stops no such run."
        ),
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="How log lines are written: `json`, or `console` for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="The least severe level that is written: `debug`, `info`, `warning`, `error`.",
    )

    @field_validator("prices", mode="before")
    @classmethod
    def _prices(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = decode(value.encode()) if value else {}
        if not isinstance(value, dict):
            return value
        return {model: _price(price) for model, price in value.items()}

    @field_validator("approval_ttl_seconds", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not is_known(value):
            message = f"{shown(value)!r} is neither sqlite:///PATH nor postgresql://HOST/NAME"
            raise ValueError(message)
        return value

    @property
    def place(self) -> str:
        """Where the ledger is kept, as it may be shown."""
        return shown(self.database)

    @property
    def views(self) -> str:
        """The URL of the read models: a file beside the ledger's, or the same database."""
        file = file_of(self.database)
        if file is None:
            return self.database
        return f"{SQLITE}{file.with_name(file.name.removesuffix('.db') + '.views.db')}"

    @property
    def approval_ttl(self) -> timedelta | None:
        """How long an approval waits; None is for ever."""
        seconds = self.approval_ttl_seconds
        return None if seconds is None else timedelta(seconds=seconds)


def _price(price: Any) -> Any:
    """A price as it was given, exact. Raises ValueError with what is wrong about it."""
    if not isinstance(price, dict):
        return price
    if unknown := sorted(set(price) - set(Price.model_fields)):
        message = f"a price has no {unknown[0]!r}; it has {', '.join(Price.model_fields)}"
        raise ValueError(message)
    amounts = {name: _amount(price[name]) for name in price if name not in _NO_AMOUNTS}
    return {"source": "settings", **price, **amounts}


def _amount(amount: Any) -> Decimal:
    try:
        dollars = Decimal(str(amount))
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not (dollars.is_finite() and dollars >= 0):
        message = f"{amount!r} is not an amount in US dollars"
        raise ValueError(message)
    return dollars


def read_settings(environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """Settings from the environment, over the defaults; what is given here wins over both.

    Raises:
        InvalidSettings: an unknown `LEDGER_*` name, or a value that has no meaning.
    """
    values: dict[str, Any] = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_PREFIX)
    }
    values = {name: value for name, value in values.items() if name not in _OF_CLIENTS}
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        message = f"unknown setting {_PREFIX}{unknown[0].upper()}"
        raise InvalidSettings(message)
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**values)
    except (ValidationError, InvalidJson) as error:
        raise InvalidSettings(_in_words(error)) from None
    if is_postgres(settings.database) and environment.get(_DB_FUNCTIONS, "").lower() in _TRUE:
        message = (
            f"{_DB_FUNCTIONS} is set: with it, the event-sourcing library writes without the lock"
            " that keeps positions in order; unset it, also for whatever else writes there"
        )
        raise InvalidSettings(message)
    return settings


def _in_words(error: ValidationError | InvalidJson) -> str:
    if isinstance(error, InvalidJson):
        return f"LEDGER_PRICES: {error}"
    return "; ".join(
        f"{_PREFIX}{'.'.join(map(str, steps)).upper()}: {message}"
        for steps, message in problems_of(error)
    )
