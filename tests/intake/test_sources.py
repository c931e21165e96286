"""Folders, manifests and archives as lists of pictures."""

import gzip
import io
import json
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from tusou.intake.sources import Entry, Source, open_source, open_upload


def everything(source: Source) -> list[Entry]:
    return list(source.entries(lambda _: False))


def data_of(entry: Entry) -> bytes:
    assert entry.read is not None
    return entry.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "书").mkdir(parents=True)
    (folder / ".cache").mkdir()
    for name in ("b.jpg", "a.PNG", "书/c.jpeg", "notes.txt", "._b.jpg", ".cache/d.jpg"):
        (folder / name).write_bytes(name.encode())
    return folder


def archive(path: Path, folder: Path) -> Path:
    with tarfile.open(path, "w") as file:
        file.add(folder, "pictures")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def test_a_folder_gives_its_pictures_in_order_and_leaves_hidden_ones_out(folder: Path) -> None:
    source = open_source(folder)
    assert [entry.name for entry in everything(source)] == ["a.PNG", "b.jpg", "书/c.jpeg"]
    assert source.count() == 3
    assert [data_of(entry) for entry in everything(source)][1] == b"b.jpg"


def test_no_more_of_a_file_is_read_than_shows_that_it_is_too_large(folder: Path) -> None:
    (folder / "a.PNG").write_bytes(bytes(5 << 20))
    assert len(data_of(everything(open_source(folder))[0])) == (4 << 20) + 1


@pytest.mark.parametrize(("name", "count"), [("p.tar", 3), ("p.tar.gz", None)])
def test_an_archive_gives_its_pictures(
    folder: Path, tmp_path: Path, name: str, count: int | None
) -> None:
    source = open_source(archive(tmp_path / name, folder))
    assert source.count() == count
    found = {entry.name: data_of(entry) for entry in everything(source)}
    assert found == {f"pictures/{name}": name.encode() for name in ("a.PNG", "b.jpg", "书/c.jpeg")}


def test_an_archive_that_is_cut_short_gives_what_comes_before(folder: Path, tmp_path: Path) -> None:
    (folder / "z.jpg").write_bytes(bytes(100_000))
    path = archive(tmp_path / "p.tar", folder)
    path.write_bytes(path.read_bytes()[:-60_000])
    given = []
    with pytest.raises(ValueError, match="cannot be read any further"):
        for entry in open_source(path).entries(lambda _: False):
            given.append(entry.name)
    assert "pictures/b.jpg" in given


def test_a_manifest_gives_paths_addresses_briefs_and_classes(folder: Path) -> None:
    rows = [
        {"file": "a.PNG", "brief": {"id": 1, "名": "甲"}, "tags": [100, 11]},
        {"url": "http://example.com/x.jpg", "tags": 7, "title": "x"},
    ]
    lines = [json.dumps(row) for row in rows]
    (folder / "m.jsonl").write_text("\n".join([*lines, "{broken", "[1]", '{"brief": "b"}', ""]))
    (folder / "m.csv").write_text("file,brief,class_id1\nb.jpg,乙,5\n", "utf-8-sig")
    first, second, *broken = everything(open_source(folder / "m.jsonl"))
    assert (first.name, data_of(first)) == ("a.PNG", b"a.PNG")
    assert first.row == {"brief": '{"id": 1, "名": "甲"}', "tags": "100,11"}
    assert (second.name, second.read) == ("http://example.com/x.jpg", None)
    assert second.row == {"tags": "7", "title": "x"}
    assert [entry.name for entry in broken] == [f"m.jsonl, row {row}" for row in (3, 4, 5)]
    for entry in broken:
        with pytest.raises(ValueError, match=r"the row is|it has no"):
            data_of(entry)
    (only,) = everything(open_source(folder / "m.csv"))
    assert (only.name, only.row) == ("b.jpg", {"brief": "乙", "class_id1": "5"})


def test_a_manifest_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "m.csv").write_bytes("file,brief\nb.jpg,中文\n".encode("gbk"))
    with pytest.raises(ValueError, match="not UTF-8"):
        open_source(folder / "m.csv").count()


def test_a_file_that_is_missing_fails_when_it_is_read(folder: Path) -> None:
    (folder / "m.csv").write_text("file\nnothing.jpg\n")
    (entry,) = everything(open_source(folder / "m.csv"))
    with pytest.raises(FileNotFoundError):
        data_of(entry)


def test_a_changed_file_or_row_is_another_entry(folder: Path) -> None:
    def keys() -> list[str]:
        return [entry.key for entry in everything(open_source(folder))]

    before = keys()
    assert keys() == before
    (folder / "b.jpg").write_bytes(b"longer than before")
    assert [new == old for new, old in zip(keys(), before, strict=True)] == [True, False, True]
    assert Entry("a", None).key != Entry("a", None, row={"brief": "b"}).key


