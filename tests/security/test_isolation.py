"""Every route there is, asked by somebody else: nothing of the owner's comes back or changes.

The routes are found by walking the application, so that a new one is here from its first day. What
it needs to be asked properly is in the tables below: a parameter in its path belongs in `owners`, a
body in `BODIES`, a route for everybody in `FOR_EVERYBODY` with the reason.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from security.routes import Route, every_route
from support.console import Visitor
from support.native import Ask, added, asking, ended
from support.pictures import encoded, picture, scene
from support.server import Caller, Server, b64

MARK = "words that only their owner may read"
SERVICE = "same_hq"
PICTURE, ANOTHER = picture(901, 320, 300), picture(902, 320, 300)
TWIN = encoded(scene(901, 320, 300), "JPEG", quality=60)

FOR_EVERYBODY = {
    "GET /": "leads to the console",
    "GET /console": "leads to the console",
    "GET /console/": "leads to the libraries, which ask who comes",
    "GET /console/sign-in": "the door",
    "POST /console/sign-in": "the door; tests/web/console/test_door.py",
    "POST /console/show": "sets language and theme of whoever asks",
    "GET /console/static/{version}/{name}": "styles and scripts",
    "GET /docs": "the description of the API",
    "GET /docs/oauth2-redirect": "part of the description",
    "GET /openapi.json": "the description of the API",
    "GET /healthz": "tells that it is alive",
    "GET /readyz": "tells that it is ready",
    "GET /metrics": "to networks that may watch; tests/web/test_metrics.py: it names nobody",
    "GET /oauth/2.0/token": "gives a token for a pair of keys that fit, to whoever has them",
    "POST /oauth/2.0/token": "gives a token for a pair of keys that fit, to whoever has them",
}
ENDS_ONES_OWN = {"POST /console/account/sign-out"}
"""Asked last, as the session is over then."""

BODIES: dict[str, dict[str, Any] | bytes] = {
    "POST /v1/libraries": {"service": "{service}", "capacity": "9"},
    "PATCH /v1/libraries/{service}": {"capacity": "9"},
    "POST /v1/libraries/{service}/move": {"pack": "similar"},
    "POST /v1/libraries/{service}/rebuild": {},
    "POST /v1/libraries/{service}/pictures": {"image": b64(ANOTHER), "brief": "another's"},
    "POST /v1/libraries/{service}/pictures/batch": {
        "pictures": [{"image": b64(PICTURE), "brief": "another's"}]
    },
    "POST /v1/libraries/{service}/pictures/exists": {"cont_sign": "{cont_sign}"},
    "POST /v1/libraries/{service}/pictures/delete": {"ids": "{id}"},
    "POST /v1/libraries/{service}/pictures/retag": {"filter": "id > 0", "new_tags": "7"},
    "PATCH /v1/libraries/{service}/pictures/{id}": {"brief": "another's"},
    "POST /v1/libraries/{service}/pictures/{id}/explain": {"image": b64(PICTURE)},
    "POST /v1/libraries/{service}/pictures/{id}/duplicates/keep": {},
    "POST /v1/libraries/{service}/pictures/{id}/duplicates/different": {"pictures": ["{twin}"]},
    "POST /v1/libraries/{service}/duplicates/scan": {},
    "POST /v1/libraries/{service}/search": {"picture": "{id}"},
    "POST /v1/libraries/{service}/compare": {
        "first": {"picture": "{id}"},
        "second": {"picture": "{id}"},
    },
    "POST /v1/libraries/{service}/import": json.dumps(
        {"image": b64(picture(903, 320, 300)), "brief": "another's"}
    ).encode(),
    "POST /v1/libraries/{service}/export": {"features": "true"},
    "POST /v1/libraries/{service}/tasks/{task}/cancel": {},
}
"""What is sent to each route of the native interface that takes a body; {…} as in the paths."""
LOOKS = {
    "POST /v1/libraries/{service}/pictures/exists",
    "POST /v1/libraries/{service}/pictures/{id}/explain",
    "POST /v1/libraries/{service}/search",
    "POST /v1/libraries/{service}/compare",
}
"""Of these, what changes nothing: the owner gets an answer to the same."""
ANSWERED = {
    "POST /v1/libraries": 202,
    "DELETE /v1/libraries/{service}": 202,
    "PATCH /v1/libraries/{service}": 200,
    "POST /v1/libraries/{service}/move": 202,
    "POST /v1/libraries/{service}/rebuild": 202,
    "POST /v1/libraries/{service}/pictures": 201,
    "POST /v1/libraries/{service}/pictures/batch": 200,
    "POST /v1/libraries/{service}/pictures/exists": 200,
    "POST /v1/libraries/{service}/pictures/delete": 404,
    "POST /v1/libraries/{service}/pictures/retag": 202,
    "POST /v1/libraries/{service}/duplicates/scan": 202,
    "POST /v1/libraries/{service}/search": 404,
    "POST /v1/libraries/{service}/compare": 404,
    "POST /v1/libraries/{service}/import": 202,
    "POST /v1/libraries/{service}/export": 202,
}
"""What somebody else gets: changes are those of their own library, pictures are not there."""
ALONE = {"POST /v1/libraries": False, "DELETE /v1/libraries/{service}": True}
"""Asked by an application of its own, with a library or without: nothing is left to ask after."""


@dataclass
class Place:
    """An owner with a picture, somebody else with the same services, and all routes."""

    server: Server
    owner: Caller
    other: Caller
    stranger: Visitor
    owners: dict[str, str]
    routes: list[Route]
    sign: str

    def of(self, prefix: str) -> list[Route]:
        """The routes below a path, those for everybody aside."""
        found = [route for route in self.routes if route.path.startswith(prefix)]
        return [route for route in found if str(route) not in FOR_EVERYBODY]

    def fill(self, value: Any) -> Any:
        """A path or body with what is the owner's in place of {…}."""
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        if not isinstance(value, str):
            return value

        def owners(match: re.Match[str]) -> str:
            name = match[1].partition(":")[0]
            assert name in self.owners, f"say in `owners` what the owner's {{{name}}} is: {value}"
            return self.owners[name]

        return re.sub(r"\{([\w:]+)\}", owners, value)

    def check(self, route: Route, answer: httpx.Response) -> None:
        """Nothing of the owner's is in an answer."""
        for secret in (MARK, self.owner.api_key, self.owner.secret_key, self.owner.token, "museum"):
            assert secret not in answer.text, f"{route} gave {secret}"
        assert answer.content != PICTURE, route
        assert answer.status_code < 500, f"{route}: {answer.text}"
        assert answer.headers["x-content-type-options"] == "nosniff", route

    def library(self) -> Any:
        """All that is the owner's to lose."""
        path = f"/v1/libraries/{SERVICE}"
        parts = (path, *(f"{path}/{each}" for each in ("pictures", "tasks", "duplicates")))
        return [native(self.owner, "GET", each).json() for each in parts]

    def asker(self, route: Route) -> Caller:
        """Who asks for something that is not theirs."""
        if str(route) in ALONE:
            return self.server.caller(SERVICE, libraries=ALONE[str(route)])
        return self.other


