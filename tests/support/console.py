"""A person at the console, by plain HTTP."""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from support.server import Caller, Server

PASSWORD = "correct horse battery"


class Visitor:
    """A user of a role, signed in through a session of their own."""

    def __init__(self, server: Server, role: str, apps: Iterable[int] = ()) -> None:
        self.name = f"{role}-{secrets.token_hex(4)}"
        with server.office() as office:
            user = office.users.add(self.name, PASSWORD, role, apps)
            self.token = office.sessions.open(user, "127.0.0.1", "test")
        self.http = httpx.Client(
            base_url=f"{server.address}/console",
            timeout=60,
            trust_env=False,
            headers={"accept": "text/html", "accept-language": "en"},
        )
        # As the server sets it, so that one it sets later takes its place.
        self.http.cookies.set("tusou_session", self.token, "127.0.0.1", "/console")
        page = self.http.get("/account").text
        found = re.search(r'name="csrf" content="(\w+)"', page)
        assert found, page
        self.csrf = found[1]

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A page or facts."""
        return self.http.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """A change, from a page of the session, by a script."""
        headers = {"x-csrf-token": self.csrf, "accept": "application/json"}
        return self.http.post(path, headers=headers, **options)


Visit = Callable[..., Visitor]
"""Makes a visitor of a role, with applications; the fixture `visit`."""


@dataclass
class Place:
    """An application with one picture, and people who have to do with it or do not."""

    server: Server
    caller: Caller
    operator: Visitor
    owner: Visitor
    viewer: Visitor
    stranger: Visitor
    """An owner of nothing here."""
    sign: str
    key: int

    @property
    def library(self) -> str:
        """The path of the library that has the picture."""
        return f"/libraries/{self.caller.app_id}/same_hq"


def form_of(page: httpx.Response) -> str:
    """What the sign-in form of a page gives back."""
    found = re.search(r'name="form" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]
