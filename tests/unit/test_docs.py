"""The documentation says what the code does: what can be compared is compared."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.errors import LedgerError
from ledger.mapper import EVENTS
from projections.errors import InvalidQuery
from scripts import docs
from scripts.describe import api, events, modules
from server.api.catalog import ROUTES
from server.cli import app
from server.errors import STATUS, RequestError
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NEVER_ON_THE_WIRE = {"ledger_error", "database_in_use"}
BY_HTTP_ITSELF = {"method_not_allowed": 405, "internal_error": 500}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def fenced(language: str) -> Iterator[str]:
    for path in WRITTEN:
        yield from re.findall(
            rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    kept = ("".join(c for c in each.lower() if c.isalnum() or c in " _-") for each in headings)
    return {each.replace(" ", "-") for each in kept}


def errors_on_the_wire() -> dict[str, int]:
    """Every code a class of ours has, with its status; faults answer as internal errors."""
    found = dict(BY_HTTP_ITSELF)
    families: list[type[Exception]] = [LedgerError, RequestError, InvalidQuery]
    while families:
        family = families.pop()
        families += family.__subclasses__()
        status = next((STATUS[each] for each in family.__mro__ if each in STATUS), None)
        code = getattr(family, "code", "")
        if status is not None and code not in NEVER_ON_THE_WIRE:
            found[code] = int(status)
    return found


@pytest.mark.parametrize("name", sorted({*docs.PARTS, *docs.FILES}))
def test_the_generated_parts_are_what_make_docs_would_write(name: str) -> None:
    assert text_of(name) == docs.documents()[name], "run `make docs`"


def test_every_route_is_documented() -> None:
    written = text_of("docs/api.md")

    names = {f"{each.method} {each.path}" for each in ROUTES}

    assert {each.name for each in api.operations()} >= names
    assert [each.name for each in api.operations() if f"`{each.name}`" not in written] == []


def test_every_topic_is_documented() -> None:
    written = text_of("docs/events.md")

    assert [topic for topic in EVENTS if f"#### `{topic}`" not in written] == []


def test_every_setting_is_documented() -> None:
    written = text_of("docs/operations.md")

    names = [f"LEDGER_{name.upper()}" for name in Settings.model_fields]

    assert [name for name in names if f"| `{name}` |" not in written] == []


def test_every_error_is_documented_with_its_status_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text_of("docs/api.md"), re.MULTILINE)

    assert {code: int(status) for code, status in rows} == errors_on_the_wire()
    assert all(HTTPStatus(int(status)) for _, status in rows)


def test_every_frame_is_documented_and_no_other() -> None:
    table = re.search(r"\| frame \|.*?\n\n", text_of("docs/api.md"), re.DOTALL)
    assert table is not None

    names = set(re.findall(r"^\| `(\w+)` \|", table[0], re.MULTILINE))

    assert names == {events.frame_name(event) for event in EVENTS.values()} - {""}


@pytest.mark.parametrize("package", modules.PACKAGES)
def test_every_module_is_on_the_map(package: str) -> None:
    written = text_of("ARCHITECTURE.md")

    names = [modules.name_of(each) for each in modules.modules(package)]

    assert [n for n in names if not n.startswith("__init__") and f"| `{n}` |" not in written] == []


def test_every_test_that_a_document_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text_of("ARCHITECTURE.md"))

    assert named
    assert [(p, n) for p, n in named if f"def {n}(" not in text_of(p)] == []


def test_every_decision_is_in_the_index() -> None:
    index = text_of("docs/adr/README.md")

    records = sorted((ROOT / "docs" / "adr").glob("0*.md"))

    assert [each.name for each in records if f"({each.name})" not in index] == []


@pytest.mark.parametrize("path", WRITTEN, ids=relative)
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        file, _, anchor = target.partition("#")
        if "://" in file:
            continue
        place = (path.parent / file).resolve() if file else path
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(target)

    assert broken == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):.*## ", text_of("Makefile"), re.MULTILINE))
    named = {
        each
        for path in WRITTEN
        for each in re.findall(r"(?:^|`)make ([a-z0-9]+)", path.read_text("utf-8"), re.MULTILINE)
    }

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_every_command_that_a_document_shows_exists() -> None:
    shown = [line for block in fenced("shell") for line in block.splitlines()]
    commands = [each.split()[1:] for each in shown if each.startswith("execution-ledger ")]

    asked = [CliRunner().invoke(app, [*words, "--help"]).exit_code for words in commands]

    assert commands
    assert [words for words, code in zip(commands, asked, strict=True) if code] == []
