"""Settings of the servers that tests start: quick, and patient with their views."""

from typing import Any, Final

from server.settings import Settings, read_settings

PATIENCE: Final = 20
"""Seconds that an answer waits for the views: a disk that others use can stall for longer than
the five that are the default, and what a test recorded would then be missing from its answer."""


def quick_settings(database: str, **more: Any) -> Settings:
    """Settings for a ledger whose power is never cut; `more` wins over what is meant for tests."""
    quick: dict[str, Any] = {
        "durability": "normal",
        "wait_seconds": 0,
        "read_your_writes_seconds": PATIENCE,
    }
    return read_settings({}, database=database, **(quick | more))
