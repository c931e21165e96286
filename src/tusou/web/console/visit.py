"""One request to the console: who asks, for what, in which language, and answers to it."""

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tusou.accounts.apps import App
from tusou.accounts.secrets import digest
from tusou.accounts.users import User
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.web.bodies import Fields
from tusou.web.console.rendering import render
from tusou.web.console.texts import LANGUAGES, Texts

THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a handler knows; handlers run in a thread and return a response or raise."""

    request: Request
    runtime: Runtime
    user: User
    token: str
    """Of the session."""
    say: Texts
    theme: str
    fields: Fields
    """The body; empty where a request has none."""
    proves: Callable[[str], bool]
    """Whether a password is the user's; there are only so many tries."""
    navigation: "tuple[Entry, ...]"

    @property
    def app_id(self) -> int:
        """The AppID in the path."""
        return int(self.request.path_params["app_id"])

    @property
    def service(self) -> Service:
        """The service in the path.

        Raises:
            TusouError: UNKNOWN_SERVICE.
        """
        name = self.request.path_params["service"]
        if name not in SERVICES:
            raise TusouError(Problem.UNKNOWN_SERVICE, name)
        return SERVICES[name]

    def app(self, *, to_change: bool = False) -> App:
        """The application in the path, if it is this user's to see, or to change.

        Raises:
            TusouError: APP_UNKNOWN, there is none or it is somebody else's, which nobody is told
                apart; PERMISSION, it is not to be changed.
        """
        if not self.user.sees(self.app_id):
            raise TusouError(Problem.APP_UNKNOWN, str(self.app_id))
        found = self.runtime.apps.get(self.app_id)
        if to_change and not self.user.changes(self.app_id):
            raise TusouError(Problem.PERMISSION, "this user may look and not change")
        return found

    def apps(self) -> list[App]:
        """All applications that are this user's to see."""
        return [app for app in self.runtime.apps.list() if self.user.sees(app.id)]

    def must_operate(self) -> None:
        """Pass where the user is an operator.

        Raises:
            TusouError: PERMISSION.
        """
        if not self.user.operates:
            raise TusouError(Problem.PERMISSION, "only an operator may do this")

    def page(self, template: str, *, status: int = 200, **facts: Any) -> Response:
        """A page of a template."""
        return page(
            self.request,
            template,
            self.say,
            self.theme,
            status=status,
            user=self.user,
            csrf=csrf(self.token),
            navigation=[entry for entry in self.navigation if entry.is_for(self.user)],
            **facts,
        )

    @property
    def now(self) -> int:
        """This UTC second."""
        return int(time.time())

    def csv(self, name: str, text: str) -> Response:
        """A file for a spreadsheet, which takes it for UTF-8 only with a mark in front."""
        return Response(
            f"\ufeff{text}",
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    def json(self, facts: Mapping[str, Any], status: int = 200) -> Response:
        """Facts for a script."""
        return json_answer(facts, status)

    def go(self, path: str, said: str = "") -> Response:
        """Send the browser on to a page of the console, which says how it went."""
        query = f"?{urlencode({'said': said})}" if said else ""
        return RedirectResponse(f"/console{path}{query}", status_code=303)


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation; what it is called is the text `nav.NAME`."""

    name: str
    path: str
    """Below /console."""
    icon: str
    operators_only: bool = False

    def is_for(self, user: User) -> bool:
        """Whether a user is shown it."""
        return user.operates or not self.operators_only


def csrf(token: str) -> str:
    """What a page of a session gives back with every change; nobody else can know it."""
    return digest(f"csrf of {token}").hex()


def is_csrf(token: str, given: str) -> bool:
    """Whether a request came from a page of the session."""
    return hmac.compare_digest(csrf(token).encode(), given.encode())


def json_answer(facts: Mapping[str, Any], status: int = 200) -> Response:
    """Facts for a script."""
    return Response(
        json.dumps(facts, ensure_ascii=False, separators=(",", ":")),
        status_code=status,
        media_type="application/json; charset=utf-8",
    )


def page(
    request: Request, template: str, say: Texts, theme: str, *, status: int = 200, **facts: Any
) -> Response:
    """A page, with what every page shows: the language, the theme, what was just done."""
    said = request.query_params.get("said", "")
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    context = {
        "user": None,
        "csrf": "",
        "navigation": [],
        "t": say,
        "languages": LANGUAGES,
        "theme": theme,
        "themes": THEMES,
        "path": request.url.path,
        "here": path,
        # Only texts of the catalogue are shown: a link must not put words into our mouth.
        "said": say(f"said.{said}") if f"said.{said}" in say.known else "",
        "script_texts": {},
        **facts,
    }
    return Response(
        render(template, **context), status_code=status, media_type="text/html; charset=utf-8"
    )
