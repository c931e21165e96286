"""Quotas and keys through HTTP, with many callers at the same time."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.pictures import picture
from support.server import Answer, Caller, Server
from tusou.errors import Problem
from tusou.services import SERVICES

PICTURE = picture(61)
SEARCH = f"{SERVICES['similar'].prefix}/search"


@pytest.fixture
def shop(server: Server) -> Caller:
    """An application with one library."""
    return server.caller("similar")


def limit(server: Server, caller: Caller, **own: int) -> None:
    with server.office() as office:
        office.apps.set_limits(caller.app_id, "similar", "search", own)


@pytest.mark.parametrize("kind", ["daily", "total"])
def test_callers_at_the_limit_never_exceed_it(server: Server, shop: Caller, kind: str) -> None:
    limit(server, shop, **{kind: 17})
    barrier = threading.Barrier(6)

    def run(_: int) -> list[object]:
        barrier.wait(60)
        return [shop.call("similar", "search").get("error_code") for _ in range(12)]

    with ThreadPoolExecutor(6) as pool:
        codes = [code for part in pool.map(run, range(6)) for code in part]
    refusal = Problem.DAILY_LIMIT if kind == "daily" else Problem.TOTAL_LIMIT
    # A search for nothing fails, and uses the allowance up as any call does.
    assert codes.count(Problem.MISSING_PARAM.code) == 17
    assert codes.count(refusal.code) == 6 * 12 - 17


def test_calls_of_a_day_count_after_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    caller = server.caller("similar")
    limit(server, caller, daily=3)
    codes = [caller.call("similar", "search").get("error_code") for _ in range(2)]
    assert server.stop() == 0
    server = Server(tmp_path / "data")
    try:
        token = server.token(caller.api_key, caller.secret_key)
        answers = [server.http.post(SEARCH, params={"access_token": token}) for _ in range(2)]
        codes += [answer.json()["error_code"] for answer in answers]
    finally:
        assert server.stop() == 0
    assert codes == [Problem.MISSING_PARAM.code] * 3 + [Problem.DAILY_LIMIT.code]


def test_what_an_account_pays_for_is_its_limit(server: Server, shop: Caller) -> None:
    with server.office() as office:
        office.billing.ledger.open(shop.app_id, "enterprise")
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: shop.call("similar", "search")["error_code"], range(30)))
    assert Problem.QPS_LIMIT.code in codes  # two a second; the plan of the server knows no limit
    assert Problem.MISSING_PARAM.code in codes


def test_a_limit_set_by_command_holds_within_a_second(server: Server, shop: Caller) -> None:
    def code() -> object:
        return shop.call("similar", "search").get("error_code")

    limit(server, shop, daily=0)
    assert code() == Problem.DAILY_LIMIT.code
    limit(server, shop, daily=5)
    time.sleep(1.05)
    assert code() == Problem.MISSING_PARAM.code


def _code(connection: socket.socket) -> object:
    """Of the answer that comes now."""
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(4096)
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error_code"]


def test_a_refusal_does_not_wait_for_the_picture(server: Server, shop: Caller) -> None:
    limit(server, shop, daily=0)
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        for _ in range(2):  # by looking up, and from memory
            connection.sendall(
                f"POST {SEARCH}?access_token={shop.token} HTTP/1.1\r\nHost: a\r\n"
                "Content-Length: 4000000\r\n\r\n".encode()
            )
            assert _code(connection) == 17
            # What is sent all the same is dropped, and the connection serves on.
            for _ in range(40):
                connection.sendall(bytes(100_000))


def test_who_is_unknown_is_told_before_the_picture_is_sent(server: Server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(
            f"POST {SEARCH}?access_token=24.nobody HTTP/1.1\r\nHost: a\r\n"
            "Content-Length: 4000000\r\n\r\n".encode()
        )
        assert _code(connection) == 110


def test_a_reset_key_ends_calls_in_flight_and_after(server: Server, shop: Caller) -> None:
    shop.call("similar", "add", image=PICTURE, brief="x")
    reset, done = threading.Event(), threading.Event()

    def run(_: int) -> list[tuple[bool, Answer]]:
        answers = []
        with httpx.Client(base_url=server.address, timeout=60, trust_env=False) as http:
            mine = Caller(http, shop.app_id, shop.api_key, shop.secret_key, shop.token)
            while not done.is_set():
                late = reset.is_set()
                answers.append((late, mine.call("similar", "search", image=PICTURE)))
        return answers

    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(run, number) for number in range(4)]
        time.sleep(0.5)
        with server.office() as office:
            office.apps.reset_key(shop.app_id)
        reset.set()
        time.sleep(0.5)
        done.set()
        answers = [answer for thread in threads for answer in thread.result(60)]
    assert {answer.get("error_code") for late, answer in answers if late} == {110}
    assert {answer.get("error_code") for late, answer in answers if not late} <= {None, 110}
    assert any("result" in answer for _, answer in answers)


def test_a_key_reset_many_times_at_once_ends_as_one_that_works(
    server: Server, shop: Caller
) -> None:
    def renew(_: int) -> str:
        with server.office() as office:
            return office.apps.reset_key(shop.app_id)

    with ThreadPoolExecutor(4) as pool:
        secrets = set(pool.map(renew, range(8)))
    assert len(secrets) == 8
    with server.office() as office:
        last = office.apps.secret(shop.app_id)
    assert last in secrets
    for secret in secrets:
        query = {
            "grant_type": "client_credentials",
            "client_id": shop.api_key,
            "client_secret": secret,
        }
        answer = server.http.get("/oauth/2.0/token", params=query).json()
        assert ("access_token" in answer) == (secret == last)
