"""The routes of the whole application, by method and path, found by walking it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tusou.runtime import Runtime
from tusou.settings import Settings
from tusou.web.app import create_app
from tusou.web.private.ports import Ports


class Route(NamedTuple):
    """One route."""

    method: str
    path: str
    """With its parameters in braces."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def every_route(data: Path) -> list[Route]:
    """The routes of a server that keeps its things in a folder; it is not started."""
    runtime = Runtime(Settings.load({}, data=data))
    try:
        app = create_app(runtime, Ports("http", 8080, {}))
        return sorted(set(_walk(app.routes, "")))
    finally:
        runtime.close()


def _walk(routes: Iterable[Any], prefix: str) -> Iterator[Route]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _walk(included.routes, prefix)
            continue
        path = prefix + route.path
        inner = getattr(route, "routes", None)
        if inner:
            yield from _walk(inner, path)
        for method in (getattr(route, "methods", None) or ()) if not inner else ():
            if method != "HEAD":
                yield Route(method, path)
