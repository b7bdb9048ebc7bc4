"""Settings as they are read from the environment."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from server.settings import InvalidSettings, Settings, read_settings


def read(**environment: str) -> Settings:
    return read_settings({f"LEDGER_{name.upper()}": text for name, text in environment.items()})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "::1", "::1"),
        ("port", "0", 0),
        ("port", "65535", 65535),
        ("database", "sqlite:////var/lib/ledger.db", "sqlite:////var/lib/ledger.db"),
        ("database", "postgresql://a,b/ledger", "postgresql://a,b/ledger"),
        ("durability", "normal", "normal"),
        ("max_body_bytes", "2048", 2048),
        ("max_payload_bytes", "1024", 1024),
        ("max_requests_per_second", "0.5", 0.5),
        ("heartbeat_seconds", "0.25", 0.25),
        ("wait_seconds", "28", 28),
        ("read_your_writes_seconds", "0", 0),
        ("shutdown_seconds", "0", 0),
        ("approval_ttl_seconds", "90", 90),
        ("approval_ttl_seconds", "", None),
        ("worker_slots", "1024", 1024),
        ("most_attempts", "1", 1),
        ("prices", "", {}),
        ("log_format", "console", "console"),
        ("log_level", "debug", "debug"),
    ],
)
def test_a_setting_is_read_from_its_variable(name: str, text: str, value: Any) -> None:
    assert getattr(read(**{name: text}), name) == value


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("database", "mysql://localhost/ledger"),
        ("database", "sqlite:///"),
        ("database", ""),
        ("durability", "Full"),
        ("max_body_bytes", "1023"),
        ("max_payload_bytes", "4 MB"),
        ("max_requests_per_second", "-1"),
        ("heartbeat_seconds", "0"),
        ("wait_seconds", "29"),
        ("wait_seconds", "nan"),
        ("shutdown_seconds", "-0.1"),
        ("approval_ttl_seconds", "0"),
        ("approval_ttl_seconds", "inf"),
        ("worker_slots", "0"),
        ("worker_slots", "1025"),
        ("most_attempts", "0"),
        ("log_format", "xml"),
        ("log_level", "loud"),
    ],
)
def test_a_value_without_meaning_is_refused_by_the_name_of_its_variable(
    name: str, text: str
) -> None:
    with pytest.raises(InvalidSettings, match=f"LEDGER_{name.upper()}"):
        read(**{name: text})


@pytest.mark.parametrize("name", ["LEDGER_PROT", "LEDGER_", "LEDGER_DATABASE_URL"])
def test_an_unknown_variable_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(InvalidSettings, match=f"unknown setting {name}"):
        read_settings({name: "x"})


def test_variables_of_others_and_of_the_client_commands_are_left_alone() -> None:
    environment = {"PORT": "1", "LEDGER_SERVER": "http://x", "LEDGER_API_KEY": "k"}
    environment["LEDGER_SPILL_DIR"] = "spill"
    environment |= {f"LEDGER_LLM_{name}": "x" for name in ("BASE_URL", "MODEL", "API_KEY")}

    assert read_settings(environment) == Settings()


def test_what_is_given_wins_over_the_environment_and_none_is_not_given() -> None:
    environment = {"LEDGER_PORT": "1", "LEDGER_HOST": "::1"}

    settings = read_settings(environment, port=2, host=None)

    assert (settings.port, settings.host) == (2, "::1")


def test_the_views_are_kept_beside_the_ledger() -> None:
    beside = read(database="sqlite:////data/my.ledger.db").views

    assert beside == "sqlite:////data/my.ledger.views.db"
    assert read(database="sqlite:///ledger").views == "sqlite:///ledger.views.db"
    assert read(database="postgresql://db/ledger").views == "postgresql://db/ledger"


def test_where_the_ledger_is_kept_is_shown_without_secrets() -> None:
    url = "postgresql://me:secret@a:5432,b:5433/ledger?password=secret&sslmode=verify-full"

    assert read(database=url).place == "postgresql://a:5432,b:5433/ledger"
    assert read(database="sqlite:////data/ledger.db").place == "/data/ledger.db"


@pytest.mark.parametrize("value", ["1", "y", "True"])
def test_a_way_of_writing_that_loses_events_is_refused(value: str) -> None:
    with pytest.raises(InvalidSettings, match="POSTGRES_ENABLE_DB_FUNCTIONS"):
        read_settings(
            {"POSTGRES_ENABLE_DB_FUNCTIONS": value, "LEDGER_DATABASE": "postgresql://db/ledger"}
        )

    assert read_settings({"POSTGRES_ENABLE_DB_FUNCTIONS": value}).place == "execution-ledger.db"


def test_the_life_of_an_approval_is_a_duration() -> None:
    assert read(approval_ttl_seconds="1.5").approval_ttl == timedelta(seconds=1.5)
    assert read().approval_ttl is None


def test_a_price_is_exact_and_says_where_it_is_from() -> None:
    text = '{"m": {"input": 0.1, "output": "10.10", "cached_input": 1e-3}}'

    price = read(prices=text).prices["m"]

    amounts = (price.input, price.output, price.cached_input, price.cache_creation)
    assert amounts == (Decimal("0.1"), Decimal("10.10"), Decimal("0.001"), None)
    assert (price.source, price.effective) == ("settings", None)


def test_a_price_may_say_itself_where_it_is_from_and_since_when() -> None:
    text = '{"m": {"input": 1, "output": 2, "source": "list", "effective": "2026-01-01"}}'

    price = read(prices=text).prices["m"]

    assert (price.source, price.effective) == ("list", "2026-01-01")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "7",
        '{"m": 7}',
        '{"m": {"input": 1}}',
        '{"m": {"input": "cheap", "output": 1}}',
        '{"m": {"input": null, "output": 1}}',
        '{"m": {"input": "NaN", "output": 1}}',
        '{"m": {"input": 1, "output": -1}}',
        '{"m": {"input": 1, "output": [1]}}',
        '{"m": {"input": 1, "output": 1, "cached": 2}}',
        '{"m": {"input": 1, "output": 1}, "m": {"input": 2, "output": 2}}',
    ],
)
def test_what_is_no_table_of_prices_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="LEDGER_PRICES"):
        read(prices=text)
