"""From one machine to a cluster and back, by the command, with a server reading all the while."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.pictures import picture
from support.server import Caller, Server

pytestmark = pytest.mark.cluster

SERVICES = "similar", "same_hq"


def _transfer(data: Path, here: dict[str, str], database: str, blobs: str) -> str:
    command = [sys.executable, "-m", "tusou.cli", "transfer", "--data", str(data)]
    run = subprocess.run(
        [*command, "--to-database", database, "--to-blobs", blobs],
        capture_output=True,
        text=True,
        env={**os.environ, **here},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _search(server: Server, caller: Caller, number: int, service: str) -> list[str]:
    there = Caller(server.http, caller.app_id, caller.api_key, caller.secret_key, caller.token)
    answer = there.call(service, "search", image=picture(number), rn=1)
    return [hit["brief"] for hit in answer["result"] if hit["score"] == 1]


def test_pictures_keys_and_tokens_come_along_to_a_cluster_and_back(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    old = Server(tmp_path / "data")
    caller = old.caller(*SERVICES)
    for number in range(6):
        for service in SERVICES:
            caller.call(service, "add", image=picture(number), brief=str(number))
    place = cluster["TUSOU_DATABASE"], cluster["TUSOU_BLOBS"]
    keys = {name: value for name, value in cluster.items() if name.startswith(("AWS_", "TUSOU_S3"))}
    first = _transfer(tmp_path / "data", keys, *place)
    assert "24 files copied" in first
    assert _search(old, caller, 3, "similar") == ["3"]  # it went on serving
    caller.call("similar", "add", image=picture(6), brief="6")
    caller.call("similar", "delete", image=picture(0))
    assert old.stop() == 0
    second = _transfer(tmp_path / "data", keys, *place)
    assert "2 files copied" in second
    assert "DIFFERENT" not in second

    new = Server(tmp_path / "data", cluster)  # the folder has the key file
    new.wait_for_marks()
    for service in SERVICES:
        for number in range(1, 6):
            assert _search(new, caller, number, service) == [str(number)]
    assert _search(new, caller, 6, "similar") == ["6"]
    assert _search(new, caller, 0, "similar") == []
    there = Caller(new.http, caller.app_id, caller.api_key, caller.secret_key, caller.token)
    there.call("same_hq", "add", image=picture(9), brief="9")
    assert new.stop() == 0

    home = tmp_path / "home"
    home.mkdir()
    (home / "secret.key").write_bytes((tmp_path / "data" / "secret.key").read_bytes())
    back = f"sqlite:///{home / 'tusou.db'}", str(home / "blobs")
    assert "DIFFERENT" not in _transfer(tmp_path / "data", cluster, *back)
    again = Server(home)
    assert _search(again, caller, 9, "same_hq") == ["9"]
    assert _search(again, caller, 6, "similar") == ["6"]
    assert _search(again, caller, 0, "same_hq") == ["0"]
    assert again.stop() == 0
