"""The OpenAPI 3.1 document, made of the same routes that serve the requests."""

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server.auth import Permission
from server.openapi_parts import ANSWER_HEADERS, DESCRIPTION, ERRORS, HEADERS, STREAM
from server.positions import WRITES
from server.route import Body, LenientBody, Route
from server.schemas.errors import Problem
from server.schemas.filters import ExecutionsQuery
from server.schemas.paging import PageMeta

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]
_REF = "#/components/schemas/{model}"
_VARIABLE = re.compile(r"\{(\w+)(?::[^}]*)?\}")


def document(routes: Sequence[Route]) -> Json:
    """The document of these routes."""
    schemas = _Schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        path = _VARIABLE.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "execution-ledger",
            "version": version("execution-ledger"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": []}, {"Bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "parameters": dict(HEADERS),
            "responses": {_name(status): _error(status) for status in ERRORS},
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


class _Schemas:
    """The JSON Schemas of the models that routes name."""

    def __init__(self, routes: Iterable[Route]) -> None:
        wanted: dict[tuple[type[BaseModel], Mode], None] = {
            (Problem, "serialization"): None,
            (PageMeta, "serialization"): None,
        }
        self._queries: set[type[BaseModel]] = set()
        for route in routes:
            if route.body is not None:
                wanted[route.body, "validation"] = None
            for model in (route.answer, route.verdict):
                if model is not None:
                    wanted[model, "serialization"] = None
            query = _query_of(route)
            if query is not None:
                wanted[query, "validation"] = None
                self._queries.add(query)
        self._refs, self._definitions = models_json_schema(list(wanted), ref_template=_REF)

    def ref(self, model: type[BaseModel], mode: Mode) -> Json:
        """A reference to a model's schema."""
        return dict(self._refs[model, mode])

    def query(self, model: type[BaseModel]) -> Json:
        """The schema of a query, whose properties are parameters."""
        schema: Json = self._definitions["$defs"][self._place(model)]
        return schema

    def components(self) -> Json:
        """All schemas but those of queries, which are parameters."""
        hidden = {self._place(model) for model in self._queries}
        schemas: Json = self._definitions["$defs"]
        return {name: schema for name, schema in sorted(schemas.items()) if name not in hidden}

    def _place(self, model: type[BaseModel]) -> str:
        reference: str = self._refs[model, "validation"]["$ref"]
        return reference.rpartition("/")[2]


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": f"{route.tag}_{route.handle.__name__}_{route.method.lower()}",
        "summary": route.summary,
        "description": inspect.getdoc(route.handle) or route.summary,
        "tags": [route.tag],
        "parameters": [*_in_path(route), *_in_query(route, schemas), *_in_headers(route)],
        "responses": {
            **_success(route, schemas),
            **_verdicts(route, schemas),
            **_failures(route),
        },
    }
    if route.body is not None:
        operation["requestBody"] = _request_body(route, route.body, schemas)
    if route.public:
        operation["security"] = []
    else:
        operation["x-permission"] = route.needs.name.lower()
    return operation


def _in_path(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]


def _query_of(route: Route) -> type[BaseModel] | None:
    """What may be asked; routes that read their query themselves take filters of executions."""
    if route.query is None and route.lenient_query:
        return ExecutionsQuery
    return route.query


def _in_query(route: Route, schemas: _Schemas) -> list[Json]:
    query = _query_of(route)
    if query is None:
        return []
    described = []
    schema = schemas.query(query)
    required = schema.get("required", [])
    for name, given in schema.get("properties", {}).items():
        rest = {key: value for key, value in given.items() if key not in {"title", "description"}}
        parameter = {"name": name, "in": "query", "schema": _without_null(rest)}
        if "description" in given:
            parameter["description"] = given["description"]
        if name in required:
            parameter["required"] = True
        described.append(parameter)
    return described


def _without_null(schema: Json) -> Json:
    """A query says nothing by leaving a parameter out; it cannot say null."""
    if schema.get("default", ...) is None:
        schema = {key: value for key, value in schema.items() if key != "default"}
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}


def _in_headers(route: Route) -> list[Json]:
    if route.public:
        return []
    names = ["Workspace", "Position"]
    if route.method == "GET":
        names.append("MinPosition")
    if route.method in WRITES and route.needs is not Permission.READ:
        names.append("IdempotencyKey")
    if _takes_if_match(route):
        names.append("IfMatch")
    if "{execution_id}" in route.path and route.needs is Permission.RECORD:
        names.append("LeaseToken")
    if route.media == "text/event-stream":
        names.append("LastEventId")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _takes_if_match(route: Route) -> bool:
    about_one = "{execution_id}" in route.path or "{approval_id}" in route.path
    return about_one and route.method in WRITES


def _request_body(route: Route, body: type[BaseModel], schemas: _Schemas) -> Json:
    schema = schemas.ref(body, "validation")
    content: Json = {"application/json": {"schema": schema}}
    if route.raw_body:
        content["application/x-ndjson"] = {
            "schema": {"type": "string", "description": "The same, one JSON object per line."}
        }
    return {"required": _is_required(body), "content": content}


def _is_required(body: type[BaseModel]) -> bool:
    """Whether a body must say anything at all."""
    if not issubclass(body, Body | LenientBody):
        return True
    return any(field.is_required() for field in body.model_fields.values())


def _success(route: Route, schemas: _Schemas) -> Json:
    status = str(int(route.status))
    said = {"headers": ANSWER_HEADERS} if route.method in WRITES else {}
    if route.status is HTTPStatus.NO_CONTENT:
        return {status: {"description": "Done.", **said}}
    answer: Json = {"description": route.summary, **said, "content": {}}
    for media in (route.media, *route.other_media):
        answer["content"][media] = _media(media, route, schemas)
    return {status: answer}


def _verdicts(route: Route, schemas: _Schemas) -> Json:
    """The answer to a body of lines: each line has its verdict, so the whole is a success."""
    if route.verdict is None:
        return {}
    items = {"type": "array", "items": schemas.ref(route.verdict, "serialization")}
    schema = _object({"data": items})
    answer = {"description": "To NDJSON: a verdict for each line.", "headers": ANSWER_HEADERS}
    return {"200": {**answer, "content": {"application/json": {"schema": schema}}}}


def _media(media: str, route: Route, schemas: _Schemas) -> Json:
    if media == "application/json":
        return {"schema": _envelope(route, schemas)}
    text: Json = {"type": "string"}
    if media == "text/event-stream":
        text["description"] = STREAM
    return {"schema": text}


def _envelope(route: Route, schemas: _Schemas) -> Json:
    item: Json = {"type": "object"}
    if route.answer is not None:
        item = schemas.ref(route.answer, "serialization")
    if route.public:
        return item
    if route.many == "one":
        return _object({"data": item})
    items = {"type": "array", "items": item}
    if route.many == "list":
        return _object({"data": items})
    return _object({"data": items, "meta": schemas.ref(PageMeta, "serialization")})


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _failures(route: Route) -> Json:
    if route.public:
        return {}
    statuses = [HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN]
    if _VARIABLE.search(route.path) or route.body is not None:
        statuses.append(HTTPStatus.NOT_FOUND)
    if _takes_if_match(route):
        statuses.append(HTTPStatus.PRECONDITION_FAILED)
    if route.body is not None:
        statuses.append(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    statuses += [
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ]
    return {
        str(int(status)): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses
    }


def _error(status: HTTPStatus) -> Json:
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {
        "description": ERRORS[status],
        "content": {"application/problem+json": {"schema": schema}},
    }


def _name(status: HTTPStatus) -> str:
    return status.phrase.title().replace(" ", "")
