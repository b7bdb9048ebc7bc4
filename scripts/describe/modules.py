"""The map of the code: every module with the sentence on why it exists."""

import ast
from pathlib import Path

from scripts.describe.markdown import code, table

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "projections", "server", "ledger_client")


def ledger() -> str:
    """The modules of the ledger."""
    return _map("ledger")


def projections() -> str:
    """The modules of the read side."""
    return _map("projections")


def server() -> str:
    """The modules of the server."""
    return _map("server")


def ledger_client() -> str:
    """The modules of the client."""
    return _map("ledger_client")


def modules(package: str) -> list[Path]:
    """Every module of a package, those of its top first."""
    found = (ROOT / package).rglob("*.py")
    return sorted(found, key=lambda path: (len(path.parts), path))


def name_of(module: Path) -> str:
    """A module as the map names it: its path within its package."""
    return module.relative_to(ROOT).as_posix().split("/", 1)[1]


def _map(package: str) -> str:
    said = ((name_of(module), _sentence(module)) for module in modules(package))
    rows = [(code(name), sentence) for name, sentence in said if not name.startswith("__init__")]
    return table(("module", "why it exists"), rows)


def _sentence(module: Path) -> str:
    """The first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    paragraph = " ".join(said.split("\n\n", 1)[0].split())
    return paragraph.split(". ", 1)[0].removesuffix(".")
