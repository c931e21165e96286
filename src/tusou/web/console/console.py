"""The console's application: its pages put together, and what every request to it passes."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tusou.accounts.audit import acting
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.web import bodies
from tusou.web.bodies import Fields
from tusou.web.console import (
    account,
    applications,
    door,
    duplicates,
    libraries,
    pictures,
    plans,
    quota_plans,
    searching,
    trying,
    usage,
    users,
)
from tusou.web.console.guards import (
    HEADERS,
    WHEN_ENCRYPTED,
    require_no_other_site,
    require_own_page,
)
from tusou.web.console.pages import Page, Work
from tusou.web.console.problems import failure, is_script
from tusou.web.console.rendering import STATIC, VERSION, media_type
from tusou.web.console.texts import choose, texts
from tusou.web.console.visit import THEMES, Visit
from tusou.web.headers import Headers
from tusou.web.queue import Queue

T = TypeVar("T")

PAGES: tuple[Page, ...] = (
    libraries.PAGE,
    applications.PAGE,
    pictures.PAGE,
    duplicates.PAGE,
    searching.PAGE,
    usage.PAGE,
    plans.PAGE,
    quota_plans.PAGE,
    trying.PAGE,
    users.PAGE,
    account.PAGE,
)
"""All pages; those with an entry are in the navigation, in this order."""

_THREADS = 6
"""Pages and thumbnails made at the same time; pictures are worked on in the server's own queue."""


def create_console(runtime: Runtime, queue: Queue) -> ASGIApp:
    """The application below /console."""
    return Console(runtime, queue).app


class Console:
    """The routes, and what every request passes: who visits, whether it is from our own pages."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._runtime = runtime
        self._queue = queue
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._door = door.Door(runtime)
        routes = [
            Route("/", _home),
            Route("/static/{version}/{name}", _static),
            Route("/sign-in", self._at_the_door, methods=["GET", "POST"]),
            Route("/show", self._show, methods=["POST"]),
            *(
                Route(row.path, self._endpoint(row), methods=[row.method])
                for page in PAGES
                for row in page.rows
            ),
        ]
        self.app = Starlette(
            routes=routes,
            middleware=[Middleware(Headers, headers=HEADERS, when_encrypted=WHEN_ENCRYPTED)],
            exception_handlers={HTTPException: self._unknown},
        )
        self.app.router.redirect_slashes = False

    def _endpoint(self, row: Work) -> Callable[[Request], object]:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._serve(request, row)
            except Exception as error:
                return _failure(request, error)

        return endpoint

    async def _serve(self, request: Request, row: Work) -> Response:
        token = request.cookies.get(door.COOKIE, "")
        user = await self._thread(lambda: self._runtime.sessions.user(token)) if token else None
        if user is None:
            return _to_the_door(request)
        request.state.note["user"] = user.name
        with self._queue.place(), self._queue.body(_size(request)):
            fields = await _fields(request)
            if _may_change(request):
                require_own_page(request, token, fields)
            visit = Visit(
                request=request,
                runtime=self._runtime,
                user=user,
                token=token,
                say=texts(_language(request)),
                theme=_theme(request),
                fields=fields,
                proves=partial(self._door.proves, user),
                navigation=tuple(page.entry for page in PAGES if page.entry),
            )

            def work() -> Response:
                with acting(f"console:{user.name}"):
                    return row.work(visit)

            if row.heavy:
                # After the same queue as calls of the interfaces, in the application's turn.
                app_id = (await self._thread(visit.app)).id
                return await self._queue.work(app_id, work)
            return await self._thread(work)

    async def _thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._threads)

    async def _at_the_door(self, request: Request) -> Response:
        say, theme = texts(_language(request)), _theme(request)
        try:
            if not _may_change(request):
                return self._door.show(request, say, theme)
            require_no_other_site(request)
            fields = await bodies.read_fields(request, bodies.SMALL_BODY)
            with self._queue.place():
                return await self._door.enter(request, fields, say, theme)
        except Exception as error:
            return _failure(request, error)

    async def _show(self, request: Request) -> Response:
        """Switch language or theme, which needs no session: the sign-in page has the switches."""
        try:
            require_no_other_site(request)
            fields = await bodies.read_fields(request, bodies.SMALL_BODY)
        except TusouError as error:
            return _failure(request, error)
        response = RedirectResponse(door.inside(fields.text("here")), status_code=303)
        for name, values in (("language", ("zh", "en")), ("theme", THEMES)):
            value = fields.text(name)
            if value is not None and value in values:
                door.set_cookie(request, response, f"tusou_{name}", value, 365 * 24 * 3600)
        return response

    def _unknown(self, request: Request, error: Exception) -> Response:
        return _failure(request, TusouError(Problem.METHOD, request.url.path))


def _failure(request: Request, error: Exception) -> Response:
    return failure(request, error, texts(_language(request)), _theme(request))


def _home(_: Request) -> Response:
    return RedirectResponse("/console/libraries")


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC or request.path_params["version"] != VERSION:
        raise HTTPException(404)
    return Response(
        STATIC[name],
        media_type=media_type(name),
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )


def _to_the_door(request: Request) -> Response:
    """A person goes to sign in and comes back; a script is told."""
    if _may_change(request) or is_script(request):
        raise TusouError(Problem.NO_CREDENTIALS, "not signed in, or no longer")
    query = f"?{request.url.query}" if request.url.query else ""
    here = quote(request.url.path + query, safe="/")
    return RedirectResponse(f"/console/sign-in?next={here}", status_code=303)


def _may_change(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")


def _size(request: Request) -> int:
    return bodies.body_size(request) if _may_change(request) else 0


async def _fields(request: Request) -> Fields:
    return await bodies.read_fields(request) if _may_change(request) else Fields()


def _language(request: Request) -> str:
    accepted = request.headers.get("accept-language", "")
    return choose(request.cookies.get("tusou_language"), accepted)


def _theme(request: Request) -> str:
    theme = request.cookies.get("tusou_theme", "")
    return theme if theme in THEMES else THEMES[0]
