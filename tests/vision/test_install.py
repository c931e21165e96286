"""Adding model packs: they are tried out and taken in whole, or refused and nothing is left."""

import zipfile
from pathlib import Path

import pytest

from support.hub import COMMIT, Hub
from support.models import make_pack
from tusou.vision import install
from tusou.vision.shelf import Shelf

NOWHERE = "http://127.0.0.1:9"  # the port of `discard`, where nobody listens


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "packs")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _ids(shelf: Shelf) -> list[str]:
    return [pack.id for pack in shelf.packs() if shelf.is_added(pack)]


def _refused(shelf: Shelf, source: object, message: str, hub: str = NOWHERE, **most: int) -> None:
    """The source is refused in these words, and nothing of it is left."""
    before = _ids(shelf)
    with pytest.raises(ValueError, match=message):
        install.add(str(source), shelf, hub, **most)
    assert _ids(shelf) == before
    assert sorted(file.name for file in shelf.folder.iterdir()) == before


def _wheel(path: Path, *folders: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some-1.dist-info/METADATA", "Name: some\n")
        for folder in folders:
            for file in folder.iterdir():
                archive.write(file, f"some/models/{folder.name}/{file.name}")
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_folder_becomes_a_pack_of_its_own_files(shelf: Shelf, tmp_path: Path) -> None:
    source = make_pack(tmp_path / "source")
    (source / "weights.bin").write_bytes(b"not the pack's")
    (pack,) = install.add(str(source), shelf, NOWHERE)
    assert (pack.id, pack.folder) == ("tiny@1", shelf.folder / "tiny@1")
    assert set(_files(pack.folder)) == {"pack.toml", "tiny.onnx", "CARD.md"}
    assert pack.card == "# tiny\n\nMade by the tests.\n"
    assert shelf.find("tiny") == shelf.find("tiny@1") == pack


def test_all_packs_of_a_wheel_are_added(shelf: Shelf, tmp_path: Path) -> None:
    folders = [make_pack(tmp_path / name, name, seed=seed) for seed, name in enumerate("ab")]
    wheel = _wheel(tmp_path / "some-1-py3-none-any.whl", *folders)
    assert [pack.id for pack in install.add(str(wheel), shelf, NOWHERE)] == ["a@1", "b@1"]
    assert [_files(shelf.find(name).folder) for name in "ab"] == list(map(_files, folders))


def test_a_wheel_with_one_pack_that_is_no_good_adds_none(shelf: Shelf, tmp_path: Path) -> None:
    good, bad = make_pack(tmp_path / "a", "a"), make_pack(tmp_path / "b", "b", unit=False)
    _refused(shelf, _wheel(tmp_path / "some.whl", good, bad), "b@1: vectors should have length 1")


def test_a_hub_gives_a_pack_and_only_its_files_are_asked_for(shelf: Shelf, tmp_path: Path) -> None:
    files = _files(make_pack(tmp_path / "source"))
    with Hub({"some/tiny": {**files, "pytorch_model.bin": b"x" * 1000}}) as hub:
        (pack,) = install.add("hf:some/tiny@v2", shelf, hub.url)
        asked = hub.paths
    assert _files(pack.folder) == files
    assert asked[0] == "/api/models/some/tiny/revision/v2?blobs=true"
    # All files are of the commit that the list names, though the branch may move on.
    assert {path for path in asked if "resolve" in path} == {
        f"/some/tiny/resolve/{COMMIT}/{name}" for name in files
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf:some/tiny@gone", "404"),
        ("hf:some/other", "404"),
        ("hf:some/plain", r"no model pack: it has no pack\.toml"),
        ("hf:some/empty", r"no model pack: it has no tiny\.onnx"),
        ("hf:some/damaged", "came damaged"),
        ("hf:tiny", "is not hf:OWNER/REPO"),
        ("hf:some/tiny/more", "is not hf:OWNER/REPO"),
        ("hf:some/tiny@a?b", "is not hf:OWNER/REPO"),
    ],
)
def test_what_a_hub_does_not_have_is_told(
    shelf: Shelf, tmp_path: Path, source: str, message: str
) -> None:
    files = _files(make_pack(tmp_path / "source"))
    lacking = {name: data for name, data in files.items() if name != "tiny.onnx"}
    odd = {**lacking, "odd.onnx": b"x"}
    odd["pack.toml"] = odd["pack.toml"].replace(b"tiny.onnx", b"odd.onnx")
    repositories = {"tiny": files, "plain": {"a.bin": b""}, "empty": lacking, "damaged": odd}
    with Hub({f"some/{name}": files for name, files in repositories.items()}) as hub:
        hub.digests["odd.onnx"] = "0" * 64
        _refused(shelf, source, message, hub.url)


