"""Cursors that were not made by us."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, MetaData, String, Table, create_engine, select

from projections.errors import InvalidQuery
from projections.pages import MOST_COUNTED, Order, PageRequest, Total, counted, fetch

THINGS = Table(
    "things", MetaData(), Column("id", String, primary_key=True), Column("weight", BigInteger)
)
BY_WEIGHT = Order("weight", THINGS.c.weight, THINGS.c.id, descending=False, nullable=True)


def cursor(place: Any) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "\N{SNOWMAN}",
        "A",
        cursor(None),
        cursor({}),
        cursor(["weight"]),
        cursor(["weight", 1, 2]),
        cursor(["weight", 1.5, "a"]),
        cursor(["weight", True, "a"]),
        cursor(["weight", "heavy", "a"]),
        cursor(["weight", 2**63, "a"]),
        cursor(["weight", 1, "a\0"]),
        cursor(["weight", 1, "\ud800"]),
        cursor(["-weight", 1, "a"]),
        urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
)
def test_a_cursor_that_is_not_one_of_this_list_is_refused(text: str) -> None:
    engine = create_engine("sqlite://")
    THINGS.create(engine)
    request = PageRequest(cursor=text)

    with engine.connect() as connection, pytest.raises(InvalidQuery) as refusal:
        fetch(connection, select(THINGS), BY_WEIGHT, request, lambda: Total(0))

    assert refusal.value.name == "cursor"


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_rows_without_a_value_come_last_in_both_directions(descending: bool, limit: int) -> None:
    engine = create_engine("sqlite://")
    THINGS.create(engine)
    weights = [3, None, 1, 3, None, 2]
    rows = [{"id": f"{n}", "weight": weight} for n, weight in enumerate(weights)]
    order = BY_WEIGHT._replace(descending=descending)
    seen: list[tuple[int | None, str]] = []

    with engine.begin() as connection:
        connection.execute(THINGS.insert(), rows)
        request = PageRequest(limit=limit)
        while True:
            page = fetch(connection, select(THINGS), order, request, lambda: Total(len(rows)))
            seen += [(item["weight"], item["id"]) for item in page.items]
            if not page.meta["has_more"]:
                break
            request = request._replace(cursor=page.meta["next_cursor"])

    if descending:
        assert seen == [(3, "3"), (3, "0"), (2, "5"), (1, "2"), (None, "4"), (None, "1")]
    else:
        assert seen == [(1, "2"), (2, "5"), (3, "0"), (3, "3"), (None, "1"), (None, "4")]


def test_a_total_beyond_what_anybody_reads_is_an_estimate() -> None:
    engine = create_engine("sqlite://")
    THINGS.create(engine)
    rows = [{"id": f"{n}", "weight": n} for n in range(MOST_COUNTED + 1)]

    with engine.begin() as connection:
        connection.execute(THINGS.insert(), rows)
        total = counted(connection, select(THINGS))
        exact = counted(connection, select(THINGS).where(THINGS.c.weight > 0))
        page = fetch(connection, select(THINGS), BY_WEIGHT, PageRequest(), lambda: total)

    assert total == Total(MOST_COUNTED, is_estimate=True)
    assert exact == Total(MOST_COUNTED, is_estimate=False)
    assert page.meta["total_is_estimate"] is True
    assert page.meta["pages"] == 500


def test_a_page_number_beyond_all_bounds_is_an_empty_page() -> None:
    request = PageRequest.of("9" * 39, None)
    engine = create_engine("sqlite://")
    THINGS.create(engine)

    with engine.connect() as connection:
        page = fetch(connection, select(THINGS), BY_WEIGHT, request, lambda: Total(0))

    assert page.items == []
    assert page.meta["has_more"] is False
