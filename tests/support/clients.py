"""The two clients, called alike."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from tusou.client import AsyncClient

Connect = Callable[..., Any]
"""Makes a client for an application and an address."""


class Awaited:
    """An `AsyncClient` whose methods are called as those of a `Client`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*args, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **options: Any) -> Any:
            made = method(*args, **options)
            if inspect.isasyncgen(made):
                return self._each(made)
            return self._runner.run(made)

        return call

    def _each(self, made: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._runner.run(_await(anext(made)))
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(made.aclose())

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


async def _await(awaitable: Any) -> Any:
    return await awaitable
