"""`tusou import` as a process of its own: killed, resumed, repeated, and against a server."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from support.pictures import picture
from support.server import Caller, Server
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.tables import items

COUNT = 50


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(COUNT):
        (folder / f"{number:02}.jpg").write_bytes(picture(number, 160, 120))
    (folder / "broken.jpg").write_bytes(picture(1)[:900])
    return folder


def start(data: Path, *words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tusou.cli", "import", *map(str, words), "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(data: Path, *words: object) -> tuple[int, str, str]:
    process = start(data, *words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def briefs(office: Office, app_id: int) -> Counter[str]:
    library = office.registry.get(app_id, "similar")
    query = select(items.c.brief).where(items.c.library_id == library.id)
    with office.database.read() as connection:
        found = Counter(connection.scalars(query))
    assert library.size == found.total()
    return found


def test_killed_twice_and_resumed_it_misses_nothing_and_has_nothing_twice(
    pictures: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Office(Settings.load({}, data=data)) as office:
        app, _ = office.apps.create("test", ["similar"])
        office.create_library(app.id, "similar")
        words = (pictures, "--app", app.id, "--service", "similar", "--threads", 4)
        for goal in (10, 25):
            process = start(data, *words)
            end = time.monotonic() + 60
            while office.registry.get(app.id, "similar").size < goal:
                assert time.monotonic() < end
                assert process.poll() is None, process.communicate()
                time.sleep(0.002)
            process.kill()
            process.communicate()
        before = briefs(office, app.id).total()
        assert before < COUNT
        status, out, err = finish(data, *words, "--json")
        assert status == 3, err
        done = json.loads(out)
        assert done["failed"] == 1
        # Of the pictures that were in hand when it was killed, some may be there unnoted.
        assert before + done["added"] == COUNT
        assert done["there"] <= 2 * 4
        wanted = Counter(f"{number:02}.jpg" for number in range(COUNT))
        assert briefs(office, app.id) == wanted
        (errors,) = (data / "imports").glob("*.errors.jsonl")
        (line,) = map(json.loads, errors.read_text().splitlines())
        assert line["picture"] == "broken.jpg"
        assert line["reason"].startswith("image format error")
        status, out, _ = finish(data, *words, "--json", "--fresh")
        assert json.loads(out)["there"] == COUNT
        assert briefs(office, app.id) == wanted


def test_a_server_is_filled_by_its_calls(
    pictures: Path, tmp_path: Path, server: Server, caller: Caller
) -> None:
    keys = tmp_path / "keys.json"
    with server.office() as office:
        facts = {"app_id": str(caller.app_id), "api_key": caller.api_key}
        keys.write_text(json.dumps(facts | {"secret_key": caller.secret_key}))
        manifest = tmp_path / "m.csv"
        rows = [f"{os.path.relpath(pictures, tmp_path)}/{number:02}.jpg" for number in range(6)]
        manifest.write_text("file,price\n" + "".join(f"{row},{len(row)}\n" for row in rows))
        words = (manifest, "--host", server.address, "--keys", keys, "--service", "similar")
        template = '{"id": "$stem", "price": "$price"}'
        status, out, err = finish(
            tmp_path, *words, "--brief-template", template, "--tags", "3,4", "--json"
        )
        assert (status, json.loads(out)["added"]) == (0, 6), err
        assert sorted(json.loads(text)["id"] for text in briefs(office, caller.app_id)) == [
            f"{number:02}" for number in range(6)
        ]
        found = caller.call("similar", "search", image=picture(3, 160, 120), tags="3,4", rn=1)
        assert json.loads(found["result"][0]["brief"])["id"] == "03"
        # The folder of a running server is no one else's.
        status, _, err = finish(
            server.data, pictures, "--app", caller.app_id, "--service", "similar"
        )
        assert (status, "--host" in err) == (1, True)


def test_a_dry_run_changes_nothing(pictures: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("00.jpg", "01.jpg", "broken.jpg"):
        (copies / name).write_bytes((pictures / name).read_bytes())
    (copies / "again.jpg").write_bytes((pictures / "00.jpg").read_bytes())
    with Office(Settings.load({}, data=data)) as office:
        app, _ = office.apps.create("test", ["similar"])
        office.create_library(app.id, "similar")
        words = (copies, "--app", app.id, "--service", "similar", "--dry-run", "--json")
        status, out, _ = finish(data, *words)
        facts = json.loads(out)
        assert (status, facts["added"], facts["there"], facts["failed"]) == (3, 2, 1, 1)
        assert briefs(office, app.id).total() == 0
