"""Ports that are taken, certificates, and what is said when they do not do."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from support.certificates import write_certificate
from support.server import Server
from tusou.cli.listeners import Http, Listeners, _listen
from tusou.settings import STANDARD_PORTS, Settings


def _settings(**environ: str) -> Settings:
    return Settings.load({f"TUSOU_{name}": value for name, value in environ.items()}, port=0)


def test_a_private_port_that_is_taken_is_told_with_what_it_was_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = f"127.0.0.1 port {port}: Address already in use; it was to serve product"
        with pytest.raises(RuntimeError, match=said):
            Listeners(_settings(PRIVATE_PORTS=f"{port}=product"))


def test_no_port_is_kept_when_one_of_them_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(RuntimeError):
        Listeners(_settings(PRIVATE_PORTS=f"{port}=similar,{taken.getsockname()[1]}=product"))
    with Listeners(_settings(PRIVATE_PORTS=f"{port}=similar")) as listeners:
        assert list(listeners.private_addresses()) == [(f"http://127.0.0.1:{port}", "similar")]


def test_private_ports_are_written_as_a_list_or_as_the_manuals() -> None:
    assert _settings().private_ports == ()
    assert _settings(PRIVATE_PORTS="standard").private_ports == STANDARD_PORTS
    own = "1=product, 2=console"
    assert _settings(PRIVATE_PORTS=own).private_ports == ((1, "product"), (2, "console"))
    for wrong in ("8025", "8025=else", "x=similar", "70000=similar", "1=similar,1=product"):
        with pytest.raises(ValueError, match="TUSOU_PRIVATE_PORTS"):
            _settings(PRIVATE_PORTS=wrong)


def test_the_main_port_is_no_private_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {"PRIVATE_PORTS": f"{port}=similar", "PRIVATE_HOST": "127.0.0.2", "PORT": str(port)}
    settings = Settings.load({f"TUSOU_{name}": value for name, value in environ.items()})
    with pytest.raises(RuntimeError, match="names the main port"):
        Listeners(settings)


async def _sends_at_once() -> bool:
    """Whether who connects gets what is written without a wait for what was written before."""
    loop = asyncio.get_running_loop()
    accepted = loop.create_future()

    class Recorder(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            link = transport.get_extra_info("socket")
            accepted.set_result(link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with _listen("127.0.0.1", 0, "") as listener:
        async with await loop.create_server(Recorder, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return bool(await accepted)


def test_answers_go_at_once() -> None:
    # Headers and body are written one after the other. By Nagle's algorithm the body would wait
    # for the client to confirm the headers, which takes 40 ms.
    assert asyncio.run(_sends_at_once())


def test_serve_private_takes_the_manuals_ports(tmp_path: Path) -> None:
    with ExitStack() as held:
        with suppress(OSError):  # somebody else has it, which does as well
            held.enter_context(socket.create_server(("127.0.0.1", 8025)))
        done = subprocess.run(
            [sys.executable, "-m", "tusou.cli", "serve", "--private", "--port", "0"],
            env={**os.environ, "TUSOU_DATA": str(tmp_path / "data")},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1 port 8025" in done.stderr
    assert not (tmp_path / "data").exists()


def test_with_a_certificate_the_main_port_speaks_tls_and_private_ones_http(
    tmp_path: Path,
) -> None:
    certificate, key = write_certificate(tmp_path)
    environ = {
        "TUSOU_TLS_CERTIFICATE": str(certificate),
        "TUSOU_TLS_KEY": str(key),
        "TUSOU_PRIVATE_PORTS": "0=similar,0=console",
    }
    server = Server(tmp_path / "data", environ, trust=certificate)
    try:
        assert server.address.startswith("https://127.0.0.1:")
        assert server.http.get("/healthz").json()["status"] == "ok"
        url = f"{server.private['similar']}/RTSAsService/signup"
        answer = httpx.post(url, json={"appid": "plain", "from": "tests"}, trust_env=False)
        assert answer.json()["err_no"] == 0
        console = httpx.get(server.private["console"], trust_env=False)
        assert console.headers["location"] == f"{server.address}/console/"
    finally:
        assert server.stop() == 0


def test_certificates_that_do_not_do_are_told_in_plain_words(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    _, other = write_certificate(tmp_path, "other")
    for files in ((certificate, other), (key, key), (certificate, None)):
        environ = {"TLS_CERTIFICATE": str(files[0]), "TLS_KEY": str(files[1] or "")}
        with pytest.raises(RuntimeError, match="cannot use the certificate"):
            Listeners(_settings(**environ))
    with pytest.raises(FileNotFoundError, match="missing"):
        Listeners(_settings(TLS_CERTIFICATE=str(tmp_path / "missing.pem")))
    with pytest.raises(RuntimeError, match="without TUSOU_TLS_CERTIFICATE"):
        Listeners(_settings(TLS_KEY=str(key)))


async def _say(pieces: list[bytes], pause: float) -> bytes:
    """What a server answers that waits a fifth of a second for headers, until it hangs up."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.4)  # the limit is for asking, not for answering
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    class Hasty(Http):
        head_seconds = 0.2

    config = uvicorn.Config(app, http=Hasty, log_config=None, lifespan="off", timeout_keep_alive=1)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Hasty(config, state, {}), "127.0.0.1", 0)
    async with listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        return answer


@pytest.mark.parametrize(
    ("pieces", "answers"),
    [
        ([], 0),
        ([b"GET / HTTP/1.1\r\nHos"], 0),
        ([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], 1),
        ([b"GET / HTTP/1.1\r\n", b"Host: a\r\n\r\n"], 1),
        ([b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT"], 1),
        ([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2], 2),
    ],
)
def test_whoever_does_not_say_what_they_want_is_hung_up_on(
    pieces: list[bytes], answers: int
) -> None:
    assert asyncio.run(_say(pieces, 0.01)).count(b"HTTP/1.1 204") == answers
