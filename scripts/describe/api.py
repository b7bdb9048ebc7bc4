"""Every route and every object of the wire, made of the OpenAPI document."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from scripts.describe.markdown import code, paragraph, table
from server.api.catalog import ROUTES
from server.openapi import document

Json = dict[str, Any]
_HIDDEN_TAGS = frozenset({"docs"})
_SHARED = frozenset({"UsageReport"})  # the body of a request, and a part of others
_MANY = 10


class Operation(NamedTuple):
    """One method on one path, as the document has it."""

    method: str
    path: str
    said: Json

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.method} {self.path}"

    @property
    def tag(self) -> str:
        """Under which it is listed."""
        return str(self.said["tags"][0])

    @property
    def permission(self) -> str:
        """What the caller's role must include."""
        return str(self.said.get("x-permission", "none"))


@cache
def described() -> Json:
    """The OpenAPI document."""
    return document(ROUTES)


def operations() -> list[Operation]:
    """Every operation, in the order in which routes are listed."""
    return [
        Operation(method.upper(), path, said)
        for path, methods in described()["paths"].items()
        for method, said in methods.items()
    ]


def overview() -> str:
    """A table per tag: what there is, and what it needs."""
    parts = []
    for tag in dict.fromkeys(each.tag for each in operations()):
        rows = [
            (f"[{code(each.name)}](#{_anchor(each.name)})", each.said["summary"], each.permission)
            if tag not in _HIDDEN_TAGS
            else (code(each.name), each.said["summary"], each.permission)
            for each in operations()
            if each.tag == tag
        ]
        head = ("route", "what for", "permission")
        parts.append(f"**{tag}**\n\n{table(head, rows)}")
    return "\n\n".join(parts)


def reference() -> str:
    """A section per operation: what it takes and what it gives."""
    queries: dict[str, str] = {}
    sections = []
    for operation in operations():
        if operation.tag in _HIDDEN_TAGS:
            continue
        query = _query(operation)
        same = queries.setdefault(query, operation.name)
        if same != operation.name and query.count("\n") > _MANY:
            query = f"Query: that of [{code(same)}](#{_anchor(same)})."
        sections.append("\n\n".join(_section(operation, query)))
    return "\n\n".join(sections)


def objects() -> str:
    """A section per object of the wire that is not itself the body of a request."""
    bodies = {_body_name(each) for each in operations()}
    return "\n\n".join(
        "\n\n".join(_object(name, schema))
        for name, schema in described()["components"]["schemas"].items()
        if name not in bodies or name in _SHARED
    )


def _section(operation: Operation, query: str) -> Iterator[str]:
    said = operation.said
    yield f"### {operation.name}"
    yield paragraph(said["description"])
    if query:
        yield query
    if "requestBody" in said:
        yield from _body(said["requestBody"]["content"])
    yield f"Answers {_answers(said['responses'])}. Permission: {operation.permission}."


def _query(operation: Operation) -> str:
    asked = [each for each in operation.said["parameters"] if each.get("in") == "query"]
    rows = [_row(each["name"], each["schema"], each.get("description")) for each in asked]
    return _table("query", rows) if rows else ""


def _body_name(operation: Operation) -> str | None:
    content = operation.said.get("requestBody", {}).get("content", {})
    return _reference(content.get("application/json", {}).get("schema"))


def _table(what: str, rows: list[tuple[str, str, str]]) -> str:
    """A table of names and types, with meanings where there is any."""
    if any(meaning for _, _, meaning in rows):
        return table((what, "type", "meaning"), rows)
    return table((what, "type"), [row[:2] for row in rows])


def _body(content: Mapping[str, Json]) -> Iterator[str]:
    media = ", ".join(code(each) for each in content)
    schema = content["application/json"]["schema"]
    name = _reference(schema)
    if name is not None:
        schema = described()["components"]["schemas"][name]
    if rows := list(_fields(schema)):
        yield f"Body, {media}:"
        yield _table("field", rows)
    elif schema.get("type") == "object":
        yield f"Body, {media}: an empty object, or none."
    else:
        yield f"Body, {media}: {word_of(schema)}."


def _answers(responses: Mapping[str, Json]) -> str:
    status, said = next(iter(responses.items()))
    words = []
    for media, content in said.get("content", {}).items():
        words.append(_answer(content["schema"]) if media.endswith("json") else code(media))
    return f"{status}: {' or '.join(words)}" if words else f"{status}, without a body"


def _answer(schema: Json) -> str:
    data = schema.get("properties", {}).get("data")
    if data is None:
        return word_of(schema)
    if "meta" in schema["properties"]:
        return f"a page of {word_of(data['items'])}"
    return word_of(data)


def _object(name: str, schema: Json) -> Iterator[str]:
    yield f"### {name}"
    if "description" in schema:
        yield paragraph(schema["description"])
    rows = list(_fields(schema))
    yield _table("field", rows) if rows else f"{word_of(schema)}."


def _fields(schema: Json) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        must = name in required and "default" not in field
        yield _row(name, field, field.get("description"), required=must)


def _row(
    name: str, schema: Json, meaning: str | None, *, required: bool = False
) -> tuple[str, str, str]:
    default = schema.get("default")
    said = [paragraph(meaning)] if meaning else []
    if default not in (None, {}, [], ""):
        said.append(f"Default {code(_literal(default))}.")
    star = " *" if required else ""
    return f"{code(name)}{star}", word_of(schema), " ".join(said)


def word_of(schema: Any) -> str:
    """A JSON Schema in a few words."""
    if not schema or schema is True:
        return "any JSON"
    name = _reference(schema)
    if name is not None:
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(word_of(each) for each in schema[key]))
    if "const" in schema:
        return code(_literal(schema["const"]))
    if "enum" in schema:
        return " or ".join(code(_literal(each)) for each in schema["enum"])
    return _plain(schema)


def _plain(schema: Json) -> str:
    kind = schema.get("type")
    if kind == "array":
        item = word_of(schema.get("items", {}))
        return f"list of ({item})" if " or " in item else f"list of {item}"
    if kind == "string":
        formats = {"date-time": "time", "date": "date"}
        return formats.get(schema.get("format", ""), "text")
    return {"boolean": "true or false", None: "any JSON"}.get(kind, str(kind))


def _reference(schema: Any) -> str | None:
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    return None if reference is None else str(reference).rpartition("/")[2]


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _anchor(heading: str) -> str:
    """How a heading is linked to: as GitHub makes anchors."""
    kept = (each for each in heading.lower() if each.isalnum() or each in " _-")
    return "".join(kept).replace(" ", "-")