def test_what_is_no_source_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="none of"):
        open_source(folder / "notes.txt")
    with pytest.raises(FileNotFoundError):
        open_source(folder / "nothing.tar")


def test_members_that_are_no_files_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "p.tar"
    with tarfile.open(path, "w") as file:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
        real = tarfile.TarInfo("real.jpg")
        real.size = 3
        file.addfile(real, io.BytesIO(b"abc"))
    assert [entry.name for entry in everything(open_source(path))] == ["real.jpg"]


def test_an_archive_that_was_sent_unpacks_to_no_more_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "sent"
    with tarfile.open(path, "w:gz") as archive:
        for name, size in (("a.jpg", 10), ("b.bin", 50_000_000), ("c.jpg", 10)):
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(size)))
    assert path.stat().st_size < 100_000
    found = list[str]()
    with pytest.raises(ValueError, match="more than 1000000 bytes"):
        for entry in open_upload(path, "archive", 1_000_000).entries(lambda _: False):
            found.append(entry.name)
    assert found == ["a.jpg"]
    whole = open_upload(path, "archive").entries(lambda _: False)
    assert [entry.name for entry in whole] == ["a.jpg", "c.jpg"]


def test_rows_that_were_sent_name_no_files_and_may_not_be_endless(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    path = tmp_path / "sent"
    rows = [{"file": "secret.jpg"}, {"image": "data:image/png;base64,aGk="}, {"image": "?"}]
    endless = json.dumps({"url": "http://example.com/" + "x" * (9 << 20)})
    path.write_text("\n".join([*map(json.dumps, rows), endless, '{"url": "http://a"}']), "utf-8")
    entries = list(open_upload(path, "manifest").entries(lambda _: False))
    assert [entry.name for entry in entries] == ["row 1", "row 2", "row 3", "row 4", "http://a"]
    assert entries[1].read is not None
    assert entries[1].read() == b"hi"
    for entry in (entries[0], entries[2], entries[3]):
        assert entry.read is not None
        with pytest.raises(ValueError, match=r"no image and no url|base64|no JSON object"):
            entry.read()


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """An archive with headers that need not be true."""
    plain = b"".join(
        member.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % 512)
        for member, data in members
    )
    path.write_bytes(gzip.compress(plain + bytes(1024)))
    return path


def header(name: str, kind: bytes, size: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, size
    return made


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_stands_for_much_is_not_unpacked(tmp_path: Path, kind: bytes) -> None:
    size = 64 << 20
    path = packed(tmp_path / "bomb.tgz", (header("a.jpg", kind, size), bytes(size)))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="header of the archive is too large"):
            everything(open_source(path))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_picture_that_stands_for_much_is_read_as_far_as_shows_it(tmp_path: Path) -> None:
    size = 32 << 20
    bomb, small = header("bomb.jpg", tarfile.REGTYPE, size), header("s.jpg", tarfile.REGTYPE, 1)
    found = everything(open_source(packed(tmp_path / "p.tgz", (bomb, bytes(size)), (small, b"s"))))
    assert [len(data_of(entry)) for entry in found] == [(4 << 20) + 1, 1]


def test_names_that_lead_out_of_an_archive_are_names_only(tmp_path: Path) -> None:
    outside = ("../../out.jpg", "/etc/out.jpg")
    members = [(header(name, tarfile.REGTYPE, 3), b"abc") for name in ("a/b.jpg", "/etc/c.jpg")]
    members += [(header(name, tarfile.SYMTYPE, 0), b"") for name in outside]
    path = packed(tmp_path / "p.tgz", *members)
    before = sorted(tmp_path.rglob("*"))
    assert [data_of(entry) for entry in everything(open_source(path))] == [b"abc", b"abc"]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "m.csv").write_text("file\npipe.jpg\n/dev/zero\n")
    for entry in everything(open_source(folder / "m.csv")):
        with pytest.raises(ValueError, match="no file"):
            data_of(entry)


def test_a_cell_or_line_without_end_is_refused(folder: Path) -> None:
    (folder / "m.csv").write_text("file,brief\na.PNG," + "x" * 200_000)
    with pytest.raises(ValueError, match="no proper CSV"):
        open_source(folder / "m.csv").count()
    (folder / "m.jsonl").write_text("[" * (9 << 20))
    for entry in everything(open_source(folder / "m.jsonl")):
        with pytest.raises(ValueError, match="no JSON object"):
            data_of(entry)
