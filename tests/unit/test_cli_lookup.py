import io
import sys
from pathlib import Path

import pytest

from server.cli.failures import USAGE, CommandFailed
from server.cli.lookup import json_object, pairs


def test_pairs_are_read_up_to_the_first_equals_sign() -> None:
    assert pairs(["tier=gold", "query=a=b", "empty="], "--metadata") == {
        "tier": "gold",
        "query": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("word", ["tier", "=gold", ""])
def test_what_is_no_pair_is_a_matter_of_usage(word: str) -> None:
    with pytest.raises(CommandFailed, match="not of the form KEY=VALUE") as failure:
        pairs([word], "--metadata")

    assert failure.value.code == USAGE


def test_an_object_is_read_as_it_stands_from_a_file_and_from_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "input.json").write_text('{"from": "file"}')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"from": "stdin"}')))

    assert json_object('{"from": "argument"}', "--input") == {"from": "argument"}
    assert json_object(f"@{tmp_path / 'input.json'}", "--input") == {"from": "file"}
    assert json_object("-", "--input") == {"from": "stdin"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "--input: "),
        ("[1]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "--input: "),
        ("@/nowhere/input.json", "No such file"),
    ],
)
def test_what_is_no_object_is_a_matter_of_usage(given: str, said: str) -> None:
    with pytest.raises(CommandFailed, match=said) as failure:
        json_object(given, "--input")

    assert failure.value.code == USAGE
