"""The routes of the native interface, and what every call passes."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.web import inputs
from tusou.web.entrance import Entrance
from tusou.web.queue import Queue
from tusou.web.rest import calls, duplicates
from tusou.web.rest.answers import failure
from tusou.web.rest.calls import Call, query_fields, service_of
from tusou.web.rest.openapi import describe

PREFIX = "/v1/"
_LIBRARY = "/v1/libraries/{service}"
_PICTURE = f"{_LIBRARY}/pictures/{{id}}"
_SCAN = f"{_LIBRARY}/duplicates/scan"
_TWINS = f"{_PICTURE}/duplicates"


class Row(NamedTuple):
    """One call."""

    method: str
    path: str
    work: Callable[[Call], Response]
    operation: str | None = None
    """As what it is counted and charged; None: it is free."""


ROWS = (
    Row("GET", "/v1/libraries", calls.list_libraries),
    Row("GET", _LIBRARY, calls.describe_library),
    Row("GET", f"{_LIBRARY}/pictures", calls.list_pictures),
    Row("POST", f"{_LIBRARY}/pictures", calls.add_picture, "add"),
    Row("GET", _PICTURE, calls.describe_picture),
    Row("PATCH", _PICTURE, calls.update_picture, "update"),
    Row("DELETE", _PICTURE, calls.delete_picture, "delete"),
    Row("GET", f"{_PICTURE}/thumbnail", calls.thumbnail),
    Row("GET", f"{_PICTURE}/original", calls.original),
    Row("POST", f"{_PICTURE}/explain", calls.explain, "search"),
    Row("POST", f"{_LIBRARY}/search", calls.search, "search"),
    Row("GET", _SCAN, duplicates.describe_scan),
    Row("POST", _SCAN, duplicates.start_scan),
    Row("GET", f"{_LIBRARY}/duplicates", duplicates.list_duplicates),
    Row("GET", _TWINS, duplicates.describe_duplicates),
    Row("POST", f"{_TWINS}/keep", duplicates.keep_duplicate),
    Row("POST", f"{_TWINS}/different", duplicates.part_duplicates),
    Row("DELETE", _TWINS, duplicates.delete_duplicates, "delete"),
)


class Rest:
    """The native interface: the same applications, quotas and queue as the compatible one."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._runtime = runtime
        self._queue = queue
        self._entrance = Entrance(runtime, queue)
        self.router = APIRouter()
        for row in ROWS:
            self.router.add_api_route(
                row.path,
                self._endpoint(row),
                methods=[row.method],
                **describe(row.path, row.work, row.operation),
            )

    def _endpoint(self, row: Row) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                with self._queue.place():
                    return await self._serve(request, row)
            except Exception as error:
                return failure(request, error)
            finally:
                self._count(request, row)

        endpoint.__name__ = row.work.__name__
        return endpoint

    async def _serve(self, request: Request, row: Row) -> Response:
        service = service_of(request).name if "service" in request.path_params else None
        charged = (service, row.operation) if service and row.operation else None
        app = await self._entrance.let_in(request, charged)
        if service:
            self._permit(app, service)
        if request.method in ("GET", "DELETE"):
            return await self._work(Call(request, self._runtime, app, _query(request)), row)
        with self._queue.place_of(app.id), self._queue.body(inputs.body_size(request)):
            fields = await inputs.read_fields(request)
            return await self._work(Call(request, self._runtime, app, fields), row)

    async def _work(self, call: Call, row: Row) -> Response:
        """Do it: what is charged in the application's turn, what only reads beside it."""
        if row.operation is None:
            return await to_thread.run_sync(row.work, call)
        return await self._queue.work(call.app.id, lambda: row.work(call))

    def _permit(self, app: App, service: str) -> None:
        app.permit(service)
        if service in self._runtime.settings.closed_services:
            raise TusouError(Problem.MODULE_CLOSED, f"{service} is switched off")

    def _count(self, request: Request, row: Row) -> None:
        name = request.path_params.get("service", "")
        if row.operation is not None and name in SERVICES:
            self._entrance.count(request, name, row.operation)


def _query(request: Request) -> inputs.Fields:
    return query_fields(request.query_params)
