"""The HTTP application: routes put together, health, and the last resort for errors."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tusou import __version__
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.web.answers import answer, failure
from tusou.web.compat import Compat, unknown_call
from tusou.web.console.console import create_console
from tusou.web.headers import COMMON, Headers
from tusou.web.log import RequestLog
from tusou.web.metrics import Metrics
from tusou.web.private.calls import Private
from tusou.web.private.ports import PREFIX, Ports, PortTable
from tusou.web.proxies import Proxies
from tusou.web.queue import Queue
from tusou.web.rest import answers as rest
from tusou.web.rest.routes import PREFIX as REST
from tusou.web.rest.routes import Rest
from tusou.web.watch import Watch

if TYPE_CHECKING:
    from tusou.web.tracing import Tracing

_CONTRACT = ("/rest/", "/rpc/", "/oauth/")


def create_app(runtime: Runtime, ports: Ports) -> FastAPI:
    """The application of a runtime; it starts the runtime and closes it.

    Args:
        runtime: The server without its HTTP.
        ports: What is told apart by the port that a request comes in by.
    """
    queue = Queue(runtime.settings)
    metrics = Metrics(runtime, queue)
    watchers = [metrics.count]
    undo = ExitStack()
    if runtime.settings.traces:
        tracing = _open_tracing(runtime.settings.traces)
        undo.callback(tracing.close)
        watchers.append(tracing.trace)
    undo.callback(runtime.close)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        yield
        await to_thread.run_sync(undo.close)

    app: FastAPI = FastAPIOffline(
        title="tusou 图搜",
        version=__version__,
        summary="Image search with the API of Baidu's image search",
        lifespan=lifespan,
        redoc_url=None,  # ReDoc loads its logo from its makers' server
        redirect_slashes=False,
    )
    app.include_router(metrics.router)
    app.include_router(Compat(runtime, queue).router)
    app.include_router(Rest(runtime, queue).router)
    private = Private(runtime, queue)
    app.include_router(private.router)
    app.mount("/console", create_console(runtime, queue))

    @app.get("/", include_in_schema=False)
    @app.get("/console", include_in_schema=False)
    def home() -> Response:
        return RedirectResponse("/console/")

    @app.get("/healthz", include_in_schema=False)
    def alive(request: Request) -> Response:
        return answer(request, {"status": "ok"})

    @app.get("/readyz", include_in_schema=False)
    def ready(request: Request) -> Response:
        if runtime.ready.is_set():
            return answer(request, {"status": "ready"})
        return answer(request, {"status": "starting"}, status=503)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith(PREFIX):
            return private.unknown(request)
        if request.url.path.startswith(REST):
            detail = f"no such path or method: {request.method} {request.url.path}"
            return rest.failure(request, TusouError(Problem.METHOD, detail), error.status_code)
        # The contract answers 200 always; elsewhere a wrong path is an ordinary 404.
        inside = request.url.path.startswith(_CONTRACT)
        problem = unknown_call(request.url.path)
        return failure(request, problem, status=200 if inside else error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return failure(request, error, status=500)

    app.add_middleware(Watch, watchers=watchers)
    app.add_middleware(Headers, headers=COMMON, when_encrypted={})
    app.add_middleware(PortTable, ports=ports)  # around them: it makes a path of a port
    app.add_middleware(RequestLog)  # around it, and so logs what was asked for
    app.add_middleware(Proxies, trusted=runtime.settings.trusted_proxies)  # around the log
    return app


def _open_tracing(address: str) -> "Tracing":
    """Make traces; only who wants them needs their packages, and waits for these to load.

    Raises:
        RuntimeError: the packages are not there.
    """
    try:
        from tusou.web.tracing import Tracing
    except ImportError as error:
        raise RuntimeError(
            "TUSOU_TRACES needs packages that are not here: pip install 'tusou[tracing]'"
        ) from error
    return Tracing(address)
