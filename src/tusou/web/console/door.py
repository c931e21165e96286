"""Signing in and out: the form, its guards against guessing and forging, and the cookies."""

import hmac
import math
import secrets
from functools import partial
from typing import Final

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tusou.accounts.secrets import digest
from tusou.accounts.sessions import LONGEST_SECONDS
from tusou.accounts.users import User
from tusou.runtime import Runtime
from tusou.web.bodies import Fields
from tusou.web.console.attempts import Attempts, network
from tusou.web.console.texts import Texts
from tusou.web.console.visit import page

COOKIE: Final = "tusou_session"
HOME: Final = "/console/libraries"
_FORM_COOKIE = "tusou_form"
_FORM_SECONDS = 3600
_KNOWN_COOKIE = "tusou_known"
_KNOWN_SECONDS = 180 * 24 * 3600

# Hashing takes 19 MiB and all of a core for a moment; more at once would hold up the pictures.
_HASHERS = 2


class Door:
    """Lets people in who know their password, and slows down those who guess."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._by_name = Attempts(tries=10, seconds=30)
        self._by_address = Attempts(tries=20, seconds=10)
        self._by_browser = Attempts(tries=10, seconds=30)
        self._by_user = Attempts(tries=10, seconds=30)
        self._hashers = anyio.CapacityLimiter(_HASHERS)

    def show(
        self, request: Request, say: Texts, theme: str, problem: str = "", status: int = 200
    ) -> Response:
        """The form."""
        # Nobody is signed in yet, so the form is tied to the browser by a cookie of its own:
        # another site could otherwise sign a visitor in as somebody else.
        held = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(24)
        response = page(
            request,
            "sign_in.html",
            say,
            theme,
            status=status,
            form_token=_form_token(held),
            next=inside(request.query_params.get("next")),
            problem=problem,
        )
        set_cookie(request, response, _FORM_COOKIE, held, _FORM_SECONDS)
        return response

    async def enter(self, request: Request, fields: Fields, say: Texts, theme: str) -> Response:
        """Sign in, or show the form again and say why not."""
        held = request.cookies.get(_FORM_COOKIE, "")
        given = fields.text("form") or ""
        if not held or not hmac.compare_digest(_form_token(held).encode(), given.encode()):
            return self.show(request, say, theme, say("door.stale"), status=403)
        name, password = fields.text("name") or "", fields.text("password") or ""
        address = request.client.host if request.client else ""
        keys = self._buckets(request, name, address)
        wait = max(attempts.wait(key) for attempts, key in keys)
        if wait:
            response = self.show(
                request, say, theme, say("door.wait", n=math.ceil(wait)), status=429
            )
            response.headers["retry-after"] = str(math.ceil(wait))
            return response
        for attempts, key in keys:
            attempts.take(key)
        check = partial(self._runtime.users.with_password, name, password)
        user = await to_thread.run_sync(check, limiter=self._hashers)
        if user is None:
            return self.show(request, say, theme, say("door.wrong"), status=403)
        for attempts, key in keys:
            attempts.give_back(key)
        return await to_thread.run_sync(partial(self._let_in, request, fields, user, address))

    def proves(self, user: User, password: str) -> bool:
        """Whether a signed-in user knows their password; guessing is slow here, too."""
        if self._by_user.wait(user.name):
            return False
        self._by_user.take(user.name)
        if self._runtime.users.with_password(user.name, password) is None:
            return False
        self._by_user.give_back(user.name)
        return True

    def _buckets(
        self, request: Request, name: str, address: str
    ) -> tuple[tuple[Attempts, str], ...]:
        """Where a try is counted.

        Who guesses at a name uses up its tries, so a browser in which its user has signed in before
        has tries of its own: nobody can keep that user out.
        """
        known = self._known(request, name)
        if known:
            return ((self._by_browser, known),)
        return ((self._by_name, name.lower()[:64]), (self._by_address, network(address)))

    def _known(self, request: Request, name: str) -> str:
        """The mark of a browser in which this user has signed in; empty where it has none."""
        mark = request.cookies.get(_KNOWN_COOKIE, "")
        wanted = self._mark(mark.partition(".")[0], name)
        return mark if hmac.compare_digest(mark.encode(), wanted.encode()) else ""

    def _mark(self, number: str, name: str) -> str:
        return f"{number}.{self._runtime.vault.derive(f'browser {number} of {name}', 32)}"

    def _let_in(self, request: Request, fields: Fields, user: User, address: str) -> Response:
        old = request.cookies.get(COOKIE)
        if old:
            self._runtime.sessions.close(old)
        agent = request.headers.get("user-agent", "")
        token = self._runtime.sessions.open(user, address, agent)
        response = RedirectResponse(inside(fields.text("next")), status_code=303)
        set_cookie(request, response, COOKIE, token, LONGEST_SECONDS)
        mark = self._known(request, user.name) or self._mark(secrets.token_hex(16), user.name)
        set_cookie(request, response, _KNOWN_COOKIE, mark, _KNOWN_SECONDS)
        return response


def inside(path: str | None) -> str:
    """A path of the console; any other becomes its first page: no link sends people elsewhere."""
    if path is None or not (path == "/console" or path.startswith(("/console/", "/console?"))):
        return HOME
    if any(sign in path for sign in ("\\", "\r", "\n", "//")):
        return HOME
    return path


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie that scripts and other sites do not get."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/console",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def _form_token(held: str) -> str:
    return digest(f"form of {held}").hex()
