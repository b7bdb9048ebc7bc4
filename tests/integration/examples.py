"""Requests made of the route table: the least that each needs to be understood."""

from collections.abc import Mapping
from typing import Any

from server.route import Route
from tests.integration.contract import DOCUMENT

Json = dict[str, Any]

_BODIES: Mapping[str, Any] = {
    # Where a schema cannot say what belongs together.
    "/executions": {"agent": "Scribe"},
    "/executions/record": {"agent": "Scribe"},
    "/executions/{execution_id}/frames": {"type": "content", "content": "Hello"},
    "/scores": {"execution_id": "0" * 27, "name": "tone", "value": 1},
}


def path_of(route: Route, ids: Mapping[str, str]) -> str:
    """The path of a route with these ids in it, for `Api.call`."""
    path = route.path.format_map(ids)
    return path.removeprefix("/api/v1") if path.startswith("/api/v1/") else f"/{path}"


def example_of(route: Route) -> Any:
    """The least body that a route takes; None where it takes none."""
    short = route.path.removeprefix("/api/v1")
    if route.method == "POST" and short in _BODIES:
        return _BODIES[short]
    if route.body is None:
        return None
    content = DOCUMENT["paths"][route.path][route.method.lower()]["requestBody"]["content"]
    return _least(content["application/json"]["schema"])


def _least(schema: Json) -> Any:
    """The least value of a schema: what is required, and nothing else."""
    if "$ref" in schema:
        return _least(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for words in ("enum", "anyOf"):
        if words in schema:
            first = schema[words][0]
            return _least(first) if words == "anyOf" else first
    if "const" in schema:
        return schema["const"]
    if schema.get("type") == "object":
        required = schema.get("required", [])
        return {name: _least(schema["properties"][name]) for name in required}
    return {"string": "x", "integer": 1, "number": 1, "boolean": True, "array": []}[schema["type"]]