def test_a_hub_that_cannot_be_reached_or_makes_no_sense_is_told(shelf: Shelf) -> None:
    _refused(shelf, "hf:some/tiny", f"cannot be had from {NOWHERE}")
    with Hub({"some/tiny": {}}) as hub:
        hub.answer = lambda path: (200, {}, b"<html>")  # type: ignore[method-assign]
        _refused(shelf, "hf:some/tiny", "is not understood", hub.url)


def test_a_pack_may_not_be_larger_than_allowed(shelf: Shelf, tmp_path: Path) -> None:
    source = make_pack(tmp_path / "source")
    size = (source / "tiny.onnx").stat().st_size
    wheel = _wheel(tmp_path / "some.whl", source)
    _refused(shelf, source, "larger than a pack may be", largest=size)
    _refused(shelf, wheel, "larger than a pack may be", largest=size)
    with Hub({"some/tiny": _files(source)}) as hub:
        _refused(shelf, "hf:some/tiny", "larger than it may be", hub.url, largest=size - 1)
        install.add("hf:some/tiny", shelf, hub.url, size)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"tiny.onnx"', '"../source/tiny.onnx"', "is no plain name"),
        ('"tiny.onnx"', '"/etc/passwd"', "is no plain name"),
        ('"tiny.onnx"', '".."', "is no plain name"),
        ('"tiny"', '"../tiny"', "is no plain name"),
        ('"tiny"', '".new-tiny"', "is no plain name"),
        ('version = "1"', 'version = "1/../.."', "is no plain name"),
        ('version = "1"', "version = 1", "is no plain name"),
        ("dimension = 16", "dimension = 17", r"should give \[2 × 17\] numbers, not \[2, 16\]"),
        ("size = 8", "size = 9", "does not work"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_from_everywhere(
    shelf: Shelf, tmp_path: Path, old: str, new: str, message: str
) -> None:
    source = make_pack(tmp_path / "source")
    text = (source / "pack.toml").read_text("utf-8")
    assert old in text
    (source / "pack.toml").write_text(text.replace(old, new), "utf-8")
    _refused(shelf, source, message)
    _refused(shelf, _wheel(tmp_path / "some.whl", source), message)
    with Hub({"some/tiny": _files(source)}) as hub:
        _refused(shelf, "hf:some/tiny", message, hub.url)


def test_a_model_that_is_none_or_a_link_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    source = make_pack(tmp_path / "source")
    model = (source / "tiny.onnx").rename(tmp_path / "elsewhere.onnx")
    _refused(shelf, source, r"there is no tiny\.onnx")
    (source / "tiny.onnx").symlink_to(model)
    _refused(shelf, source, r"there is no tiny\.onnx")
    (source / "tiny.onnx").unlink()
    (source / "tiny.onnx").write_bytes(b"rubbish")
    _refused(shelf, source, "tiny@1 does not work")
    (source / "CARD.md").unlink()
    (source / "CARD.md").symlink_to("/etc/passwd")
    _refused(shelf, source, "is a link")


def test_what_is_no_source_is_told(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    _refused(shelf, tmp_path / "text", "is no folder, no wheel and no hf:")
    _refused(shelf, tmp_path / "gone", "is no folder, no wheel and no hf:")
    _refused(shelf, _wheel(tmp_path / "empty.whl"), "carries no model pack")


def test_a_pack_that_is_there_is_not_replaced(shelf: Shelf, tmp_path: Path) -> None:
    install.add(str(make_pack(tmp_path / "one")), shelf, NOWHERE)
    before = _files(shelf.find("tiny").folder)
    _refused(shelf, make_pack(tmp_path / "two", seed=2), "there is a model pack tiny@1 already")
    assert _files(shelf.find("tiny").folder) == before
    base = shelf.find("base")
    text = (again := make_pack(tmp_path / "three", "base") / "pack.toml").read_text("utf-8")
    again.write_text(text.replace('version = "1"', f'version = "{base.version}"'), "utf-8")
    _refused(shelf, again.parent, f"there is a model pack {base.id}")


def test_a_wheel_with_one_pack_that_is_there_adds_none(shelf: Shelf, tmp_path: Path) -> None:
    there, new = make_pack(tmp_path / "z", "z"), make_pack(tmp_path / "a", "a")
    install.add(str(there), shelf, NOWHERE)
    _refused(shelf, _wheel(tmp_path / "some.whl", new, there), "there is a model pack z@1 already")
    twice = make_pack(tmp_path / "b", "a", seed=2)
    _refused(shelf, _wheel(tmp_path / "twice.whl", new, twice), "there is a model pack a@1 already")
