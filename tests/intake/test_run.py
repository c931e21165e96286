"""Runs over a source: what fails, what stops, what is tried again, what is not done twice."""

import io
import json
import threading
from pathlib import Path

import pytest

from tusou.errors import Problem, TusouError
from tusou.intake.briefs import DEFAULT, template
from tusou.intake.journal import Journal
from tusou.intake.progress import Progress, duration
from tusou.intake.run import Fields, Import, Plan
from tusou.intake.sources import Source, open_source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.jpg").write_bytes(b"%d" % number)
    return open_source(folder)


class Shelf:
    """Takes pictures, and raises what it is told to raise at some of them."""

    def __init__(self, problems: dict[bytes, list[Exception]] | None = None) -> None:
        self.taken: list[Fields] = []
        self._problems = problems or {}
        self._lock = threading.Lock()

    def add(self, fields: Fields) -> None:
        image = fields["image"]
        assert isinstance(image, bytes)
        with self._lock:
            if waiting := self._problems.get(image):
                raise waiting.pop(0)
            if any(row["image"] == image for row in self.taken):
                raise TusouError(Problem.ITEM_EXISTS)
            self.taken.append(fields)


def run(
    source: Source, shelf: Shelf, journal: Journal, patience: float = 5
) -> tuple[Progress, list[dict[str, str]]]:
    errors = io.StringIO()
    progress = Progress(source.count(), len(journal), errors, screen=None)
    plan = Plan(template(DEFAULT), {"tags": "7"}, threads=4, patience=patience)
    Import(shelf.add, journal, progress, plan).run(source)
    return progress, [json.loads(line) for line in errors.getvalue().splitlines()]


def test_everything_is_brought_in_once(source: Source, tmp_path: Path) -> None:
    shelf = Shelf()
    with Journal(tmp_path / "j") as journal:
        progress, _ = run(source, shelf, journal)
    assert progress.counts == {"added": 20, "there": 0, "failed": 0}
    assert sorted(str(row["brief"]) for row in shelf.taken) == [f"{n:02}.jpg" for n in range(20)]
    assert {row["tags"] for row in shelf.taken} == {"7"}
    with Journal(tmp_path / "j") as journal:  # the same again has nothing to do
        assert run(source, shelf, journal)[0].done == 0
    with Journal(tmp_path / "new") as journal:  # without the journal, it is all there
        assert run(source, shelf, journal)[0].counts["there"] == 20
    assert len(shelf.taken) == 20


def test_what_fails_is_reported_and_stops_nothing(source: Source, tmp_path: Path) -> None:
    shelf = Shelf(
        {
            b"3": [TusouError(Problem.IMAGE_FORMAT, "cut short")],
            b"5": [RuntimeError("a bug")],
            b"7": [OSError(5, "Input/output error")],
        }
    )
    with Journal(tmp_path / "j") as journal:
        progress, errors = run(source, shelf, journal)
        assert progress.counts == {"added": 17, "there": 0, "failed": 3}
        assert sorted((row["picture"], row["reason"]) for row in errors) == [
            ("03.jpg", "image format error: cut short"),
            ("05.jpg", "RuntimeError: a bug"),
            ("07.jpg", "Input/output error"),
        ]
    with Journal(tmp_path / "j") as journal:  # those three only are tried again
        assert run(source, shelf, journal)[0].counts == {"added": 3, "there": 0, "failed": 0}


def test_a_busy_or_absent_server_is_waited_for(source: Source, tmp_path: Path) -> None:
    shelf = Shelf({b"1": [TusouError(Problem.OVERLOADED)], b"2": [ConnectionError("gone")]})
    with Journal(tmp_path / "j") as journal:
        assert run(source, shelf, journal)[0].counts["added"] == 20


@pytest.mark.parametrize(
    "error",
    [
        TusouError(Problem.LIBRARY_FULL),
        TusouError(Problem.TOTAL_LIMIT),
        TusouError(Problem.OVERLOADED, "for too long"),
        ConnectionError("gone for good"),
    ],
)
def test_what_every_picture_would_meet_ends_the_run(
    source: Source, tmp_path: Path, error: Exception
) -> None:
    shelf = Shelf({b"4": [error]})
    with Journal(tmp_path / "j") as journal:
        with pytest.raises(type(error)):
            run(source, shelf, journal, patience=0)
        assert 0 < len(shelf.taken) < 20
    with Journal(tmp_path / "j") as journal:  # and the next goes on from there
        run(source, shelf, journal)
    assert len(shelf.taken) == 20


def test_a_journal_loses_its_torn_end_only(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path) as journal:
        for letter in "ab":
            journal.note(letter * 32)
    path.write_bytes(path.read_bytes() + b"c" * 20)
    with Journal(path) as journal:
        assert ("a" * 32 in journal, "b" * 32 in journal, len(journal)) == (True, True, 2)
        journal.note("d" * 32)
        with pytest.raises(RuntimeError, match="running already"):
            Journal(path)
    with Journal(path) as journal:
        assert "d" * 32 in journal
        journal.forget()
        assert len(journal) == 0


def test_the_line_shows_rate_and_remaining_time() -> None:
    now = [0.0]
    screen = io.StringIO()
    progress = Progress(1000, 100, io.StringIO(), screen, lambda: now[0])
    for _ in range(80):
        now[0] += 0.25
        progress.note("added")
    first, last = screen.getvalue().splitlines()
    assert first == "140 of 1,000  14 %  4.0/s  3m35s left"
    assert last == "180 of 1,000  18 %  4.0/s  3m25s left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.4, "59s"), (100, "1m40s"), (7500, "2h05m")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
