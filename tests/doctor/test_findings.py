"""What the doctor finds on this machine, and on folders and settings that are not fit."""

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from support.certificates import write_certificate
from support.server import Server
from tusou.doctor import Finding, Words, examine, host, stores
from tusou.doctor.finding import Check
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.batches import Batches, Wish


def _settings(data: Path, **environ: object) -> Settings:
    variables = {f"TUSOU_{name}": str(value) for name, value in environ.items()}
    return replace(Settings.load(variables, data=data), port=0)


def _only(check: Check, settings: Settings) -> Finding:
    (finding,) = check(settings)
    assert (finding.cure is None) == (finding.level == "ok")
    return finding


def _doctor(data: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tusou.cli", "doctor", "--data", str(data), *words]
    environ = {**os.environ, "TUSOU_PORT": "0", **variables}
    return subprocess.run(program, capture_output=True, encoding="utf-8", env=environ)


def test_on_a_new_folder_it_finds_no_problem_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = _doctor(tmp_path / "new", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    findings = json.loads(done.stdout)
    subjects = "port 0, disk, memory, processor, models, database, pictures, clock"
    assert [finding["subject"]["english"] for finding in findings] == subjects.split(", ")
    assert {finding["level"] for finding in findings} <= {"ok", "warning"}
    assert not (tmp_path / "new").exists()


def test_it_speaks_the_language_of_the_terminal_or_the_one_asked_for(tmp_path: Path) -> None:
    busy = {"TUSOU_PACK": "none-such", "LC_ALL": "C.UTF-8"}
    told = _doctor(tmp_path, **busy)
    assert told.returncode == 1
    assert "✗ models: there is no model pack none-such" in told.stdout
    assert "    → see `tusou model list`" in told.stdout
    chinese = _doctor(tmp_path, "--language", "chinese", **busy)
    assert chinese.stdout.count("✗ 模型：") == 1
    assert chinese.stdout.endswith("请先解决以上问题。\n")


def test_a_taken_port_is_a_problem_unless_the_folders_server_has_it(
    tmp_path: Path, server: Server
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free, busy = host.ports(_settings(tmp_path, PRIVATE_PORTS=f"{port}=similar"))
    assert free.level == "ok"
    assert busy.level == "problem"
    assert "Address already in use" in busy.found.english
    own = replace(_settings(server.data), port=int(server.address.rpartition(":")[2]))
    assert "a tusou server runs" in _only(host.ports, own).found.english


def test_an_address_of_another_machine_cannot_be_listened_on(tmp_path: Path) -> None:
    elsewhere = replace(_settings(tmp_path), host="192.0.2.1")
    assert _only(host.ports, elsewhere).level == "problem"


def test_little_room_is_a_warning_and_next_to_none_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limits, level in (
        ((0, 0), "ok"),
        ((0, 1 << 60), "warning"),
        ((1 << 60, 1 << 60), "problem"),
    ):
        monkeypatch.setattr(host, "_DISK", limits)
        monkeypatch.setattr(host, "_MEMORY", limits)
        assert _only(host.disk, _settings(tmp_path)).level == level
        assert _only(host.memory, _settings(tmp_path)).level == level


def test_a_processor_that_lacks_what_libraries_need_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = os.uname().machine
    for needed, wanted, level in (
        ((), (), "ok"),
        ((), ("not_there",), "warning"),
        (("not_there",), (), "problem"),
    ):
        monkeypatch.setattr(host, "_NEEDED_FLAGS", {machine: needed})
        monkeypatch.setattr(host, "_WANTED_FLAGS", {machine: wanted})
        assert _only(host.processor, _settings(tmp_path)).level == level
    monkeypatch.setattr(host, "_NEEDED_FLAGS", {})
    assert "not supported" in _only(host.processor, _settings(tmp_path)).found.english


def test_a_database_is_told_by_its_form_and_never_changed(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert "none yet" in _only(stores.database, settings).found.english
    assert not list(tmp_path.iterdir())
    with Office(settings) as office:
        office.create_library(office.apps.create("a", ["similar"])[0].id, "similar")
    assert "libraries: 1, pictures: 0" in _only(stores.database, settings).found.english
    for revision, level in (("0004", "warning"), ("9999", "problem")):
        with closing(sqlite3.connect(tmp_path / "tusou.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        before = (tmp_path / "tusou.db").read_bytes()
        assert _only(stores.database, settings).level == level
        assert (tmp_path / "tusou.db").read_bytes() == before
    (tmp_path / "tusou.db").write_bytes(b"no database" * 100)
    assert "cannot open the database" in _only(stores.database, settings).found.english


def test_libraries_whose_model_pack_is_gone_are_a_problem(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with Office(settings) as office:
        app, _ = office.apps.create("a", ["similar"])
        office.registry.create(app.id, "similar", "gone@1", 5)
    assert "not installed: gone@1" in _only(stores.database, settings).found.english


def test_a_store_that_takes_no_pictures_is_a_problem(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    (tmp_path / "blobs").mkdir()
    assert _only(stores.blobs, settings).level == "ok"
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    shutil.rmtree(tmp_path / "blobs")
    (tmp_path / "blobs").write_bytes(b"a file where a folder should be")
    assert _only(stores.blobs, settings).level == "problem"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    found = {finding.subject.english: finding for finding in examine(_settings(data))}
    assert found["data folder"].level == "problem"
    assert not {"database", "pictures"} & set(found)
    assert not list(data.iterdir())


def test_a_clock_before_what_was_written_is_a_problem(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    (tmp_path / "secret.key").write_bytes(b"")
    assert _only(host.clock, settings).level in ("ok", "warning")
    tomorrow = time.time() + 86400
    os.utime(tmp_path / "secret.key", (tomorrow, tomorrow))
    assert _only(host.clock, settings).level == "problem"


def test_certificates_are_looked_at(tmp_path: Path) -> None:
    assert list(host.certificate(_settings(tmp_path))) == []
    good, key = write_certificate(tmp_path)
    soon = _settings(tmp_path, TLS_CERTIFICATE=good, TLS_KEY=key)
    assert _only(host.certificate, soon).level == "warning"  # good for a day
    for wrong in (key, tmp_path / "missing"):
        settings = _settings(tmp_path, TLS_CERTIFICATE=wrong, TLS_KEY=key)
        assert _only(host.certificate, settings).level == "problem"


def test_every_text_is_there_in_both_languages(tmp_path: Path) -> None:
    texts = list[Words]()
    for finding in examine(_settings(tmp_path, PACK="none-such")):
        texts += [finding.subject, finding.found, *([finding.cure] if finding.cure else [])]
    for text in texts:
        assert text.english.isascii()
        assert re.search("[一-鿿]", text.chinese) or text.chinese == text.english


def test_task_files_that_another_server_has_in_a_folder_of_its_own_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(tmp_path)
    assert list(stores.task_files(settings)) == []  # one server has one folder
    monkeypatch.setattr(Settings, "is_shared", True)
    assert _only(stores.task_files, settings).level == "ok"
    with Office(settings) as office:
        app, _ = office.apps.create("a", ["similar"])
        row = office.create_library(app.id, "similar")
        batches = Batches(office.database)
        for options in ({"manifest": "", "sent": "abc"}, {"manifest": "http://a", "sent": "def"}):
            batches.ask(row.id, Wish("import", options=options), 0, 0, 0)
        export = batches.ask(row.id, Wish("export"), 0, 0, 0)
        assert batches.begin(export)
        batches.end(export)
    found = _only(stores.task_files, settings)
    assert (found.level, found.found.english.split()[-1]) == ("problem", "2")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "abc.sent").touch()
    (tmp_path / "tasks" / f"{export.id}.made.jsonl").touch()
    assert _only(stores.task_files, settings).level == "ok"
