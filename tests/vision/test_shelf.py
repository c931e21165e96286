"""Which pack a name means, and what may be taken away."""

import os
from pathlib import Path

import pytest

from support.models import make_pack
from tusou.vision import packs
from tusou.vision.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "packs")


BUNDLED = [pack.id for pack in packs.bundled().values()]


def put(shelf: Shelf, name: str, version: str) -> None:
    folder = make_pack(shelf.folder / f"{name}@{version}", name)
    text = (folder / "pack.toml").read_text("utf-8")
    (folder / "pack.toml").write_text(text.replace('version = "1"', f'version = "{version}"'))


def test_the_bundled_packs_are_there_before_anything_is_added(shelf: Shelf) -> None:
    assert [pack.id for pack in shelf.packs()] == BUNDLED
    base = packs.bundled()["base"]
    assert shelf.find("base") == shelf.find(base.id) == base


def test_a_name_alone_means_the_bundled_pack_or_the_only_one(shelf: Shelf) -> None:
    put(shelf, "base", "0")
    put(shelf, "tiny", "1")
    assert shelf.find("base") == packs.bundled()["base"]
    assert shelf.find("base@0").id == "base@0"
    assert shelf.find("tiny").id == "tiny@1"
    put(shelf, "tiny", "2")
    with pytest.raises(ValueError, match=r"which model pack tiny\? There are tiny@1, tiny@2"):
        shelf.find("tiny")
    with pytest.raises(ValueError, match=r"no model pack dino; there are .*base@0, tiny@1"):
        shelf.find("dino")


def test_only_added_packs_can_be_removed(shelf: Shelf) -> None:
    put(shelf, "tiny", "1")
    shelf.remove(shelf.find("tiny"))
    assert list(shelf.folder.iterdir()) == []
    with pytest.raises(ValueError, match="came with tusou"):
        shelf.remove(shelf.find("base"))


def test_half_a_pack_that_a_crash_left_is_not_seen_and_is_swept_up_later(shelf: Shelf) -> None:
    left = make_pack(shelf.folder / ".new-abc")
    assert [pack.id for pack in shelf.packs()] == BUNDLED
    with shelf.workspace():
        assert left.exists()  # it may be another command at work
    os.utime(left, (0, 0))
    with shelf.workspace():
        assert not left.exists()


def test_what_is_no_pack_is_passed_over_and_told(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    put(shelf, "tiny", "1")
    broken = make_pack(shelf.folder / "broken@1", "broken")
    (broken / "tiny.onnx").unlink()
    assert [pack.id for pack in shelf.packs()] == [*BUNDLED, "tiny@1"]
    assert "broken@1 is not a model pack: there is no tiny.onnx" in caplog.text
