"""Tasks across a restart: nothing is lost, nothing is done twice, files go when they should."""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from support.pictures import picture
from support.server import b64
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.settings import Settings
from tusou.storage.batches import Batches, Wish
from tusou.tasks.jobs import Jobs

PICTURES = 12


def test_an_import_goes_on_after_a_restart(tmp_path: Path) -> None:
    settings = Settings.load({}, data=tmp_path / "data")
    runtime = Runtime(settings)
    app, _ = runtime.apps.create("test", ["similar"])
    row = runtime.create_library(app.id, "similar")
    name = runtime.jobs.files.new_name()
    sent = runtime.jobs.files.sent(name)
    rows = [{"image": b64(picture(seed, 80, 60)), "brief": f"{seed}"} for seed in range(PICTURES)]
    sent.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    options = {"sent": name, "kind": "manifest", "manifest": "", "brief": "", "classes": {}}
    number = runtime.jobs.ask(row, Wish("import", options=options)).id
    batches, tries = Batches(runtime.database), list[str]()

    def run(jobs: Jobs, stop_after: int) -> None:
        library = runtime.catalogue.library(app.id, "similar")

        def add(fields: Mapping[str, bytes | str]) -> object:
            tries.append(str(fields["brief"]))
            if len(tries) >= stop_after:
                closing.set()
                raise TusouError(Problem.UNAVAILABLE, "closing")
            image = fields["image"]
            assert isinstance(image, bytes)
            return library.add(image, str(fields["brief"]), (0, 0))

        closing = threading.Event()
        jobs.connect(lambda *_: add)
        jobs.run()
        while jobs._busy and not closing.is_set():
            time.sleep(0.01)
        jobs.close()  # also while an add waits for better times

    run(runtime.jobs, 5)
    half = batches.get(row.id, number)
    assert half.state == "running"
    there = runtime.registry.get(app.id, "similar").size
    assert 0 < there < PICTURES
    runtime.close()

    runtime = Runtime(settings)
    before = len(tries)
    batches = Batches(runtime.database)
    run(runtime.jobs, 1000)
    whole = batches.get(row.id, number)
    assert (whole.state, whole.done, whole.failed, whole.problem) == ("done", PICTURES, 0, "")
    assert runtime.registry.get(app.id, "similar").size == PICTURES
    assert len(tries) - before == PICTURES - there  # none is sent again
    assert not sent.exists()
    assert not runtime.jobs.files.journal(number).exists()
    left = runtime.jobs.files.errors(number)
    assert left.exists()
    batches.release(row.id)
    runtime.close()


def test_files_of_forgotten_tasks_are_swept_up(tmp_path: Path) -> None:
    with Runtime(Settings.load({}, data=tmp_path / "data")) as runtime:
        app, _ = runtime.apps.create("test", ["similar"])
        row = runtime.create_library(app.id, "similar")
        kept = runtime.jobs.ask(row, Wish("export", options={"features": False})).id
        files = runtime.jobs.files
        for path in (files.made(kept), files.made(kept + 1), files.sent("on-its-way")):
            path.write_text("x")
        runtime.jobs.sweep()
        assert [files.made(kept).exists(), files.made(kept + 1).exists()] == [True, False]
        assert files.sent("on-its-way").exists()


def test_a_library_has_only_so_many_tasks_at_a_time(tmp_path: Path) -> None:
    with Runtime(Settings.load({}, data=tmp_path / "data")) as runtime:
        app, _ = runtime.apps.create("test", ["similar"])
        row = runtime.create_library(app.id, "similar")
        problem = None
        try:
            for _ in range(100):
                runtime.jobs.ask(row, Wish("rebuild"))
        except TusouError as error:
            problem = error.problem
        assert problem is Problem.BATCH_LIMIT
