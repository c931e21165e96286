"""Exports into a folder: broken off and gone on with, files that are not there, other folders."""

import io
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tusou.exports.folder import Export, Piece, Read, opened
from tusou.exports.whole import beside
from tusou.intake.progress import Progress

COUNT = 40


def pieces(count: int = COUNT) -> list[Piece]:
    return [
        Piece(number, "image/jpeg", len(data(number)), True, {"brief": f"b{number}"})
        for number in range(1, count + 1)
    ]


def data(number: int) -> bytes:
    return b"%d" % number * 3


def run(folder: Path, read: Read = data, wanted: Iterable[Piece] = ()) -> tuple[Progress, str]:
    errors = io.StringIO()
    progress = Progress(COUNT, 0, errors, screen=None)
    Export(read, progress, 4).run(wanted or pieces(), folder, "jsonl", ["brief"])
    return progress, errors.getvalue()


def rows(folder: Path) -> list[dict[str, str]]:
    return list(map(json.loads, (folder / "manifest.jsonl").read_text().splitlines()))


def test_the_manifest_names_every_file_in_order(tmp_path: Path) -> None:
    progress, _ = run(tmp_path)
    assert progress.counts == {"added": COUNT, "there": 0, "failed": 0}
    assert [row["brief"] for row in rows(tmp_path)] == [f"b{n}" for n in range(1, COUNT + 1)]
    assert [(tmp_path / row["file"]).read_bytes() for row in rows(tmp_path)] == [
        data(number) for number in range(1, COUNT + 1)
    ]


def test_broken_off_it_leaves_no_manifest_and_goes_on_where_it_was(tmp_path: Path) -> None:
    def breaking(number: int) -> bytes:
        if number == 30:
            raise RuntimeError("the server is gone")
        return data(number)

    with pytest.raises(RuntimeError, match="gone"):
        run(tmp_path, breaking)
    assert not list(tmp_path.glob("manifest*"))
    written = list(tmp_path.rglob("*.jpg"))
    assert 20 <= len(written) < COUNT
    # As a power cut may leave one: it was renamed, but its data had not reached the disk.
    written[0].write_bytes(b"")
    progress, _ = run(tmp_path)
    assert progress.counts["there"] == len(written) - 1
    assert progress.counts["added"] == COUNT - len(written) + 1
    assert len(rows(tmp_path)) == COUNT
    assert not list(tmp_path.rglob("*.part"))


def test_what_was_deleted_meanwhile_is_left_out_and_what_cannot_be_read_is_told(
    tmp_path: Path,
) -> None:
    def read(number: int) -> bytes:
        if number == 3:
            raise KeyError(number)
        if number == 4:
            raise OSError("its file is not in the picture store")
        return data(number)

    wanted = [*pieces(5), Piece(6, "image/png", 9, False, {"brief": "b6"})]
    progress, errors = run(tmp_path, read, wanted)
    assert progress.counts == {"added": 3, "there": 0, "failed": 2}
    assert [row["brief"] for row in rows(tmp_path)] == ["b1", "b2", "b5"]
    # In whichever order: several threads fetch files.
    told = {row["picture"]: row["reason"] for row in map(json.loads, errors.splitlines())}
    assert told == {"4": "its file is not in the picture store", "6": "its file was not kept"}


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "new", "a"):
        pass
    with opened(tmp_path / "new", "a"):
        pass
    with pytest.raises(ValueError, match="another library"), opened(tmp_path / "new", "b"):
        pass
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="not empty"), opened(tmp_path / "full", "a"):
        pass


def test_two_exports_into_one_folder_are_one_too_many(tmp_path: Path) -> None:
    told: list[Exception] = []

    def second() -> None:
        try:
            with opened(tmp_path / "new", "a"):
                pass
        except RuntimeError as error:
            told.append(error)

    with opened(tmp_path / "new", "a"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "is running" in str(told[0])


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_file_is_whole_or_as_it_was(tmp_path: Path, fault: Callable[[], BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(text: str) -> None:
        with beside(path) as part:
            part.write_text(text)
            if text == "new, but":
                raise fault()

    with pytest.raises((RuntimeError, KeyboardInterrupt)):
        write("new, but")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"
    write("new")
    assert path.read_text() == "new"