def native(caller: Caller, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {caller.token}"}
    if isinstance(body, bytes):
        headers["content-type"] = "application/x-ndjson"
        return caller.http.request(method, path, headers=headers, content=body)
    return caller.http.request(method, path, headers=headers, json=body)


def scanned(ask: Ask) -> None:
    """Look through the owner's library for duplicates."""
    path = f"/{SERVICE}/duplicates/scan"
    state = ask("POST", path).json()["state"]
    end = time.monotonic() + 60
    while state in ("waiting", "running"):
        assert time.monotonic() < end, state
        time.sleep(0.05)
        state = ask("GET", path).json()["state"]


def over(asker: Caller, accepted: httpx.Response) -> None:
    """Wait for a task; that of a library that is given up goes with it."""
    path = accepted.headers["location"]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = native(asker, "GET", path)
        if answer.status_code == 404 or answer.json()["ended"]:
            return
        time.sleep(0.05)
    raise AssertionError(path)


@pytest.fixture(scope="module")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    owner, other = server.caller(SERVICE), server.caller(SERVICE)
    with server.office() as office:
        office.apps.edit(owner.app_id, name="museum")
    ask = asking(owner)
    sign = owner.call(SERVICE, "add", image=PICTURE, brief=MARK)["cont_sign"]
    (listed,) = native(owner, "GET", f"/v1/libraries/{SERVICE}/pictures").json()["pictures"]
    twin = added(ask, SERVICE, TWIN, MARK)
    scanned(ask)
    task = ended(ask, ask("POST", f"/{SERVICE}/export"))
    assert task["has_file"]
    stranger = Visitor(server, "owner", [other.app_id])
    owners = {
        "service": SERVICE,
        "id": str(listed["id"]),
        "key": str(listed["id"]),
        "twin": str(twin),
        "cont_sign": sign,
        "task": str(task["id"]),
        "app_id": str(owner.app_id),
        "number": "1",
        "operation": "search",
        "name": "demo",
        "plan": "open",
    }
    routes = every_route(tmp_path_factory.mktemp("routes") / "data")
    yield Place(server, owner, other, stranger, owners, routes, sign)
    stranger.http.close()


def test_every_route_is_of_an_interface_that_is_tested_here(place: Place) -> None:
    known = ("/rest/2.0/", "/rpc/2.0/", "/v1/", "/console/", "/private/")
    for route in place.routes:
        assert str(route) in FOR_EVERYBODY or route.path.startswith(known), (
            f"say in FOR_EVERYBODY why {route} is, or test it here"
        )
    assert len(place.routes) > 100


def test_without_keys_nothing_answers(place: Place) -> None:
    for route in place.of("/v1/"):
        for headers in ({}, {"authorization": "Bearer 24.x"}, {"authorization": "bce-auth-v1/x"}):
            path = place.fill(route.path)
            answer = place.server.http.request(route.method, path, headers=headers, json={})
            assert answer.status_code == 401, f"{route}: {answer.text}"
    for route in (*place.of("/rest/"), *place.of("/rpc/")):
        answer = place.server.http.post(route.path, data={"image": b64(PICTURE), "brief": "x"})
        assert set(answer.json()) == {"error_code", "error_msg", "log_id"}, route


def test_the_native_interface_gives_and_changes_nothing_of_another(place: Place) -> None:
    before = place.library()
    assert MARK in str(before)
    assert before[-1]["groups"]
    for route in place.of("/v1/"):
        body = BODIES.get(str(route))
        if route.method in ("POST", "PUT", "PATCH"):
            assert body is not None, f"say in BODIES what is sent to {route}"
        path, sent = place.fill(route.path), place.fill(body)
        asker = place.asker(route)
        answer = native(asker, route.method, path, sent)
        place.check(route, answer)
        if "{id}" in route.path or "{task}" in route.path:
            assert answer.status_code == 404, f"{route}: {answer.text}"
        if route.path.endswith("/tasks"):
            assert place.owners["task"] not in [str(task["id"]) for task in answer.json()["tasks"]]
        if route.method == "GET" or str(route) in LOOKS:  # and so it was asked properly
            assert native(place.owner, route.method, path, sent).status_code == 200, route
        if str(route) in ANSWERED:
            assert answer.status_code == ANSWERED[str(route)], f"{route}: {answer.text}"
        if answer.status_code == 202 and "location" in answer.headers:
            over(asker, answer)
        if route.method != "GET":
            assert place.library() == before, route
    assert place.library() == before


def test_the_compatible_interface_gives_and_changes_nothing_of_another(place: Place) -> None:
    """By sign; tests/web/test_tenants.py asks by picture and URL too, in every library."""
    before = place.library()
    for route in (*place.of("/rest/"), *place.of("/rpc/")):
        fields = {"cont_sign": place.sign, "brief": "another's", "feedback": place.sign}
        for more in ({}, {"image": b64(PICTURE)}):
            query = {"access_token": place.other.token}
            place.check(route, place.server.http.post(route.path, params=query, data=fields | more))
        assert place.library() == before, route


def test_the_console_gives_and_changes_nothing_of_another(place: Place) -> None:
    """Roles, and that nobody learns what there is: tests/web/console/test_permissions.py."""
    before = place.library()
    routes = place.of("/console/")
    last = [route for route in routes if str(route) in ENDS_ONES_OWN]
    for route in [route for route in routes if route not in last] + last:
        path = place.fill(route.path).removeprefix("/console")
        ask = place.stranger.get if route.method == "GET" else place.stranger.post
        answer = ask(path)
        place.check(route, answer)
        if "{app_id" in route.path:
            assert answer.status_code == 404, f"{route}: {answer.text}"
        else:
            assert str(place.owner.app_id) not in answer.text, route
        if route.method != "GET":
            assert place.library() == before, route
    assert place.library() == before


def test_the_private_interface_is_closed_to_other_networks(place: Place) -> None:
    """And to pages in a browser; a name is not another's: tests/web/private."""
    for route in place.of("/private/"):
        for headers in ({"x-forwarded-for": "203.0.113.9"}, {"origin": "http://a.example"}):
            answer = place.server.http.post(
                place.fill(route.path), headers=headers, json={"appid": "a", "from": "x"}
            )
            assert answer.json()["err_no"] == 12, route
