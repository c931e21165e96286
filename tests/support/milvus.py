"""Real Milvus servers for tests: 2.3.5 for vectors, Milvus Lite for words, both from PyPI."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.postgres import free_port

_STANDALONE = """
import sys, signal
from milvus import MilvusServer
server = MilvusServer(debug=False)
server.set_base_dir(sys.argv[1])
server.listen_port = int(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    server.start()
    print("up", flush=True)
    signal.pause()
finally:
    server.stop()
"""


def require_milvus() -> None:
    """Skip the test where Milvus 2.3.5 may not or cannot run."""
    pytest.importorskip("pymilvus", reason="scripts/install cluster installs pymilvus")
    if {name for _, name in socket.if_nameindex()} != {"lo"}:
        pytest.skip("Milvus listens on every network; scripts/loopback gives it one of its own")


@contextmanager
def milvus() -> Iterator[str]:
    """The address of Milvus 2.3.5; the test is skipped where it may not or cannot run."""
    require_milvus()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with _running([sys.executable, "-c", _STANDALONE, folder, str(port)], Path(folder)):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def milvus_lite() -> Iterator[str]:
    """The address of Milvus Lite, which has the sparse vectors that 2.3 lacks."""
    pytest.importorskip("milvus_lite", reason="scripts/install cluster installs milvus-lite")
    program = Path(sys.executable).with_name("milvus-lite")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        options = ["--data-dir", folder, "--host", "127.0.0.1", "--port", str(port)]
        with _running([str(program), "server", *options], Path(folder)):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    """A server that prints a line once it can be spoken to, with all the processes it starts."""
    log = Path(tempfile.gettempdir()) / f"{folder.name}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline(), log.read_text()
        yield
    finally:
        process.stdout.close()
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.unlink()
