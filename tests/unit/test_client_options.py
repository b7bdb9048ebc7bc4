"""What a client is told by its arguments, by the environment, and by nobody."""

from pathlib import Path
from typing import Any

import pytest

from ledger_client.options import Options, read_options
from server.settings import read_settings

NOTHING: dict[str, Any] = {
    "base_url": None,
    "api_key": None,
    "workspace": None,
    "timeout": 30,
    "max_retries": 3,
    "spill": True,
}
SAID = {"LEDGER_SERVER": "https://l.example/", "LEDGER_API_KEY": "k", "LEDGER_SPILL_DIR": "/s"}


def options(environment: dict[str, str], **given: Any) -> Options:
    return read_options(**{**NOTHING, **given}, environment=environment)


def test_the_environment_says_what_the_arguments_do_not() -> None:
    found = options(SAID)

    assert (found.base_url, found.api_key) == ("https://l.example", "k")
    assert found.spill == Path("/s")


def test_an_argument_wins_over_the_environment() -> None:
    found = options(SAID, base_url="http://other:1", api_key="", spill="/t")

    assert (found.base_url, found.api_key, found.spill) == ("http://other:1", "", Path("/t"))


def test_without_a_word_this_machine_is_asked_and_the_users_directory_is_used() -> None:
    found = options({"XDG_STATE_HOME": "/state"})

    assert found.base_url == "http://127.0.0.1:8080"
    assert found.spill == Path("/state/execution-ledger/spill")
    assert found.headers == {}


def test_spilling_can_be_turned_off() -> None:
    assert options(SAID, spill=False).spill is None


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/api/v1"])
def test_an_address_may_end_as_people_write_it(url: str) -> None:
    assert options({}, base_url=url).url("/agents") == "http://h:1/api/v1/agents"


def test_an_address_may_be_a_socket() -> None:
    found = options({}, base_url="unix:///run/ledger.sock")

    assert found.socket == "/run/ledger.sock"
    assert found.url("/agents") == "http://localhost/api/v1/agents"
    assert options({}).socket is None


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="begins with http"):
        options({}, base_url="localhost:8080")
    with pytest.raises(ValueError, match="unix:///"):
        options({}, base_url="unix://ledger.sock")


def test_a_server_in_the_same_environment_is_not_disturbed() -> None:
    assert read_settings(SAID | {"LEDGER_PORT": "1"}).port == 1
