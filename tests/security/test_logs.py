"""Logs: nothing in them lets anybody in, and nobody writes in them but the server."""

import json

import httpx

from security.conftest import KEY
from support.console import PASSWORD, Visitor, form_of
from support.host import PictureHost
from support.pictures import picture
from support.server import Server
from tusou.client import signing

HOSTILE = '\x1b[2J\x9b31m\u202e\u2028\r\n{"event": "forged"}'
ESCAPED = "%1b%5b2J%c2%9b31m%e2%80%ae%e2%80%a8%0d%0a%7b%22event%22:%22forged%22%7d"


def test_no_secret_is_in_the_log_however_talkative_the_server(talkative: Server) -> None:
    caller = talkative.caller("similar")
    http, path = caller.http, "/v1/libraries/similar/search"
    keys = {"client_id": caller.api_key, "client_secret": caller.secret_key}
    grant = http.post("/oauth/2.0/token", data={"grant_type": "client_credentials", **keys}).json()
    fields = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"], **keys}
    again = http.get("/oauth/2.0/token", params=fields).json()
    http.get("/oauth/2.0/token", params={**fields, "client_secret": "a-wrong-secret"})
    caller.call("similar", "add", image=picture(1), brief="x")
    caller.call("similar", "add", image=b"no picture", brief="x", unknown=caller.secret_key)
    http.post("/nowhere", params={"access_token": caller.token})
    signed = signing.headers(f"{talkative.address}{path}", {}, caller.api_key, caller.secret_key)
    for secret in (caller.secret_key, "a-wrong-secret"):
        headers = signing.headers(f"{talkative.address}{path}", {}, caller.api_key, secret)
        http.post(path, headers=headers, json={})
    http.post(path, headers={"authorization": f"Bearer {caller.token}"}, json={})
    with PictureHost({"a.jpg": picture(2)}) as host:
        caller.call("similar", "add", url=host.url("a.jpg") + "?signature=of-a-store", brief="y")
    home = f"{talkative.private['similar']}/RTSAsService/snapshot"
    http.post(home, params={"key": KEY}, json={"appid": "a", "from": "x"})
    http.post(home, headers={"x-tusou-key": KEY}, json={"appid": "a", "from": "x"})
    visitor = Visitor(talkative, "operator")
    visitor.post(f"/applications/{caller.app_id}/secret")
    given = {"old": PASSWORD, "new": "a-new-password", "again": "another"}
    visitor.post("/account/password", data=given)
    with httpx.Client(base_url=f"{talkative.address}/console", trust_env=False) as browser:
        for password in ("a-wrong-password", PASSWORD):
            form = form_of(browser.get("/sign-in"))
            sent = {"form": form, "name": visitor.name, "password": password}
            browser.post("/sign-in", data=sent)
        session = browser.cookies["tusou_session"]
    visitor.http.close()
    talkative.lines_of(caller.app_id, 1)
    text = talkative.log.read_text()
    assert '"level": "debug"' in text  # so it was talkative
    for secret in (
        *(caller.secret_key, caller.token, "a-wrong-secret", signed["authorization"][-64:], KEY),
        *(grant["access_token"], grant["refresh_token"], grant["session_secret"]),
        *(again["access_token"], again["refresh_token"], "of-a-store", form),
        *(PASSWORD, "a-wrong-password", "a-new-password", session, visitor.token, visitor.csrf),
    ):
        assert secret not in text, next(line for line in text.splitlines() if secret in line)


def test_what_clients_send_stays_within_its_line(talkative: Server) -> None:
    caller = talkative.caller("similar")
    for path in (f"/{ESCAPED}", f"/v1/libraries/{ESCAPED}", f"/rest/2.0/{ESCAPED}"):
        answer = caller.http.post(path, params={"access_token": caller.token})
        assert "forged" not in answer.headers
    caller.call("similar", "add", image=HOSTILE, brief=HOSTILE, tags=HOSTILE, url=HOSTILE)
    body = {"appid": "a", "from": HOSTILE, "logid": HOSTILE}
    caller.http.post(f"{talkative.private['similar']}/RTSAsService/snapshot", json=body)
    caller.http.get("/healthz", headers=[(b"user-agent", b"\x9b31m")])
    talkative.lines_of(caller.app_id, 1)
    text = talkative.log.read_bytes().decode()
    for line in text.removesuffix("\n").split("\n"):
        assert json.loads(line)["event"] != "forged"
        assert not [sign for sign in line if sign < " " or "\x7f" <= sign <= "\x9f"], line
        assert not set(line) & set("\u202e\u2028"), line
    assert "forged" in text  # and so it was logged
