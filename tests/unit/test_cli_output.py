"""What a command prints for people."""

import pytest

from server.cli.output import say, table

LONG = "word " * 100


def test_a_row_is_one_line_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    say(table("Runs", ["id", ">cost"], [["a", LONG], ["b", "2"]]))

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[0] for line in lines] == ["Runs", "id", "a", "b"]
    assert lines[2].endswith(LONG.rstrip())
