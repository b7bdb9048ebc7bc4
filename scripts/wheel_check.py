"""Build the wheel and use it as a stranger would: clean environment, empty directory, no source."""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300

OWNERS = """
import sys
from importlib.metadata import packages_distributions

distribution, *packages = sys.argv[1:]
owners = packages_distributions()
for package in packages:
    __import__(package)
    found = owners.get(package)
    if found != [distribution]:
        sys.exit(f"{package} should belong to {distribution} alone, but belongs to {found}")
strangers = {name for name, found in owners.items() if distribution in found} - set(packages)
if strangers:
    sys.exit(f"the wheel brings packages that it should not: {sorted(strangers)}")
"""


def main() -> None:
    """Check the wheel, step by step; the first step that fails ends the program with its status."""
    with tempfile.TemporaryDirectory(prefix="wheel-check-") as directory:
        check(Path(directory), tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
    print("The wheel is good.")


def check(directory: Path, pyproject: dict[str, Any]) -> None:
    """Build, install and use the wheel inside a directory that is thrown away."""
    name = pyproject["project"]["name"]
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    empty = directory / "empty"
    empty.mkdir()

    wheel = build(directory / "dist")
    python = install(wheel, directory / "environment")
    command = python.with_name(name)

    step(f"Asking who owns {', '.join(packages)}")
    run(python, "-I", "-c", OWNERS, name, *packages, cwd=empty)
    step(f"Running {name} --help")
    run(command, "--help", cwd=empty, quiet=True)
    step(f"Running {name} demo --once")
    run(command, "demo", "--once", cwd=empty)


def build(directory: Path) -> Path:
    """Build the wheel with the locked build tools of this environment."""
    step("Building the wheel")
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory)
    run(*command, cwd=ROOT, quiet=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def install(wheel: Path, directory: Path) -> Path:
    """Install the locked dependencies and the wheel; returns the new environment's Python."""
    step("Making a clean environment")
    run(sys.executable, "-m", "venv", directory, cwd=ROOT)
    python = directory / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")

    step(f"Installing locks/run.txt and {wheel.name}")
    run(*pip, "--require-hashes", "-r", ROOT / "locks" / "run.txt", cwd=ROOT)
    run(*pip, "--no-deps", wheel, cwd=ROOT)
    run(python, "-m", "pip", "--disable-pip-version-check", "check", cwd=ROOT)
    return python


def run(*command: str | Path, cwd: Path, quiet: bool = False) -> None:
    """Run a command that must succeed, away from this checkout's settings and import path."""
    foreign = ("LEDGER_", "PYTHON", "VIRTUAL_ENV")
    environment = {key: text for key, text in os.environ.items() if not key.startswith(foreign)}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        print(done.stdout or "", file=sys.stderr)
        sys.exit(f"Failed with status {done.returncode}: {' '.join(map(str, command))}")


def step(what: str) -> None:
    """Say what comes next, before it takes its time."""
    print(what, flush=True)


if __name__ == "__main__":
    main()
