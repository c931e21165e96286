"""The commands as users and scripts run them, in processes of their own."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import httpx
import pytest

from support.pictures import EXAMPLES, picture
from support.server import Answer, Caller, Server, b64
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings

_PROGRAM = [sys.executable, "-m", "tusou.cli"]
_ADD = f"{SERVICES['same_hq'].prefix}/add"

Done = subprocess.CompletedProcess[str]


def _environ(**variables: str) -> dict[str, str]:
    """This process's environment, without settings it may hold."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TUSOU_")}
    return {**own, "NO_PROXY": "127.0.0.1", **variables}


def tusou(*words: object, **variables: str) -> Done:
    """Run a command to its end."""
    return subprocess.run(
        [*_PROGRAM, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=_environ(**variables),
        check=False,
    )


def output(*words: object, **variables: str) -> str:
    """What a command prints, which must succeed in silence otherwise."""
    done = tusou(*words, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class Shell:
    """Commands on one data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def __call__(self, *words: object) -> str:
        return output(*words, "--data", self._data)

    def json(self, *words: object) -> Any:
        """What a command says to scripts."""
        return json.loads(self(*words, "--json"))

    def keys(self, *words: object) -> dict[str, str]:
        """The keys that a command shows."""
        shown = self.json(*words)
        assert isinstance(shown, dict)
        assert list(shown) == ["app_id", "api_key", "secret_key"]
        return shown


def test_an_application_goes_from_its_making_to_its_end(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "made" / "by it")
    keys = shell.keys("app", "create", "商店", "--services", "all")
    assert re.fullmatch(r"\d{8}", keys["app_id"])
    app_id = keys["app_id"]
    other = shell.keys("app", "create", "other", "--services", "similar, product")
    facts = {
        "app_id": app_id,
        "name": "商店",
        "api_key": keys["api_key"],
        "services": list(SERVICES),
        "enabled": True,
        "plan": "open",
    }
    other_facts = {
        "app_id": other["app_id"],
        "name": "other",
        "api_key": other["api_key"],
        "services": ["similar", "product"],
        "enabled": True,
        "plan": "open",
    }
    assert shell.json("app", "list") == [facts, other_facts]
    told = shell("app", "show", app_id)
    assert all(word in told for word in keys.values())

    renewed = shell.keys("app", "reset-key", app_id)
    assert renewed == {**keys, "secret_key": renewed["secret_key"]}
    assert renewed != keys
    assert shell.json("app", "show", app_id) == renewed

    shell("app", "disable", app_id)
    assert f"{app_id}  商店  (disabled)" in shell("app", "list")
    shell("app", "enable", app_id)
    assert shell.json("app", "list") == [facts, other_facts]

    unsure = tusou("app", "delete", app_id, "--data", tmp_path / "made" / "by it")
    assert unsure.returncode == 1
    assert shell.json("app", "list") == [facts, other_facts]
    shell("app", "delete", app_id, "--yes")
    assert shell.json("app", "list") == [other_facts]


def test_plans_and_limits_are_given_and_shown(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    app_id = shell.keys("app", "create", "shop", "--services", "similar")["app_id"]
    free = output(
        "app", "create", "free", "--json", TUSOU_DATA=str(tmp_path), TUSOU_PLAN="personal"
    )
    assert shell.json("app", "quota", app_id)["plan"] == "open"
    assert shell.json("app", "quota", json.loads(free)["app_id"])["plan"] == "personal"

    shell("app", "plan", app_id, "enterprise")
    shell("app", "limit", app_id, "similar", "search", "--qps", 9, "--total", "none")
    shell("app", "limit", app_id, "similar", "add", "--daily", 70)
    assert shell.json("app", "quota", app_id)["quotas"] == {
        "similar/add": {"qps": 2, "daily": 70, "total": 100_000},
        "similar/search": {"qps": 9, "daily": None, "total": None},
        "similar/delete": {"qps": 2, "daily": None, "total": None},
        "similar/update": {"qps": 2, "daily": None, "total": None},
    }
    told = shell("app", "quota", app_id)
    assert told.startswith("plan enterprise since 20")
    assert "similar/search       9 a second  (own)" in told
    shell("app", "limit", app_id, "similar", "search")
    assert "similar/search       2 a second, 30,000 in all\n" in shell("app", "quota", app_id)
    listed = shell("app", "plans")
    assert "personal  Free, personal · 免费（个人认证）, totals for 365 days" in listed
    assert [row["name"] for row in shell.json("app", "plans")] == [
        "open",
        "personal",
        "enterprise",
        "paid",
    ]


def test_plans_are_added_changed_and_removed(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell("plan", "set", "gold", "--title", "Gold", "--qps", 20, "--total", 900, "--days", 30)
    own = ("--call", "search", "--service", "product", "--total", "none", "--qps", "inherit")
    shell("plan", "set", "gold", "--chinese", "黄金", *own)
    shown = shell.json("plan", "show", "gold")
    assert (shown["title"], shown["chinese"], shown["days"]) == ("Gold", "黄金", 30)
    assert shown["lines"] == {"*/*": {"qps": 20, "total": 900}, "product/search": {"total": None}}
    assert shown["quotas"]["product/search"] == {"qps": 20, "daily": None, "total": None}
    assert shown["quotas"]["product/add"] == {"qps": 20, "daily": None, "total": 900}
    with Office(Settings.load({}, data=tmp_path)) as office:
        held, _ = office.apps.create("shop", ["product"], "gold")
    refused = tusou("plan", "remove", "gold", "--data", tmp_path)
    assert (refused.returncode, refused.stderr) == (
        1,
        "Error: 1 application has the plan gold; give another one first\n",
    )
    with Office(Settings.load({}, data=tmp_path)) as office:
        office.apps.delete(held.id)
    assert shell("plan", "remove", "gold") == "gold is removed\n"


def test_acts_are_listed_with_who_did_them(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    first = shell.keys("app", "create", "商店", "--services", "similar")
    second = shell.keys("app", "create", "other")
    shell("app", "edit", first["app_id"], "--name", "new", "--services", "product, similar")
    assert shell("app", "revoke-tokens", first["app_id"]) == "0 tokens ended\n"
    shell("app", "show", first["app_id"])
    entries = shell.json("audit", "--app", first["app_id"])
    acts = ["app.create", "app.edit", "app.revoke_tokens", "app.show_secret"]
    assert [row["act"] for row in entries] == acts
    assert entries[1]["facts"] == {"name": "new", "services": "product,similar"}
    assert [row["act"] for row in shell.json("audit", "--last", 4)] == ["app.create", *acts[1:]]
    told = shell("audit")
    user = pwd.getpwuid(os.getuid()).pw_name
    assert len(told.splitlines()) == 5
    assert all(f" UTC  {user}  app." in line for line in told.splitlines())
    assert "商店" in told
    for keys in (first, second):
        assert keys["secret_key"] not in told + shell("audit", "--json")


def test_libraries_are_made_and_listed_by_environment_too(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    app_id = shell.keys("app", "create", "shop")["app_id"]
    made = output("library", "create", app_id, "similar", TUSOU_DATA=str(tmp_path))
    assert made == "library for similar made, for up to 500,000 pictures\n"
    shell("library", "create", app_id, "materiel")
    listed = json.loads(output("library", "list", "--json", TUSOU_DATA=str(tmp_path)))
    assert [(row["app_id"], row["service"], row["size"], row["capacity"]) for row in listed] == [
        (app_id, "similar", 0, 500_000),
        (app_id, "materiel", 0, 500_000),
    ]
    assert "similar       0 of 500,000" in shell("library", "list")


def test_what_commands_change_holds_at_once_in_a_running_server(server: Server) -> None:
    shell = Shell(server.data)
    keys = shell.keys("app", "create", "meanwhile")
    app_id, api_key = keys["app_id"], keys["api_key"]
    token = server.token(api_key, keys["secret_key"])
    caller = Caller(server.http, int(app_id), api_key, keys["secret_key"], token)

    def add(by: Caller, seed: int) -> Answer:
        return by.call("similar", "add", image=picture(seed), brief=str(seed))

    assert add(caller, 1)["error_code"] == 216017
    shell("library", "create", app_id, "similar")
    assert "cont_sign" in add(caller, 1)
    shell("app", "disable", app_id)
    assert add(caller, 2)["error_code"] == 15
    shell("app", "enable", app_id)
    assert "cont_sign" in add(caller, 2)

    secret = shell.keys("app", "reset-key", app_id)["secret_key"]
    assert add(caller, 3)["error_code"] == 110
    renewed = replace(caller, token=server.token(api_key, secret))
    assert "cont_sign" in add(renewed, 3)
    listed = shell.json("library", "list")
    assert isinstance(listed, list)
    assert [row["size"] for row in listed if row["app_id"] == app_id] == [3]
    shell("app", "delete", app_id, "--yes")
    assert add(renewed, 4)["error_code"] == 15


def test_what_is_asked_for_is_told(tmp_path: Path) -> None:
    assert re.fullmatch(r"tusou, version \S+\n", output("--version"))
    assert "--demo" in output("serve", "--help")


MISTAKES = {
    "an unknown application": ("app show 1", 1, "appid not exist: 1"),
    "an application that is no number": ("app show shop", 2, "'shop' is not a valid integer"),
    "an unknown service": (
        "app create shop --services faces",
        1,
        "service not support: faces; there are same_hq, similar, product, picturebook, materiel",
    ),
    "an unknown plan": (
        "app plan {app} gold",
        1,
        "invalid param: no plan gold; there are open, personal, enterprise, paid",
    ),
    "an amount that is none": (
        "app limit {app} similar add --qps ten",
        2,
        "'ten' is no number of calls; write one, or none, or plan",
    ),
    "an unfit plan": (
        "plan set Gold --days 0",
        1,
        "name: 1 to 32 small letters, digits, - and _, a letter first; "
        "days: a whole number from 1 to 36500, or none",
    ),
    "nothing to edit": ("app edit {app}", 1, "neither name nor services; nothing to change"),
    "a library of an unknown service": ("library create {app} faces", 2, "'faces' is not one of"),
    "a library of nobody": ("library create 1 similar", 1, "appid not exist: 1"),
    "a library made twice": (
        "library create {app} similar",
        1,
        "application {app} has a library for similar",
    ),
    "a taken port": (
        "serve --port {port} --data {empty}",
        1,
        "cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "choose another with --port or TUSOU_PORT",
    ),
    "a folder that has a server": (
        "serve --port 0",
        1,
        "another tusou server is running on {data}; stop it, or give this one a folder of its own",
    ),
    "no such port": ("serve --port 70000", 2, "70000 is not in the range"),
    "a folder that cannot be made": ("app list --data /dev/null/data", 1, "/dev/null/data: "),
    "a folder that is a file": ("app list --data {file}", 2, "is a file"),
}


@pytest.mark.parametrize(("words", "status", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_plain_words(
    server: Server, caller: Caller, tmp_path: Path, words: str, status: int, message: str
) -> None:
    (tmp_path / "file").touch()
    names = {
        "app": caller.app_id,
        "port": httpx.URL(server.address).port,
        "data": server.data,
        "empty": tmp_path / "empty",
        "file": tmp_path / "file",
    }
    done = tusou(*words.format(**names).split(), TUSOU_DATA=str(server.data))
    _is_plain(done, status, message.format(**names))


@pytest.mark.parametrize("port", ["abc", "-1", "70000"])
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, port: str) -> None:
    done = tusou("serve", "--data", tmp_path, TUSOU_PORT=port)
    _is_plain(done, 1, f"TUSOU_PORT={port!r}: ")


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A folder that is there and takes no files."""
    if os.geteuid() == 0:
        yield Path("/proc")  # permissions do not stop root
        return
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "words",
    ["app list", "serve --port 0"],
)
def test_a_folder_that_takes_no_files_is_told(unwritable: Path, words: str) -> None:
    done = tusou(*words.split(), "--data", unwritable)
    _is_plain(done, 1, str(unwritable))


def _is_plain(done: Done, status: int, message: str) -> None:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    *before, last = done.stderr.splitlines()
    assert last.startswith("Error: ")
    assert message in last
    # A mistake in the words of a command shows how it is used, any other is one line.
    assert bool(before) == (status == 2)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_demo_prints_a_search_that_works_as_printed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shown: list[str] = []
    for _ in range(2):  # the second time there is nothing left to set up
        with _demo(data) as lines:
            done = subprocess.run(
                ["bash", "-c", lines[-1]],
                capture_output=True,
                encoding="utf-8",
                cwd=EXAMPLES.parent,
                env=_environ(),
                check=False,
            )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["result_num"] == 3
        assert answer["result"][0]["brief"] == "cat.jpg"
        shown.append(re.sub(r"127\.0\.0\.1:\d+|token=\S+", "", "\n".join(lines)))
    text, again = shown
    assert text == again
    (keys,) = json.loads(output("app", "list", "--json", "--data", data))
    assert f"AppID       {keys['app_id']}" in text
    assert f"API Key     {keys['api_key']}" in text
    assert "11 example pictures are in its library `similar`" in text
    found = re.search(r"User +(\S+)\n +Password +(\S+)", text)
    assert found
    with Office(Settings.load({}, data=data)) as office:
        user = office.users.with_password(found[1], found[2])
    assert user is not None
    assert user.operates


@contextmanager
def _demo(data: Path) -> Iterator[list[str]]:
    """A server with the example pictures: what it prints, to the curl line."""
    with (
        data.with_suffix(".log").open("ab") as log,
        subprocess.Popen(
            [*_PROGRAM, "serve", "--demo", "examples", "--data", str(data), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            env=_environ(),
            cwd=EXAMPLES.parent,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield _lines_to_curl(process.stdout)
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C does
            status = process.wait(60)
    assert status == 0


def _lines_to_curl(printed: Iterator[str]) -> list[str]:
    lines = []
    for line in printed:
        lines.append(line.rstrip("\n"))
        if line.startswith("curl "):
            return lines
    raise AssertionError(f"no curl line: {lines}")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Starts a server on one and the same folder, again and again."""
    with ExitStack() as started:

        def run() -> Server:
            server = Server(tmp_path / "data")
            started.callback(server.kill)
            return server

        yield run


def test_a_stopping_server_finishes_what_it_has_begun(start: Callable[[], Server]) -> None:
    server = start()
    caller = server.caller("same_hq")
    begun, go_on = Semaphore(0), Event()

    def add(seed: int) -> Answer:
        body = f"brief={seed}&image={b64(picture(seed)).replace('+', '%2B')}".encode()

        def halves() -> Iterator[bytes]:
            yield body[:1000]
            begun.release()
            go_on.wait(60)
            yield body[1000:]

        answer = httpx.post(
            server.address + _ADD,
            params={"access_token": caller.token},
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": str(len(body)),
            },
            content=halves(),
            timeout=60,
            trust_env=False,
        ).json()
        assert isinstance(answer, dict)
        return answer

    seeds = range(4)
    with ThreadPoolExecutor(len(seeds)) as pool:
        answers = [pool.submit(add, seed) for seed in seeds]
        for _ in seeds:
            assert begun.acquire(timeout=60)
        # Answered after the halves before it have been read.
        assert server.http.get("/healthz").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        _wait_until_closed(server)
        go_on.set()
        signs = [answer.result()["cont_sign"] for answer in answers]
    assert server.stop() == 0

    again = start()
    caller = replace(caller, http=again.http)
    for seed, sign in zip(seeds, signs, strict=True):
        first = caller.call("same_hq", "search", image=picture(seed))["result"][0]
        assert (first["cont_sign"], first["brief"]) == (sign, str(seed))
    assert again.stop() == 0


def _wait_until_closed(server: Server) -> None:
    """Wait until the server takes no more connections."""
    url = httpx.URL(server.address)
    while True:
        try:
            socket.create_connection((url.host, url.port or 0), timeout=60).close()
        except ConnectionError:
            return
        time.sleep(0.02)


def test_what_was_acknowledged_survives_a_kill(start: Callable[[], Server]) -> None:
    server = start()
    caller = server.caller("same_hq", "similar")
    enough, numbers = Semaphore(0), count()
    acknowledged: list[tuple[str, int, str]] = []

    def keep_adding(service: str) -> None:
        for seed in numbers:
            try:
                answer = caller.call(service, "add", image=picture(seed), brief=str(seed))
            except httpx.TransportError:
                return
            acknowledged.append((service, seed, answer["cont_sign"]))
            enough.release()

    with ThreadPoolExecutor(4) as pool:
        adding = [pool.submit(keep_adding, service) for service in ("same_hq", "similar") * 2]
        for _ in range(12):
            assert enough.acquire(timeout=60)
        server.process.kill()
        for thread in adding:
            thread.result()
    server.process.wait()

    again = start()
    caller = replace(caller, http=again.http)
    for service, seed, sign in acknowledged:
        first = caller.call(service, "search", image=picture(seed), rn=1)["result"][0]
        assert (first["cont_sign"], first["brief"]) == (sign, str(seed))
        assert caller.call(service, "add", image=picture(seed), brief="x")["error_code"] == 216681
    # At most what was in flight is there beside it.
    with again.office() as office:
        size = sum(row.size for row in office.registry.list(caller.app_id))
    assert len(acknowledged) <= size <= len(acknowledged) + len(adding)
    assert again.stop() == 0
