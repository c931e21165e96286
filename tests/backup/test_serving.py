"""Backups of a folder whose pictures are added, deleted and searched for all the while."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from support.pictures import picture
from support.server import Server
from tusou import runtime as composition
from tusou.library.library import Library
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.types import Filter

_KEPT = [picture(seed) for seed in range(3)]
_PASSING = [picture(10 + seed) for seed in range(3)]


def _come_and_go(library: Library, data: bytes, stop: Event) -> int:
    rounds = 0
    while not stop.is_set():
        library.delete((library.add(data, "passing", (0, 0)),))
        rounds += 1
    return rounds


def _search(library: Library, stop: Event) -> int:
    found = 0
    while not stop.is_set():
        page = library.search(_KEPT[0], None, 0, 10)
        assert page.hits[0].brief == "kept"
        found += 1
    return found


def _serve(data: Path) -> None:
    with Runtime(Settings.load({}, data=data)) as serving:
        app, _ = serving.apps.create("test", SERVICES)
        serving.create_library(app.id, "same_hq")
        library = serving.catalogue.library(app.id, "same_hq")
        for kept in _KEPT:
            library.add(kept, "kept", (0, 0))
        stop = Event()
        with ThreadPoolExecutor() as threads:
            moving = [threads.submit(_come_and_go, library, each, stop) for each in _PASSING]
            moving.append(threads.submit(_search, library, stop))
            try:
                for place in ("backups", "a.tar", "b.tar"):
                    composition.back_up(serving.settings, data.with_name(place))
            finally:
                stop.set()
        assert all(future.result() for future in moving)


def test_every_backup_made_meanwhile_is_whole_and_can_be_searched(tmp_path: Path) -> None:
    _serve(tmp_path / "data")
    for place in ("backups", "a.tar", "b.tar"):
        settings = Settings.load({}, data=tmp_path / f"restored-{place}")
        done = composition.restore(settings, tmp_path / place)
        assert 3 <= done.contents.pictures <= 6
        with composition.Office(settings) as office:
            (row,) = office.registry.list()
            assert row.size == done.contents.pictures
            assert office.apps.secret(row.app_id)
    with Runtime(settings) as restored:
        library = restored.catalogue.open(row)
        assert len(library) == row.size
        listed = restored.catalogue.pictures(row.app_id, "same_hq")
        items = listed.page(Filter(), 100).items
        assert len(items) == row.size
        for item in items:
            assert listed.thumbnail(item.key).data
            original = listed.original(item.key).data
            assert library.search(original, None, 0, 1).hits[0].sign == item.sign
            assert library.explain(original, item.sign) is not None


def _tusou(*words: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tusou.cli", *map(str, words)]
    return subprocess.run(program, capture_output=True, encoding="utf-8")


def test_the_commands_work_beside_a_server(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "a.tar"
    made = _tusou("backup", place, "--data", server.data)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith(f"{place}: ")
    checked = _tusou("restore", place, "--check")
    assert checked.stdout.startswith("whole: ")
    refused = _tusou("restore", place, "--data", server.data, "--force")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "another tusou server is running" in refused.stderr
    assert server.http.get("/readyz").status_code == 200
