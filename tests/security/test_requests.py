"""Requests made to cost much, to lead elsewhere, or to be taken for something else."""

import ast
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from security.conftest import PLACES
from support.pictures import picture
from support.server import Caller, Server
from tusou.errors import Problem, TusouError
from tusou.services import SERVICES

SOURCE = Path(__file__).parents[2] / "src" / "tusou"
ADD = f"{SERVICES['similar'].prefix}/add"
HUNDRED = 100 << 20


def dial(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 60)


def begin(server: Server, path: str, size: int, host: str = "a") -> socket.socket:
    """A request whose body does not come."""
    made = dial(server.address)
    kind = "application/x-www-form-urlencoded"
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n"
    made.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
    return made


def answer_of(sender: socket.socket) -> str:
    """The answer, up to the end of its JSON."""
    sender.settimeout(60)
    answer = b""
    while not answer.endswith(b"}") and (piece := sender.recv(65536)):
        answer += piece
    return answer.decode()


def peak(server: Server) -> int:
    """Bytes of memory that a server has had at most."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10


def wait_for_refusals(server: Server, count: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        codes = [line.get("error_code") for line in server.log_lines()]
        if codes.count(Problem.OVERLOADED.code) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"fewer than {count} requests were refused")


@pytest.fixture
def caller(talkative: Server) -> Iterator[Caller]:
    caller = talkative.caller("similar")
    caller.call("similar", "add", image=picture(1), brief="x")
    yield caller
    assert caller.call("similar", "search", image=picture(1))["result_num"] == 1


def test_a_large_body_of_nobody_is_refused_before_it_comes(
    talkative: Server, caller: Caller
) -> None:
    for path in (ADD, f"{ADD}?access_token=24.x", "/v1/libraries/similar/search"):
        with begin(talkative, path, HUNDRED) as sender:
            assert '"error_code":' in answer_of(sender), path


def test_a_large_body_of_a_caller_is_not_kept(talkative: Server, caller: Caller) -> None:
    before = peak(talkative)
    with begin(talkative, f"{ADD}?access_token={caller.token}", HUNDRED) as sender:
        sender.sendall(b"image=")
        for _ in range(63):
            sender.sendall(bytes(1 << 20))
        sender.sendall(bytes(2 << 20))  # the server stops listening at 64 MiB
        assert '"error_code":216202' in answer_of(sender)
    assert peak(talkative) - before < 32 << 20


def test_bodies_that_do_not_come_keep_nobody_out(talkative: Server, caller: Caller) -> None:
    with ExitStack() as waiting:
        for path in ("/oauth/2.0/token", "/console/sign-in", "/console/show"):
            for _ in range(2 * PLACES):
                waiting.enter_context(begin(talkative, path, 1000))
        for _ in range(2 * PLACES):  # of one application
            path = f"{ADD}?access_token={caller.token}"
            waiting.enter_context(begin(talkative, path, 4 << 20))
        wait_for_refusals(talkative, 2 * PLACES - PLACES // 2)  # it has half of the places
        other = talkative.caller("similar")
        assert other.call("similar", "search", image=picture(1))["result_num"] == 0
        assert talkative.token(other.api_key, other.secret_key).startswith("24.")


def test_what_nobody_signed_in_may_send_is_small(talkative: Server, caller: Caller) -> None:
    for path in ("/oauth/2.0/token", "/console/sign-in", "/console/show"):
        answer = caller.http.post(path, data={"grant_type": "x" * 20_000})
        assert "16384 bytes" in answer.text or answer.status_code == 413, answer.text


@pytest.mark.parametrize(
    ("host", "leads_to"),
    [
        ("images.example:8103", "images.example"),
        ("[::1]:8103", "[::1]"),
        ("a.example/@b", "localhost"),
        ("a.example@b:8103", "localhost"),
        ("a.example\\b", "localhost"),
        ("", "localhost"),
    ],
)
def test_the_console_port_leads_to_no_other_place(
    talkative: Server, host: str, leads_to: str
) -> None:
    with dial(talkative.private["console"]) as sender:
        sender.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = sender.recv(4096).decode()
    port = talkative.address.rpartition(":")[2]
    assert (
        answer.startswith("HTTP/1.1 400 ")
        or f"\r\nlocation: http://{leads_to}:{port}/console/\r\n" in answer
    ), answer


def test_a_name_does_not_talk_to_a_terminal(talkative: Server, caller: Caller) -> None:
    with talkative.office() as office:
        for name in ("a\x1b[2J", "a\nb", "a\x9b31m", "a\u202eb"):
            with pytest.raises(TusouError) as refused:
                office.apps.create(name, ["similar"])
            assert refused.value.problem is Problem.INVALID_PARAM
            with pytest.raises(TusouError):
                office.apps.edit(caller.app_id, name=name)


def test_the_data_folder_is_for_its_owner_only(talkative: Server) -> None:
    assert stat.S_IMODE(talkative.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((talkative.data / "secret.key").stat().st_mode) == 0o600


def test_no_secret_is_compared_letter_by_letter() -> None:
    secrets = {"secret", "secret_key", "token", "password", "signature", "csrf"}
    for path in sorted([*SOURCE.glob("accounts/*.py"), *SOURCE.glob("web/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                sides = [node.left, *node.comparators]
                if any(isinstance(side, ast.Constant) for side in sides):
                    continue
                names = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
                assert not names & secrets, f"{path.name} line {node.lineno}"
