from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import commands as c
from ledger.access import LockedOut
from ledger.errors import LimitExceeded, NotFound
from ledger.role import Role
from tests.recording import UMBRELLA, Recording, recording, topics

QUALITY = {"name": "quality", "data_type": "numeric", "categories": [], "description": ""}


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as open_:
        yield open_


# Scores


def test_a_score_is_replaced_by_its_id_and_withdrawn(open_: Recording) -> None:
    id_ = open_.running()
    first = open_.do(c.Score(id_, {"name": "quality", "value": 0.1}))
    assert first.subject is not None

    again = open_.do(c.Score(id_, {"name": "quality", "value": 0.9}, first.subject))
    gone = open_.do(c.RemoveScore(id_, first.subject))

    assert first.subject == again.subject == gone.subject
    assert topics(gone) == ["execution.score_removed.v1"]
    with pytest.raises(NotFound):
        open_.do(c.RemoveScore(id_, first.subject))


def test_an_execution_holds_so_many_scores_and_no_more(
    open_: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.commands.scores.MOST_SCORES", 2)
    id_ = open_.running()
    ids = [open_.do(c.Score(id_, {"name": "quality"})).subject for _ in range(2)]

    with pytest.raises(LimitExceeded):
        open_.do(c.Score(id_, {"name": "quality"}))

    assert open_.do(c.Score(id_, {"name": "quality"}, ids[0])).subject == ids[0]


def test_a_score_configuration_is_made_changed_and_removed(open_: Recording) -> None:
    id_ = open_.do(c.CreateScoreConfig({**QUALITY, "is_active": True})).id

    changed = open_.do(c.ChangeScoreConfig(id_, {"is_active": False}))
    removed = open_.do(c.RemoveScoreConfig(id_))

    assert topics(changed) + topics(removed) == [
        "score_config.changed.v1",
        "score_config.removed.v1",
    ]
    with pytest.raises(NotFound):
        open_.do(c.ChangeScoreConfig(id_, {"is_active": True}))


# Keys of access


def test_a_key_is_revoked_from_where_it_was_made(open_: Recording) -> None:
    id_ = open_.do(c.CreateKey("ci", Role.WORKER, "acme", "d" * 64)).id

    with pytest.raises(NotFound):
        open_.do(c.RevokeKey(id_), UMBRELLA)

    assert topics(open_.do(c.RevokeKey(id_))) == ["key.revoked.v1"]


def test_of_two_keys_that_are_each_others_heirs_one_is_revoked(open_: Recording) -> None:
    first, second = (
        open_.do(c.CreateKey(name, Role.ADMIN, "*", name * 64)).id for name in ("a", "b")
    )

    assert topics(open_.do(c.RevokeKey(first, heir=second))) == ["key.revoked.v1"]

    with pytest.raises(LockedOut, match="at the same time"):
        open_.do(c.RevokeKey(second, heir=first))
