"""The OpenAPI document as a judge: every answer in a test must be one that it describes."""

import re
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs

from server.api.catalog import ROUTES
from server.openapi import document

Json = dict[str, Any]
DOCUMENT = document([route for route in ROUTES if route.tag != "docs"])


def _strict(schema: Any) -> Any:
    """The same schema, but an object may have no property beyond those described."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value) for name, value in schema.items()}
    if isinstance(strict.get("properties"), dict):
        strict.setdefault("additionalProperties", False)
    return strict


_STRICT = _strict(deepcopy(DOCUMENT["components"]["schemas"]))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z")


_BY_PATTERN = [
    # Fixed paths first, as the router does.
    (_pattern(path), operations)
    for path, operations in sorted(DOCUMENT["paths"].items(), key=lambda item: "{" in item[0])
]


def assert_described(method: str, path: str, status: int, media: str, body: Any) -> None:
    """The document must foresee this answer, and its schema must fit, with nothing beside.

    Args:
        method: of the request.
        path: of the request.
        status: of the answer.
        media: type of the answer's content, without parameters; "" when it has none.
        body: decoded JSON; None for any other type.
    """
    operation = _operation(method, path)
    if operation is None:
        return
    assert str(status) in operation["responses"], f"{method} {path} -> {status} is not described"
    content = _response(operation["responses"][str(status)]).get("content", {})
    if not media:
        assert content == {}, f"{method} {path} -> {status} should have a body"
        return
    assert media in content, f"{method} {path} -> {status}: {media} is not described"
    if body is not None:
        _validator(operation["operationId"], status, media).validate(body)


def _operation(method: str, path: str) -> Json | None:
    for pattern, operations in _BY_PATTERN:
        if pattern.match(path) and method.lower() in operations:
            found: Json = operations[method.lower()]
            return found
    return None


def _response(response: Json) -> Json:
    if "$ref" in response:
        return _response(DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]])
    return response


@cache
def _validator(operation_id: str, status: int, media: str) -> jsonschema_rs.Draft202012Validator:
    operation = next(
        operation
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        if operation["operationId"] == operation_id
    )
    content = _response(operation["responses"][str(status)])["content"]
    schema = {**_strict(content[media]["schema"]), "components": {"schemas": _STRICT}}
    return jsonschema_rs.Draft202012Validator(schema)
