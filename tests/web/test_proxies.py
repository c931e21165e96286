"""Behind a proxy: whose word about the client and the host counts."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from baidubce.auth import bce_v1_signer
from baidubce.auth.bce_credentials import BceCredentials
from starlette.types import Receive, Scope, Send

from support.pictures import picture
from support.server import Answer, Caller, Server, b64
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.web.proxies import Proxies

SEARCH = f"{SERVICES['similar'].prefix}/search"
TRUSTED = Settings.load({"TUSOU_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}).trusted_proxies


def seen(peer: str | None, *headers: tuple[str, str]) -> tuple[object, list[bytes]]:
    """The client's address and the hosts that an application behind `Proxies` sees."""
    scope = scope_of(peer, *headers)
    client = scope["client"]
    return client and client[0], scope["state"]["forwarded_hosts"]


def scope_of(peer: str | None, *headers: tuple[str, str]) -> Scope:
    """What an application behind `Proxies` is given."""
    scope: Scope = {
        "type": "http",
        "scheme": "http",
        "client": None if peer is None else (peer, 4711),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the scope only."""

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        raise AssertionError

    asyncio.run(Proxies(app, TRUSTED)(scope, receive, send))
    return scope


@pytest.mark.parametrize(
    ("peer", "told", "scheme"),
    [
        ("10.1.1.1", "https", "https"),
        ("10.1.1.1", "HTTPS, http", "https"),
        ("10.1.1.1", "gopher", "http"),
        ("10.1.1.1", "", "http"),
        ("1.2.3.4", "https", "http"),
        (None, "https", "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_was_asked_by(
    peer: str | None, told: str, scheme: str
) -> None:
    assert scope_of(peer, ("x-forwarded-proto", told))["scheme"] == scheme


FOR, HOST = "x-forwarded-for", "x-forwarded-host"


@pytest.mark.parametrize(
    ("peer", "headers", "client", "hosts"),
    [
        ("10.1.1.1", [], "10.1.1.1", []),
        ("10.1.1.1", [(FOR, "1.2.3.4"), (HOST, "a.example")], "1.2.3.4", [b"a.example"]),
        # What comes before the first address that is not trusted, the client may have made up.
        ("10.1.1.1", [(FOR, "9.9.9.9, 1.2.3.4, 10.2.2.2")], "1.2.3.4", []),
        ("10.1.1.1", [(FOR, "9.9.9.9"), (FOR, "1.2.3.4")], "1.2.3.4", []),
        ("10.1.1.1", [(FOR, "10.3.3.3, 10.2.2.2")], "10.3.3.3", []),
        ("10.1.1.1", [(FOR, "unknown")], "10.1.1.1", []),
        ("10.1.1.1", [(FOR, "unknown, 10.2.2.2")], "10.2.2.2", []),
        ("10.1.1.1", [(HOST, "a.example, b.example")], "10.1.1.1", [b"a.example"]),
        ("10.1.1.1", [(HOST, "a.example"), (HOST, "b.example")], "10.1.1.1", [b"a.example"]),
        ("::1", [(FOR, "2001:db8::1"), (HOST, "a.example")], "2001:db8::1", [b"a.example"]),
        # Anyone can send these headers.
        ("1.2.3.4", [(FOR, "10.1.1.1"), (HOST, "a.example")], "1.2.3.4", []),
        (None, [(FOR, "10.1.1.1"), (HOST, "a.example")], None, []),
        ("a-socket", [(FOR, "10.1.1.1"), (HOST, "a.example")], "a-socket", []),
    ],
)
def test_a_trusted_proxy_is_believed_and_nobody_else(
    peer: str | None, headers: list[tuple[str, str]], client: object, hosts: list[bytes]
) -> None:
    assert seen(peer, *headers) == (client, hosts)


def signed_search(caller: Caller, signed_for: str, **headers: str) -> Answer:
    """A search that was signed for a host, as it arrives."""
    authorization = bce_v1_signer.sign(
        BceCredentials(caller.api_key, caller.secret_key),
        b"POST",
        SEARCH.encode(),
        {b"host": signed_for.encode()},
        {},
        headers_to_sign={b"host"},
    )
    sent = {"authorization": authorization.decode(), **headers}
    response = caller.http.post(SEARCH, data={"image": b64(picture(1))}, headers=sent)
    assert response.status_code == 200
    return dict(response.json())


def test_a_proxy_on_this_machine_may_change_the_host(server: Server, caller: Caller) -> None:
    assert "result" in signed_search(caller, "search.example:8443", host="search.example:8443")
    forwarded = {"x-forwarded-host": "search.example", "x-forwarded-for": "192.0.2.7"}
    assert "result" in signed_search(caller, "search.example", **forwarded)
    assert signed_search(caller, "search.example")["error_code"] == 14
    assert server.lines_of(caller.app_id, 2)[-1]["client"] == "192.0.2.7"


def test_a_proxy_that_is_not_trusted_may_not(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("untrusting") / "data"
    server = Server(data, {"TUSOU_TRUSTED_PROXIES": "192.0.2.0/24"})
    try:
        caller = server.caller("similar")
        forwarded = {"x-forwarded-host": "search.example", "x-forwarded-for": "192.0.2.7"}
        assert signed_search(caller, "search.example", **forwarded)["error_code"] == 14
        assert "result" in signed_search(caller, "search.example", host="search.example")
        assert server.lines_of(caller.app_id, 1)[-1]["client"] == "127.0.0.1"
    finally:
        assert server.stop() == 0
