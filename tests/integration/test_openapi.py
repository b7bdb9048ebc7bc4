import re
from collections import Counter
from typing import get_args

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from projections.filters import FILTERS, SORTS
from server.api.catalog import ROUTES
from server.route import Route
from server.schemas.filters import ExecutionsQuery, FiltersQuery
from tests.integration.api import Api
from tests.integration.contract import DOCUMENT

DESCRIBED = [route for route in ROUTES if route.tag != "docs"]
OPERATIONS = [
    operation for operations in DOCUMENT["paths"].values() for operation in operations.values()
]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_the_document_is_openapi_3_1() -> None:
    problems = [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()]

    assert problems == []


@pytest.mark.parametrize("route", DESCRIBED, ids=name_of)
def test_every_route_is_described_with_what_it_answers(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]

    assert operation["summary"]
    assert operation["description"]
    assert str(int(route.status)) in operation["responses"]
    assert ("401" in operation["responses"]) is not route.public


def test_every_operation_has_a_name_of_its_own() -> None:
    names = Counter(operation["operationId"] for operation in OPERATIONS)

    assert [name for name, times in names.items() if times > 1] == []


def test_every_name_of_a_schema_is_short() -> None:
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name] == []


async def test_the_document_is_served_to_everybody(api: Api) -> None:
    reply = await api.call("GET", "//openapi.json")

    assert reply.body == DOCUMENT


async def test_the_page_to_browse_it_needs_no_other_host(api: Api) -> None:
    page = await api.call("GET", "//docs")
    parts = re.findall(r'(?:src|href)="(.*?)"', page.text.decode())

    served = [await api.call("GET", f"/{part}") for part in parts if part.startswith("/")]

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert [part for part in parts if not part.startswith(("/", "data:"))] == []
    assert [reply.status for reply in served] == [200] * len(served)
    assert len(served) >= 4


async def test_whoever_opens_the_address_is_led_to_the_page(api: Api) -> None:
    page, there = [await api.call("GET", path) for path in ("//docs", "//")]

    assert there.text == page.text


async def test_the_page_knows_openapi_3_1(api: Api) -> None:
    script = (await api.call("GET", "//docs/swagger-ui.js")).text.decode()

    version = re.search(r'PACKAGE_VERSION:"(\d+)\.', script)

    assert version is not None
    assert int(version[1]) >= 5


def test_every_filter_of_executions_is_described() -> None:
    assert set(FiltersQuery.model_fields) == set(FILTERS)


def test_every_order_of_executions_is_described() -> None:
    orders = get_args(ExecutionsQuery.model_fields["sort"].annotation)

    assert set(orders) == {sign + name for sign in ("", "-") for name in SORTS}
