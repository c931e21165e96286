"""What a port leads to, and who may call."""

from collections.abc import Mapping

import httpx
import pytest

from support.server import Server
from web.private.conftest import KEY, Program

BODY = {"appid": "nobody", "from": "tests"}
OUTSIDE = {"X-Forwarded-For": "10.1.2.3"}  # believed, because loopback is a trusted proxy


def _number(private: Server, headers: Mapping[str, str], query: str = "") -> int:
    url = f"{private.private['similar']}/RTSAsService/snapshot{query}"
    return int(private.http.post(url, json=BODY, headers=headers).json()["err_no"])


def test_only_callers_of_allowed_networks_and_those_with_the_key_are_let_in(
    private: Server,
) -> None:
    assert _number(private, {}) == 103
    assert _number(private, OUTSIDE) == 12
    assert _number(private, {**OUTSIDE, "X-Tusou-Key": "another"}) == 12
    assert _number(private, {**OUTSIDE, "X-Tusou-Key": ""}) == 12
    assert _number(private, {**OUTSIDE, "X-Tusou-Key": KEY}) == 103
    assert _number(private, OUTSIDE, f"?key={KEY.replace(' ', '%20')}") == 103


def test_a_web_page_cannot_call_through_a_browser_on_the_machine(private: Server) -> None:
    assert _number(private, {"Origin": "https://example.com"}) == 12


def test_the_paths_of_the_main_port_have_the_same_gate(private: Server) -> None:
    url = f"{private.address}/private/similar/RTSAsService/snapshot"
    answer = private.http.post(url, json=BODY, headers=OUTSIDE).json()
    assert answer["err_no"] == 12
    assert "10.1.2.3" in answer["err_msg"]


def test_a_private_port_serves_its_service_and_nothing_else(private: Server) -> None:
    for path in ("/docs", "/oauth/2.0/token", "/RTSAsService/add"):
        answer = private.http.get(f"{private.private['similar']}{path}")
        assert (answer.status_code, answer.json()["err_no"]) == (200, 1)
    similar, pages = (
        Program(private.http, private.private[name], "both") for name in ("similar", "picturebook")
    )
    assert similar("signup")["err_no"] == 0
    assert pages("snapshot")["err_no"] == 12  # one application: it has not this service
    assert pages("signup")["err_no"] == 0
    assert pages("snapshot")["err_no"] == 0


def test_the_console_port_leads_to_the_console_of_the_main_port(private: Server) -> None:
    answer = httpx.get(f"{private.private['console']}/any/where?x=1", trust_env=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{private.address}/console/"


@pytest.mark.parametrize("call", ["snapshot", "search"])
def test_the_log_says_who_asked_for_what(private: Server, program: Program, call: str) -> None:
    program(call, **{"from": f"log {call}", "logid": 4242})
    lines = [line for line in private.log_lines() if line.get("from") == f"log {call}"]
    assert [(line["logid"], line["path"]) for line in lines] == [(4242, f"/RTSAsService/{call}")]
