"""`tusou duplicates`, beside a running server and without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from support.pictures import encoded, picture, scene
from support.server import Caller, Server
from tusou.cli import main

_COPY = encoded(scene(1)[20:300, 30:370], "JPEG", quality=60)


def duplicates(data: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["duplicates", *map(str, words), "--data", str(data)])


def of(app_id: int) -> list[object]:
    return ["--app", app_id, "--service", "same_hq"]


def facts(data: Path, *words: object) -> Any:
    done = duplicates(data, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def fill(server: Server) -> Caller:
    caller = server.caller("same_hq")
    for brief, image in (("whole", picture(1)), ("part", _COPY), ("else", picture(2))):
        caller.call("same_hq", "add", image=image, brief=brief)
    return caller


def test_a_scan_runs_in_the_server_or_in_the_command(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    app_id = fill(server).app_id
    before = facts(server.data, *of(app_id))
    assert before == {
        "scan": {"state": "none", "ended": None, "not_compared": 3},
        "groups": [],
    }
    keys = tmp_path / "keys.json"
    keys.write_text(
        CliRunner()
        .invoke(main, ["app", "show", str(app_id), "--json", "--data", str(server.data)])
        .stdout
    )
    elsewhere = ["--service", "same_hq", "--host", server.address, "--keys", keys]
    assert facts(tmp_path / "other", *elsewhere) == before
    found = facts(tmp_path / "other", *elsewhere, "--scan")
    # There is nothing left to compare.
    assert facts(server.data, *of(app_id), "--scan")["groups"] == found["groups"]
    assert server.stop() == 0
    assert (found["scan"]["state"], found["scan"]["not_compared"]) == ("done", 0)
    (group,) = found["groups"]
    assert (group["best"]["brief"], group["reason"]) == ("whole", "larger")
    assert [other["brief"] for other in group["others"]] == ["part"]

    again = duplicates(server.data, *of(app_id), "--scan")  # now nobody serves the folder
    assert again.exit_code == 0, again.output
    first, second = again.stdout.splitlines()
    assert first.endswith("whole  best: larger")
    assert "part" in second
    assert again.stderr.endswith("groups: 1; pictures besides the best: 1\n")


@pytest.mark.parametrize("words", [[], ["--scan"]], ids=len)
def test_a_library_that_is_not_there_is_told(tmp_path: Path, words: list[object]) -> None:
    done = duplicates(tmp_path, *of(1), *words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has no library for same_hq" in done.stderr
