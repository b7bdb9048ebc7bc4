from datetime import UTC, datetime, timedelta, timezone

import pytest

from ledger.clock import TIME_LENGTH, SteadyClock, format_time, parse_time, utc_now

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (NOON, "2026-01-31T12:00:00.000000Z"),
        (NOON.replace(microsecond=1), "2026-01-31T12:00:00.000001Z"),
        (NOON.astimezone(timezone(timedelta(hours=-8))), "2026-01-31T12:00:00.000000Z"),
        (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_is_written_in_one_form_only(time: datetime, text: str) -> None:
    assert format_time(time) == text
    assert len(text) == TIME_LENGTH
    assert parse_time(text) == time


def test_a_time_without_a_zone_is_not_read() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        parse_time("2026-01-31T12:00:00")


@pytest.mark.parametrize("text", ["", "noon", "2026-02-30T00:00:00Z"])
def test_what_is_no_time_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_time(text)


def test_the_time_of_the_server_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC


def test_a_clock_that_goes_back_stands_still_until_it_has_caught_up() -> None:
    ticks = [NOON + timedelta(seconds=second) for second in (1, 5, 2, 4, 5, 6)]
    clock = SteadyClock(iter(ticks).__next__, NOON)

    assert [(clock() - NOON).seconds for _ in ticks] == [1, 5, 5, 5, 5, 6]


def test_a_clock_starts_no_earlier_than_what_was_recorded_last() -> None:
    clock = SteadyClock(lambda: NOON - timedelta(days=1), NOON)

    assert clock() == NOON


def test_a_clock_tells_no_time_before_one_that_others_recorded() -> None:
    clock = SteadyClock(lambda: NOON, NOON)

    clock.not_before(NOON + timedelta(seconds=3))
    clock.not_before(NOON + timedelta(seconds=1))

    assert clock() == NOON + timedelta(seconds=3)
