"""The routes of the native interface, and what every call passes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import NamedTuple

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tusou.accounts.apps import App
from tusou.accounts.audit import acting
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.web import bodies
from tusou.web.entrance import Entrance
from tusou.web.queue import Queue
from tusou.web.rest import duplicates, libraries, pictures, searching, tasks
from tusou.web.rest.adding import adder
from tusou.web.rest.answers import failure
from tusou.web.rest.calls import Call, query_fields, service_of
from tusou.web.rest.openapi import describe

PREFIX = "/v1/"
_LIBRARY = "/v1/libraries/{service}"
_PICTURE = f"{_LIBRARY}/pictures/{{id}}"
_SCAN = f"{_LIBRARY}/duplicates/scan"
_TWINS = f"{_PICTURE}/duplicates"
_TASK = f"{_LIBRARY}/tasks/{{task}}"


class Row(NamedTuple):
    """One call."""

    method: str
    path: str
    work: Callable[[Call], Response | Awaitable[Response]]
    operation: str | None = None
    """As what it is counted and charged; None: it is free."""
    heavy: bool = False
    """It takes a while, though it is free: it waits for the application's turn."""
    most_bytes: int = bodies.BODY_LIMIT
    """Of the body; 0: the call reads it itself."""


ROWS = (
    Row("GET", "/v1/libraries", libraries.list_libraries),
    Row("POST", "/v1/libraries", libraries.create_library),
    Row("GET", _LIBRARY, libraries.describe_library),
    Row("PATCH", _LIBRARY, libraries.resize_library),
    Row("DELETE", _LIBRARY, libraries.release_library),
    Row("GET", f"{_LIBRARY}/stats", libraries.describe_stats, heavy=True),
    Row("POST", f"{_LIBRARY}/move", libraries.move_library),
    Row("POST", f"{_LIBRARY}/rebuild", libraries.rebuild_library),
    Row("GET", f"{_LIBRARY}/pictures", pictures.list_pictures),
    Row("POST", f"{_LIBRARY}/pictures", pictures.add_picture, "add"),
    Row(
        "POST", f"{_LIBRARY}/pictures/batch", pictures.add_pictures, most_bytes=pictures.BATCH_BYTES
    ),
    Row("POST", f"{_LIBRARY}/pictures/exists", pictures.find_picture, heavy=True),
    Row("POST", f"{_LIBRARY}/pictures/delete", pictures.delete_pictures),
    Row("POST", f"{_LIBRARY}/pictures/retag", pictures.retag_pictures),
    Row("GET", _PICTURE, pictures.describe_picture),
    Row("PATCH", _PICTURE, pictures.update_picture, "update"),
    Row("DELETE", _PICTURE, pictures.delete_picture, "delete"),
    Row("GET", f"{_PICTURE}/thumbnail", pictures.thumbnail),
    Row("GET", f"{_PICTURE}/original", pictures.original),
    Row("POST", f"{_PICTURE}/explain", searching.explain, "search"),
    Row("POST", f"{_LIBRARY}/search", searching.search, "search"),
    Row(
        "POST",
        f"{_LIBRARY}/compare",
        searching.compare,
        "search",
        most_bytes=searching.COMPARE_BYTES,
    ),
    Row("POST", f"{_LIBRARY}/import", tasks.import_pictures, most_bytes=0),
    Row("POST", f"{_LIBRARY}/export", tasks.export_pictures),
    Row("GET", f"{_LIBRARY}/tasks", tasks.list_tasks),
    Row("GET", _TASK, tasks.describe_task),
    Row("POST", f"{_TASK}/cancel", tasks.cancel_task),
    Row("GET", f"{_TASK}/errors", tasks.task_errors),
    Row("GET", f"{_TASK}/file", tasks.task_file),
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
        runtime.jobs.connect(adder(runtime))
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
        call = Call(request, self._runtime, self._queue, app, query_fields(request.query_params))
        with acting(f"app {app.id}"), self._queue.place():
            if request.method in ("GET", "DELETE"):
                return await self._work(call, row)
            size = bodies.body_size(request, row.most_bytes)
            with self._queue.place_of(app.id), self._queue.body(size):
                if row.most_bytes:
                    fields = await bodies.read_fields(request, row.most_bytes)
                    call = replace(call, fields=fields)
                return await self._work(call, row)

    async def _work(self, call: Call, row: Row) -> Response:
        """Do it: what is charged or heavy in the application's turn, the rest beside it."""

        def work() -> Response:
            done = row.work(call)
            assert isinstance(done, Response)  # noqa: S101 - the others are coroutines
            return done

        if iscoroutinefunction(row.work):
            made: Response = await row.work(call)
            return made
        if row.operation is None and not row.heavy:
            return await to_thread.run_sync(work)
        return await self._queue.work(call.app.id, work)

    def _permit(self, app: App, service: str) -> None:
        app.permit(service)
        if service in self._runtime.settings.closed_services:
            raise TusouError(Problem.MODULE_CLOSED, f"{service} is switched off")

    def _count(self, request: Request, row: Row) -> None:
        name = request.path_params.get("service", "")
        if row.operation is not None and name in SERVICES:
            self._entrance.count(request, name, row.operation)
