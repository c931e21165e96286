"""`tusou top` as scripts and people run it, on a real server."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from contextlib import suppress

from click.testing import CliRunner, Result

from support.pictures import picture
from support.server import Caller, Server
from tusou.cli import main

_PROGRAM = [sys.executable, "-m", "tusou.cli", "top"]


def _top(*words: str) -> Result:
    return CliRunner().invoke(main, ["top", *words])


def test_scripts_get_what_there_was_since_the_start(server: Server, caller: Caller) -> None:
    caller.call("similar", "search", image=picture(1))
    done = _top("--host", server.address, "--once", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    seen = json.loads(done.stdout)
    assert (seen["ready"], seen["database"]) == (True, True)
    (row,) = [
        row for row in seen["calls"] if (row["service"], row["operation"]) == ("similar", "search")
    ]
    assert row["calls"] >= 1
    assert 0 < row["p50"] <= row["p95"]
    assert {"app_id", "service", "pictures", "capacity", "indexed"} == set(seen["libraries"][0])
    assert "encode" in {stage["stage"] for stage in seen["stages"]}


def test_people_get_a_live_screen_and_their_own_back(server: Server) -> None:
    terminal, theirs = pty.openpty()
    words = [*_PROGRAM, "--host", server.address, "--interval", "0.2"]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs) as child:
        os.close(theirs)
        shown, end = "", time.monotonic() + 60
        while shown.count("tusou ") < 3 and time.monotonic() < end:
            shown += os.read(terminal, 1 << 16).decode(errors="replace")
        os.write(terminal, b"q")
        with suppress(OSError):  # so Linux says that the other side is closed
            while True:
                shown += os.read(terminal, 1 << 16).decode(errors="replace")
    os.close(terminal)
    assert child.returncode == 0
    assert len(re.findall(r"tusou \S+ at \S+: ready", shown)) >= 3
    assert shown.index("\x1b[?1049h") < shown.index("ready")
    assert shown.rstrip().endswith("\x1b[?1049l")


def test_what_is_no_terminal_gets_one_look_as_text(server: Server) -> None:
    done = _top("--host", server.address)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("tusou ")
    assert done.stdout.count(": ready, up") == 1


def test_who_does_not_tell_is_told_plainly() -> None:
    done = _top("--host", "http://127.0.0.1:1", "--once")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: no server answers at http://127.0.0.1:1")
