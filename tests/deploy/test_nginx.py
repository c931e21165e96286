"""nginx by the file that is given, in front of a server."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from baidubce.auth import bce_v1_signer
from baidubce.auth.bce_credentials import BceCredentials

from support.certificates import write_certificate
from support.pictures import picture
from support.server import Caller, Server, b64
from tusou.services import SERVICES

GIVEN = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
SEARCH = f"{SERVICES['similar'].prefix}/search"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

_FRAME = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tusou.conf;
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _put(text: str, *changes: tuple[str, str]) -> str:
    for given, here in changes:
        assert given in text, given
        text = text.replace(given, here)
    return text


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client that calls through nginx."""
    assert NGINX is not None
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    certificate, key = write_certificate(folder)
    port, plain = _free_port(), _free_port()
    text = _put(
        GIVEN.read_text(),
        ("127.0.0.1:8080", server.address.removeprefix("http://")),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("/etc/tusou/tls/fullchain.pem", str(certificate)),
        ("/etc/tusou/tls/privkey.pem", str(key)),
    )
    (folder / "tusou.conf").write_text(text)
    # As root its workers would be somebody else, who cannot write to a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + _FRAME.format(folder=folder))
    command = [NGINX, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        trust = ssl.create_default_context(cafile=certificate)
        with httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=60, trust_env=False
        ) as client:
            _wait_for(port, running)
            yield client
        running.terminate()
        _, said = running.communicate()
        assert not [line for line in said.splitlines() if "[warn]" in line or "[emerg]" in line]


def _wait_for(port: int, running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and running.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    running.kill()
    raise AssertionError(running.communicate()[1])


def test_calls_by_token_and_by_signature_come_through(
    proxy: httpx.Client, server: Server, caller: Caller
) -> None:
    form = {"image": b64(picture(1))}
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "forged.example"}
    query = {"access_token": caller.token}
    assert "result" in proxy.post(SEARCH, params=query, data=form, headers=forged).json()
    host = proxy.base_url.netloc
    authorization = bce_v1_signer.sign(
        BceCredentials(caller.api_key, caller.secret_key),
        b"POST",
        SEARCH.encode(),
        {b"host": host},
        {},
        headers_to_sign={b"host"},
    )
    signed = {"authorization": authorization.decode()}
    assert "result" in proxy.post(SEARCH, data=form, headers=signed).json()
    clients = {line["client"] for line in server.lines_of(caller.app_id, 2)}
    assert clients == {"127.0.0.1"}  # of nginx's client, not what it says of itself


def test_a_body_that_is_too_large_is_refused_in_the_words_of_the_api(
    proxy: httpx.Client, caller: Caller
) -> None:
    form = {"image": "A" * (6 << 20)}
    answer = proxy.post(SEARCH, params={"access_token": caller.token}, data=form)
    assert (answer.status_code, answer.json()["error_code"]) == (200, 216202)


def test_the_private_interface_is_not_reached_through_it(proxy: httpx.Client) -> None:
    for path in ("/private/similar/RTSAsService/signup", "//private/similar/RTSAsService/signup"):
        answer = proxy.post(path, json={"appid": "a", "from": "b"})
        assert answer.status_code == 404, path
    escaped = proxy.post("/%70rivate/similar/RTSAsService/signup", json={})
    assert escaped.status_code == 404
    dotted = proxy.post("/x/../private/similar/RTSAsService/signup", json={})
    assert dotted.status_code == 404
