"""The calls of the private interface: RTSAsService and GeneralClassifyService of each service."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.library.library import Library
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.types import ContSign
from tusou.web import bodies
from tusou.web.callers import charge
from tusou.web.private import inputs
from tusou.web.private.answers import answer, failure, item
from tusou.web.private.features import classify
from tusou.web.private.inputs import Message
from tusou.web.private.ports import PREFIX, Gate
from tusou.web.queue import Queue

Facts = Mapping[str, Any]
_ANYBODY = 0  # no AppID: a call that belongs to no application


class Private:
    """The routes, and what every call passes: the gate, the queue, whom it is about, its quota."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._runtime = runtime
        self._queue = queue
        self._gate = Gate(runtime.settings)
        self.router = APIRouter(include_in_schema=False)
        for service in SERVICES.values():
            home = f"{PREFIX}{service.name}"
            for call in (*_CALLS, "signup"):
                self._route(f"{home}/RTSAsService/{call}", self._endpoint(service, call))
            self._route(f"{home}/GeneralClassifyService/classify", self._classifier(service))

    def _route(self, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self.router.add_api_route(path, endpoint, methods=["POST"])

    def unknown(self, request: Request) -> Response:
        """The answer for a path or method that is not there."""
        detail = f"no such path or method: {request.method} {request.url.path}"
        return failure(request, TusouError(Problem.METHOD, detail))

    def _endpoint(self, service: Service, call: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            async def work(message: Message) -> Facts:
                if call == "signup":
                    return await self._sign_up(service, message)
                return await self._call(request, service, call, message)

            response = await self._serve(request, service, work)
            self._count(request, service.name, call)
            return response

        return endpoint

    def _classifier(self, service: Service) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            async def work(message: Message) -> Facts:
                return await self._queue.work(
                    _ANYBODY, lambda: classify(self._runtime, service, message)
                )

            return await self._serve(request, service, work)

        return endpoint

    async def _serve(
        self,
        request: Request,
        service: Service,
        work: Callable[[Message], Awaitable[Facts]],
    ) -> Response:
        """Let in, read, work, answer; whatever goes wrong has its envelope."""
        try:
            with self._queue.place():
                self._gate.admit(request)
                if not self._runtime.ready.is_set():
                    raise TusouError(Problem.UNAVAILABLE, "the server is starting")
                if service.name in self._runtime.settings.closed_services:
                    raise TusouError(Problem.MODULE_CLOSED, f"{service.name} is switched off")
                with self._queue.body(bodies.body_size(request)):
                    message = Message.parse(await bodies.read_body(request))
                    request.state.note.update(inputs.sender(message))
                    return answer(await work(message))
        except Exception as error:
            return failure(request, error)

    async def _sign_up(self, service: Service, message: Message) -> Facts:
        name = inputs.name(message)
        await self._queue.look_up(lambda: self._runtime.sign_up(name, service.name))
        return {}

    async def _call(self, request: Request, service: Service, call: str, message: Message) -> Facts:
        runtime, (operation, work) = self._runtime, _CALLS[call]
        name = inputs.name(message)

        def look_up() -> App:
            app = runtime.signups.holder(name)
            request.state.note["app_id"] = app.id
            if operation is None:
                app.permit(service.name)
            else:
                charge(runtime, app, service.name, operation)
            return app

        app = await self._queue.look_up(look_up)
        with self._queue.place_of(app.id):
            return await self._queue.work(app.id, lambda: work(runtime, app, service, message))

    def _count(self, request: Request, service: str, call: str) -> None:
        """Count a call that has its answer as the same call of the cloud interface."""
        note, operation = request.state.note, _CALLS[call][0] if call in _CALLS else None
        if operation is not None:
            request.state.call = service, operation  # for those who watch
        if operation is not None and "app_id" in note:
            self._runtime.usage.record(note["app_id"], service, operation, note.get("error_code"))


def _add(runtime: Runtime, app: App, service: Service, message: Message) -> Facts:
    library = _library(runtime, app, service)
    brief, classes = inputs.required_brief(message), inputs.classes(message)
    try:
        library.add(inputs.required_picture(message), brief, classes or (0, 0))
    except TusouError as error:
        if error.problem is not Problem.ITEM_EXISTS:
            raise
        there = library.stored(ContSign.parse(error.facts["cont_sign"]))
        items = [item(there)] if there else []  # deleted a moment ago
        raise TusouError(error.problem, error.detail, data_items=items) from error
    return {}


def _search(runtime: Runtime, app: App, service: Service, message: Message) -> Facts:
    library = _library(runtime, app, service)
    first, count = inputs.page(message, service)
    found = library.search(inputs.required_picture(message), None, first, count)
    return {
        "data_items": [item(hit, score=round(hit.score, 6)) for hit in found.hits],
        "has_more": int(found.has_more),
    }


def _remove(runtime: Runtime, app: App, service: Service, message: Message) -> Facts:
    _library(runtime, app, service).delete(inputs.remove_source(message))
    return {}


def _update(runtime: Runtime, app: App, service: Service, message: Message) -> Facts:
    library = _library(runtime, app, service)
    brief, classes = inputs.brief(message), inputs.classes(message)
    if brief is None and classes is None:
        raise TusouError(Problem.MISSING_PARAM, "feature 1000, the brief, not exist")
    library.update(inputs.update_source(message), brief, classes or (None, None))
    return {}


def _snapshot(runtime: Runtime, app: App, service: Service, message: Message) -> Facts:
    row = runtime.registry.get(app.id, service.name)
    # Nothing waits in a queue here: what was acknowledged is found.
    return {
        "snapshot": {
            "tag": 0,
            "index_size": row.size,
            "index_capacity": row.capacity,
            "queue_size": 0,
        }
    }


def _library(runtime: Runtime, app: App, service: Service) -> Library:
    return runtime.catalogue.library(app.id, service.name)


_Work = Callable[[Runtime, App, Service, Message], Facts]
_CALLS: dict[str, tuple[str | None, _Work]] = {
    "add": ("add", _add),
    "search": ("search", _search),
    "remove": ("delete", _remove),
    "update": ("update", _update),
    "snapshot": (None, _snapshot),
}
"""What each call is called in the cloud interface, where it has quotas and prices, and its work."""
