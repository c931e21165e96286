"""`tusou export` of a library, in process and through its server, and the way back by import."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet
from sqlalchemy import select, update

from support.faults import Faults
from support.pages import programs
from support.pictures import encoded, picture, scene
from support.server import Caller, Server
from tusou.cli import exporting, main
from tusou.client import Client, Picture
from tusou.storage.tables import items, libraries

DOCS = Path(__file__).parents[2] / "docs"
BRIEFS = ['{"id": "1"}', '逗号, 引号 " 和\n换行', " blanks ", "=1+1", "\u2028", "null", "n"]


def tusou(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@dataclass
class Filled:
    """An application with a library of pictures."""

    server: Server
    caller: Caller
    client: Client
    keys: Path
    service: str
    pictures: list[Picture]

    @property
    def here(self) -> tuple[object, ...]:
        """The words that name it in its folder."""
        data = ("--data", self.server.data)
        return "--app", self.caller.app_id, "--service", self.service, *data

    def there(self, address: str = "") -> tuple[object, ...]:
        """The words that name it by its server."""
        host = address or self.server.address
        return "--host", host, "--keys", self.keys, "--service", self.service


Fill = Callable[..., Filled]


@pytest.fixture(scope="module")
def fill(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fill]:
    """Makes empty libraries, each of an application of its own."""
    folder = tmp_path_factory.mktemp("keys")
    clients: list[Client] = []

    def fill(service: str = "similar") -> Filled:
        caller = server.caller(service)
        keys = folder / f"{caller.app_id}.json"
        words = {"api_key": caller.api_key, "secret_key": caller.secret_key}
        keys.write_text(json.dumps({"app_id": str(caller.app_id), **words}))
        clients.append(Client.from_file(keys, server.address))
        return Filled(server, caller, clients[-1], keys, service, [])

    yield fill
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def filled(fill: Fill) -> Filled:
    made = fill()
    classes = [None, (100, 11), (7,), None, None, (65535, 1), None]
    for number, (brief, tags) in enumerate(zip(BRIEFS, classes, strict=True)):
        form = ("JPEG", "PNG", "BMP")[number % 3]
        data = encoded(scene(500 + number, 90, 70), form)
        made.pictures.append(made.client.add("similar", data, brief, tags=tags))
    return made


def told(pictures: list[Picture]) -> list[tuple[Any, ...]]:
    """What an import ought to bring back."""
    return sorted((row.cont_sign, row.brief, row.classes, row.bytes) for row in pictures)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_is_exported_is_imported_unchanged(
    filled: Filled, fill: Fill, tmp_path: Path, form: str
) -> None:
    folder = tmp_path / "out"
    done = tusou("export", folder, *filled.here, "--manifest", form, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"written": len(BRIEFS), "there": 0, "failed": 0}
    again = fill()
    manifest = folder / f"manifest.{form}"
    back = tusou("import", manifest, *again.there(), "--data", tmp_path, "--json")
    assert json.loads(back.stdout)["added"] == len(BRIEFS), back.output
    assert told(list(again.client.pictures("similar"))) == told(filled.pictures)
    for row in again.client.pictures("similar"):
        (same,) = filled.client.pictures("similar", cont_sign=row.cont_sign)
        assert again.client.original("similar", row.id) == filled.client.original(
            "similar", same.id
        )


def test_products_keep_each_class_in_its_field(fill: Fill, tmp_path: Path) -> None:
    shop, copy = fill("product"), fill("product")
    for number, (first, second) in enumerate([(None, 5), (3, 4)]):
        data = picture(520 + number, 320, 310)
        shop.client.add("product", data, "x", class_id1=first, class_id2=second)
    tusou("export", tmp_path / "out", *shop.here, "--manifest", "csv")
    back = tusou("import", tmp_path / "out" / "manifest.csv", *copy.there(), "--data", tmp_path)
    assert back.exit_code == 0, back.output
    found = told(list(copy.client.pictures("product")))
    assert found == told(list(shop.client.pictures("product")))
    assert {row[2] for row in found} == {(0, 5), (3, 4)}


def test_a_server_gives_the_same_as_its_folder(filled: Filled, tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    assert tusou("export", near, *filled.here).exit_code == 0
    assert tusou("export", far, *filled.there()).exit_code == 0
    names = sorted(path.relative_to(near) for path in near.rglob("*.*"))
    assert names == sorted(path.relative_to(far) for path in far.rglob("*.*"))
    for name in names:
        if name.name != "export.json":  # which says where it comes from
            assert (near / name).read_bytes() == (far / name).read_bytes()
    # Another library does not go into the same folder.
    done = tusou("export", near, *filled.there())
    assert (done.exit_code, "another library" in done.output) == (1, True)


def test_killed_on_the_way_it_goes_on(filled: Filled, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with Faults(filled.server.address) as proxy:
        words = ("export", folder, *filled.there(proxy.address), "--threads", 1, "--json")
        # The library, its list, and two files; then nothing more comes.
        proxy.plan += ["pass", "pass", "pass", "pass", "hang"]
        process = subprocess.Popen([sys.executable, "-m", "tusou.cli", *map(str, words)])
        assert proxy.hanging.wait(60)
        process.kill()
        process.wait()
        assert len(list(folder.rglob("pictures/*/*"))) == 2
        assert not (folder / "manifest.jsonl").exists()
        done = tusou(*words)
    assert json.loads(done.stdout) == {"written": len(BRIEFS) - 2, "there": 2, "failed": 0}
    assert len((folder / "manifest.jsonl").read_text().split("\n")) == len(BRIEFS) + 1


def test_a_file_that_is_not_there_is_told_and_the_rest_comes(
    fill: Fill, server: Server, tmp_path: Path
) -> None:
    library = fill()
    for number in range(2):
        library.client.add("similar", picture(530 + number, 90, 70), f"n{number}")
    lost, kept = library.client.pictures("similar")
    with server.office() as office, office.database.read() as connection:
        blob = connection.scalars(select(items.c.blob).where(items.c.id == lost.id)).one()
    (server.data / "blobs" / blob[:2] / blob).unlink()
    for name, words in {"near": library.here, "far": library.there()}.items():
        folder = tmp_path / name
        done = tusou("export", folder, *words)
        assert done.exit_code == 3, done.output
        assert json.loads((folder / "errors.jsonl").read_text())["picture"] == str(lost.id)
        (row,) = (folder / "manifest.jsonl").read_text().splitlines()
        assert json.loads(row)["id"] == kept.id
    library.client.delete("similar", lost.id)  # other tests count what is lost


def test_vectors_come_as_arrays_and_as_a_table(
    filled: Filled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("vectors.npz", "vectors.parquet"):
        done = tusou("export", tmp_path / name, *filled.here, "--json")
        assert json.loads(done.stdout) == {"written": len(BRIEFS)}
    arrays = np.load(tmp_path / "vectors.npz")
    table = parquet.read_table(tmp_path / "vectors.parquet")
    assert arrays["id"].tolist() == table["id"].to_pylist() == [row.id for row in filled.pictures]
    assert table["brief"].to_pylist() == BRIEFS
    signs = [row.cont_sign for row in filled.pictures]
    assert [f"{high},{low}" for high, low in arrays["cont_sign"]] == signs
    assert table["cont_sign"].to_pylist() == signs
    assert [tuple(row) for row in arrays["classes"].tolist()] == [
        row.classes for row in filled.pictures
    ]
    assert table["class1"].to_pylist() == arrays["classes"][:, 0].tolist()
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), arrays["vector"])
    lengths = np.linalg.norm(arrays["vector"].astype(np.float32), axis=1)
    assert lengths == pytest.approx(1, abs=2e-3)
    assert (str(arrays["pack"]), str(arrays["service"])) == ("similar@1", "similar")
    assert table.schema.metadata[b"pack"] == b"similar@1"
    monkeypatch.chdir(tmp_path)
    *here, viewer = programs(DOCS / "export.md")
    for program in here:
        exec(program)
    compile(viewer, "export.md", "exec")  # it needs Spotlight, larger than all that is tested here
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{filled.pictures[0].id} 1.000"  # a picture is nearest to itself
    assert lines[5:] == [f"{len(BRIEFS)} similar@1"]


def test_a_library_that_moves_meanwhile_ends_the_export(
    fill: Fill, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = fill()
    for number in range(2):
        library.client.add("similar", picture(540 + number, 90, 70), "x")
    monkeypatch.setattr(exporting, "_PORTION", 1)
    with server.office() as office:
        portions = exporting._portions(office, library.caller.app_id, "similar")
        assert len(next(portions).ids) == 1
        row = office.registry.get(library.caller.app_id, "similar")
        with office.database.write() as connection:
            moved = update(libraries).where(libraries.c.id == row.id).values(pack="base@1")
            connection.execute(moved)
        with pytest.raises(RuntimeError, match="moved"):
            next(portions)


def test_what_cannot_be_done_is_told_plainly(filled: Filled, tmp_path: Path) -> None:
    faults = {
        ("export", tmp_path / "vectors.npz", *filled.there()): "--app",
        ("export", tmp_path / "out", "--service", "similar"): "--app says whose",
        (
            "export",
            tmp_path / "out",
            *filled.there("http://127.0.0.1:9")[:2],
            "--service",
            "similar",
        ): "--host needs --keys",
        ("export", tmp_path / "gone" / "vectors.npz", *filled.here): "No such file",
    }
    for words, cause in faults.items():
        done = tusou(*words)
        assert (done.exit_code, cause in done.output) == (1, True), done.output
    assert [path.name for path in tmp_path.iterdir()] == []


def test_without_pyarrow_it_says_what_to_install(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = tusou("export", tmp_path / "v.parquet", *filled.here)
    assert (done.exit_code, "pip install 'tusou[parquet]'" in done.output) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_csv_of_an_export_is_read_by_others(filled: Filled, tmp_path: Path) -> None:
    tusou("export", tmp_path / "out", *filled.here, "--manifest", "csv")
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["brief"] for row in rows] == BRIEFS
    assert {row["tags"] for row in rows} == {"", "100,11", "7", "65535,1"}
