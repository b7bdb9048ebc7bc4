import pytest

from ledger.score_config import ConfigChanged, ConfigCreated, ConfigRemoved, ScoreConfig
from tests.given import STAMP, newest, recorded

QUALITY = {
    "name": "quality",
    "data_type": "numeric",
    "min_value": 0.0,
    "max_value": 1.0,
    "categories": [],
    "description": "",
    "is_active": True,
}


@pytest.fixture(name="created")
def created_fixture() -> ScoreConfig:
    config = ScoreConfig.create("config-1", STAMP, QUALITY)
    config.pending_events.clear()
    return config


def test_creating_a_configuration_records_created() -> None:
    config = ScoreConfig.create("config-1", STAMP, QUALITY)

    assert recorded(config) == [ConfigCreated]
    assert config.workspace == "acme"


def test_changing_a_configuration_records_what_is_given(created: ScoreConfig) -> None:
    created.change(STAMP, {"max_value": 5.0})

    assert recorded(created) == [ConfigChanged]
    assert newest(created).encoded() == b'{"max_value":5.0}'


def test_removing_a_configuration_records_removed(created: ScoreConfig) -> None:
    created.remove(STAMP)

    assert recorded(created) == [ConfigRemoved]
    assert created.removed
