"""From what people type to what the server knows: names to ids, files to JSON, words to pairs."""

import sys
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ledger.ids import is_id
from ledger.strict_json import InvalidJson, decode
from server.cli.connection import Api
from server.cli.failures import REFUSED, USAGE, CommandFailed


async def agent_id(api: Api, name_or_id: str) -> str:
    """The id of an agent, given that or its name."""
    if is_id(name_or_id):
        return name_or_id
    found = (await api.get("/agents", {"name": name_or_id, "status": "active"})).data
    if not found:
        message = f"there is no agent named {name_or_id!r}"
        raise CommandFailed(message, REFUSED)
    id_: str = found[0]["id"]
    return id_


async def version_id(api: Api, agent: str, label_or_id: str) -> str:
    """The id of a version of an agent, given that or its label.

    Raises:
        CommandFailed: there is no version with this label, or there are several.
    """
    if is_id(label_or_id):
        return label_or_id
    found: list[str] = []
    page, has_more = 1, True
    while has_more:
        reply = await api.get(f"/agents/{agent}/versions", {"page": page, "limit": 100})
        found += [each["id"] for each in reply.data if each["version"] == label_or_id]
        has_more = reply.body["meta"]["has_more"]
        page += 1
    if len(found) == 1:
        return found[0]
    message = f"the agent has no version {label_or_id!r}"
    if found:
        ids = ", ".join(found)
        message = f"the agent has {len(found)} versions {label_or_id!r}; give the id of one: {ids}"
    raise CommandFailed(message, REFUSED)


def pairs(given: Iterable[str], option: str) -> dict[str, str]:
    """`KEY=VALUE` words as a mapping."""
    found = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            message = f"{option} {word!r} is not of the form KEY=VALUE"
            raise CommandFailed(message, USAGE)
        found[key] = value
    return found


def moment(day_or_time: str) -> str:
    """A time as the server takes it: a day alone is its beginning, in UTC."""
    return day_or_time if _day(day_or_time) is None else f"{day_or_time}T00:00:00Z"


def end_of(day_or_time: str) -> str:
    """The same for the end of a period: a day alone is in it, to its end."""
    day = _day(day_or_time)
    return day_or_time if day is None else f"{day + timedelta(days=1)}T00:00:00Z"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


async def agent_names(api: Api, ids: Iterable[str]) -> dict[str, str]:
    """The names of agents by their ids, as far as there are any; archived ones too."""
    missing, names, page = set(ids), dict[str, str](), 1
    while missing:
        reply = await api.get("/agents", {"page": page, "limit": 100})
        found = {each["id"]: each["name"] for each in reply.data if each["id"] in missing}
        names |= found
        missing -= found.keys()
        if not reply.body["meta"]["has_more"]:
            break
        page += 1
    return names


def json_object(given: str, option: str) -> dict[str, Any]:
    """A JSON object: as it stands, from a file (`@PATH`), or from stdin (`-`)."""
    try:
        value = decode(_text_of(given))
    except OSError as error:
        message = f"{option}: {error.strerror}: {given[1:]}"
        raise CommandFailed(message, USAGE) from None
    except InvalidJson as error:
        message = f"{option}: this is not JSON: {error}"
        raise CommandFailed(message, USAGE) from None
    if not isinstance(value, dict):
        message = f"{option}: not a JSON object"
        raise CommandFailed(message, USAGE)
    return value


def _text_of(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    if given.startswith("@"):
        return Path(given[1:]).read_bytes()
    return given.encode()
