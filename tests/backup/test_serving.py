"""Backups of a folder whose pictures are added, deleted and searched for all the while."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result

from support.folders import Folder
from support.pictures import picture
from support.server import Server
from tusou import runtime as composition
from tusou.cli import main
from tusou.library.library import Library
from tusou.office import Office
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
        with Office(settings) as office:
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


def _tusou(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One of its own: on the shared one other tests lose files."""
    running = Server(tmp_path / "served")
    yield running
    assert running.stop() == 0


def test_the_commands_work_beside_a_server(server: Server, tmp_path: Path) -> None:
    server.caller("similar").call("similar", "add", image=picture(1), brief="a")
    place = tmp_path / "a.tar"
    made = _tusou("backup", place, "--data", server.data)
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout.startswith(f"{place}: ")
    checked = json.loads(_tusou("restore", place, "--check", "--json").stdout)
    assert checked["pictures"] == 1
    refused = _tusou("restore", place, "--data", server.data, "--force")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "another tusou server is running" in refused.stderr
    assert server.http.get("/readyz").status_code == 200


def test_the_commands_say_what_was_done(folder: Folder, tmp_path: Path) -> None:
    folder.lose(2)
    made = _tusou("backup", tmp_path / "b", "--data", folder.settings.data, "--json")
    facts = json.loads(made.stdout)
    assert (facts["pictures"], facts["lost"]) == (3, 1)
    assert "1 files of pictures are not in the store" in made.stderr
    again = _tusou("backup", tmp_path / "b", "--full", "--data", folder.settings.data)
    assert "3 pictures, 7 files" in again.stdout
    target = tmp_path / "new"
    done = _tusou("restore", facts["place"], "--data", target)
    assert done.stdout.startswith(f"restored to {target}: 3 pictures, 6 files, as of 20")
    done = _tusou("restore", facts["place"], "--data", target, "--force")
    assert f"what was there before is in {target}.before-" in done.stdout
