"""A server killed under load keeps what it has promised; `make crash` does so at length."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.crash import audit
from support.crash.audit import Audit
from support.crash.history import History, Row, Slot
from support.crash.rounds import Plan, Run
from tusou.office import Office
from tusou.settings import Settings

KILLS = 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has ended well; its folder is as its last server left it."""
    plan = Plan(
        seed=7,
        services=("same_hq", "similar"),
        pictures=6,
        writers=3,
        calls=20,
        stops=0,
        starting=0,
        moves=0.5,
    )
    run = Run(tmp_path_factory.mktemp("crash") / "data", plan)
    try:
        for _ in range(KILLS):
            assert run.round() == []
        assert run.end() == []
    finally:
        run.close()
    return run


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_kills_and_nothing_is_half_done(finished: Run) -> None:
    assert finished.kills == KILLS
    assert finished.counts["acknowledged"] > KILLS
    assert finished.counts["imports"] > 0
    assert finished.counts["scans asked for"] > 0
    assert any(finished.history.states.values())


DAMAGES = {
    "lacks features": "DELETE FROM words WHERE item_id = (SELECT min(item_id) FROM words)",
    "are not those it had": "UPDATE keypoints SET keypoints = x'00'",
    "is not the one it had": "UPDATE vectors SET vector = zeroblob(length(vector))",
    "pictures and has": "UPDATE libraries SET size = size + 1",
    "foreign_key_check": "UPDATE words SET item_id = 999 WHERE item_id = (SELECT max(item_id) "
    "FROM words)",
    "of packs that no library has": "INSERT INTO vectors SELECT item_id, 'x@1', library_id, vector "
    "FROM vectors",
}


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Iterator[Audit]:
    """An audit of a copy of the folder, which finds nothing wrong there."""
    shutil.copytree(finished.data, tmp_path / "data")
    with Office(Settings.load({}, data=tmp_path / "data")) as office:
        found = Audit(office, finished.stock)
        assert list(found.features(found.rows())) == []
        yield found


@pytest.mark.parametrize("told", DAMAGES)
def test_the_audit_sees_what_is_half_done(copy: Audit, told: str) -> None:
    with closing(sqlite3.connect(copy.office.settings.data / "tusou.db")) as connection:
        connection.execute(DAMAGES[told])
        connection.commit()
    wrong = list(copy.features(copy.rows()))
    assert any(told in line for line in wrong), wrong


def test_the_audit_sees_files_that_are_gone_left_over_or_damaged(
    copy: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_PATIENCE", 0)
    blobs = copy.office.settings.data / "blobs"
    stray = blobs / "00" / f"{'0' * 32}.thumb.7.part"
    stray.parent.mkdir(exist_ok=True)
    stray.touch()
    (wrong,) = copy.files(copy.rows())
    assert f"['{stray.name}'] too many, [] missing" in wrong
    stray.unlink()
    one = next(blobs.glob("*/*.thumb"))
    one.write_bytes(one.read_bytes()[:100])
    (wrong,) = copy.files(copy.rows())
    assert "the thumbnail is not whole" in wrong
    one.unlink()
    (wrong,) = copy.files(copy.rows())
    assert f"[] too many, ['{one.name}'] missing" in wrong


SLOT, OTHER = Slot("similar", 1), Slot("similar", 2)
OLD, NEW = Row("old", (1, 0)), Row("new", (2, 0))


def _history() -> History:
    return History({SLOT: OLD, OTHER: OLD})


def test_an_acknowledged_change_that_is_lost_is_told() -> None:
    history = _history()
    with history.change({SLOT: NEW}) as change:
        change.answered = True
    (wrong,) = history.resolve({SLOT: OLD, OTHER: OLD})
    assert wrong.startswith(f"{SLOT} was left as {NEW}")
    (wrong,) = _history().resolve({SLOT: None, OTHER: OLD})
    assert wrong.startswith(f"{SLOT} was left as {OLD}")


def test_an_unanswered_change_may_be_made_or_not_but_not_in_part() -> None:
    for found in ({SLOT: OLD, OTHER: OLD}, {SLOT: None, OTHER: None}):
        history = _history()
        with history.change({SLOT: None, OTHER: None}):
            pass
        assert history.resolve(found) == []
        assert history.states == found
    history = _history()
    with history.change({SLOT: None, OTHER: None}):
        pass
    (wrong,) = history.resolve({SLOT: None, OTHER: OLD})
    assert wrong.startswith("half done")
