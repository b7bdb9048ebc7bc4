"""What a command prints for people."""

from functools import partial

import pytest
from rich.console import Console

from server.cli import output
from server.cli.output import say, table

LONG = "word " * 100


def test_a_row_is_one_line_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    say(table("Runs", ["id", ">cost"], [["a", LONG], ["b", "2"]]))

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[0] for line in lines] == ["Runs", "id", "a", "b"]
    assert lines[2].endswith(LONG.rstrip())


def in_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = partial(Console, highlight=False, width=width)
    monkeypatch.setattr(output, "console", terminal)


def test_in_a_terminal_the_last_column_is_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_terminal(monkeypatch, 60)

    say(table("", ["id", "text"], [["a", LONG]]))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= 60


def test_no_id_is_cut_or_folded_in_a_terminal_that_is_too_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_terminal(monkeypatch, 40)
    ids = ["x" * 27, "y" * 27]

    say(table("", ["id", "agent", "text"], [[*ids, LONG]]))

    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ids
