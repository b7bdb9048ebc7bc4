"""The rules of the house that no other tool checks."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LOCKS = sorted((ROOT / "locks").glob("*.txt"))

MODULE_LINES = 300
FUNCTION_LINES = 40


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("module", MODULES, ids=relative)
def test_a_module_fits_in_three_hundred_lines(module: Path) -> None:
    assert len(module.read_text("utf-8").splitlines()) <= MODULE_LINES


def lines_of(function: Function) -> int:
    """What a function does, in lines: neither its signature nor its docstring counts."""
    body = function.body
    has_docstring = ast.get_docstring(function) is not None
    first = body[1] if has_docstring and len(body) > 1 else body[0]
    return (function.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("module", MODULES, ids=relative)
def test_a_function_fits_in_forty_lines(module: Path) -> None:
    sizes = [(each.name, lines_of(each)) for each in functions(module)]

    assert [(name, lines) for name, lines in sizes if lines > FUNCTION_LINES] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_promises_its_types(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_changelog_begins_with_this_version_or_with_what_is_unreleased() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    newest = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)[0]

    assert newest in {"Unreleased", PYPROJECT["project"]["version"]}


@pytest.mark.parametrize("lock", LOCKS, ids=relative)
def test_a_lock_names_no_host_and_no_directory_of_a_machine(lock: Path) -> None:
    place = re.compile(r"://|--(?:extra-)?index|--find-links|\.(?:org|com|io|net)\b|\s[/~]")

    assert [line for line in lock.read_text("utf-8").splitlines() if place.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=relative)
def test_a_lock_gives_every_requirement_a_hash(lock: Path) -> None:
    requirements = re.findall(r"^\w.*==(?:.*\\\n)*.*", lock.read_text("utf-8"), re.MULTILINE)

    assert requirements
    assert [each for each in requirements if "--hash=sha256:" not in each] == []


def test_every_runtime_dependency_has_its_reason_on_record() -> None:
    reasons = (ROOT / "docs" / "adr" / "0009-dependencies.md").read_text("utf-8").lower()
    names = [re.split(r"[\[<>=]", each)[0] for each in PYPROJECT["project"]["dependencies"]]

    assert [name for name in names if f"**{name.lower()}**" not in reasons] == []
