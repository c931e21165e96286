"""`Client` and `AsyncClient`: the native interface, by blocking and by awaiting.

What the calls are stands in `calls`, how they are made in `exchange`. Here is only what differs:
how a request is sent, waited for, and how many are in hand at a time.
"""

import asyncio
import json
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from inspect import Parameter, signature
from pathlib import Path
from ssl import SSLContext
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, get_args

import httpx

from tusou.client import calls
from tusou.client.bulk import CONCURRENCY, OF_ONE, Added, Given, NewPicture, as_new, most_waiting
from tusou.client.call import Call, Paged, following
from tusou.client.calls.batches import add_one
from tusou.client.exchange import Exchange, Pause, Renew, Reply, Retries, Send, Step, Steps
from tusou.client.files import A_PART, Arriving

P = ParamSpec("P")
T = TypeVar("T")
_Method = TypeVar("_Method", bound=Callable[..., Any])


class _Opened:
    """What both clients are made with."""

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        host: str = "http://127.0.0.1:8080",
        *,
        timeout: float | httpx.Timeout = 60.0,
        retries: int = 3,
        verify: bool | SSLContext = True,
        proxy: str | None = None,
    ) -> None:
        """Ask for nothing yet; the first call gets a token.

        Args:
            api_key: The application's API Key.
            secret_key: Its Secret Key.
            host: The server's address, with http:// or https://.
            timeout: Seconds to wait for a connection, and between parts of an answer.
            retries: How often a call is tried again that failed for a reason that passes.
            verify: Whether the server must show a certificate that this machine trusts, or one
                that a context does.
            proxy: Address of a proxy; by default as httpx finds one.

        Raises:
            ValueError: `host` is no such address.
        """
        self._exchange = Exchange(api_key, secret_key, host, Retries(retries))
        self._connect(timeout=timeout, verify=verify, proxy=proxy)

    def _connect(self, **options: Any) -> None:
        """Make what sends, with options of httpx."""
        raise NotImplementedError

    @classmethod
    def from_file(cls, keys: str | os.PathLike[str], host: str, **options: Any) -> Self:
        """With the keys of a file, as `tusou app show APP_ID --json` prints them.

        Raises:
            ValueError: it is no such file.
        """
        try:
            found = json.loads(Path(keys).read_text("utf-8"))
            api_key, secret_key = str(found["api_key"]), str(found["secret_key"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{keys} is no output of: tusou app show APP_ID --json") from error
        return cls(api_key, secret_key, host, **options)


def _like(method: _Method, make: Callable[..., Any], result: object = None) -> _Method:
    """Give a method name, parameters and description of its call, for those who ask for help."""
    plain = signature(make)
    (told,) = get_args(plain.return_annotation)
    this = Parameter("self", Parameter.POSITIONAL_ONLY)
    method.__name__ = make.__name__
    method.__doc__ = make.__doc__
    method.__signature__ = plain.replace(  # type: ignore[attr-defined]
        parameters=[this, *plain.parameters.values()], return_annotation=result or told
    )
    return method


def _blocking(make: Callable[P, Call[T]]) -> "Callable[Concatenate[Client, P], T]":
    """A method of `Client` that makes a call."""

    def method(self: "Client", /, *args: P.args, **options: P.kwargs) -> T:
        return self.run(make(*args, **options))

    return _like(method, make)


def _awaiting(
    make: Callable[P, Call[T]],
) -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    """A method of `AsyncClient` that makes a call."""

    async def method(self: "AsyncClient", /, *args: P.args, **options: P.kwargs) -> T:
        return await self.run(make(*args, **options))

    return _like(method, make)


def _blocking_pages(
    make: Callable[P, Call[Paged[T]]],
) -> "Callable[Concatenate[Client, P], Iterator[T]]":
    """A method of `Client` that goes through all pages of a list."""

    def method(self: "Client", /, *args: P.args, **options: P.kwargs) -> Iterator[T]:
        call: Call[Paged[T]] | None = make(*args, **options)
        while call is not None:
            page = self.run(call)
            yield from page
            call = following(call, page)

    return _like(method, make, Iterator[_told_by(make)])  # type: ignore[misc]


def _awaiting_pages(
    make: Callable[P, Call[Paged[T]]],
) -> "Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]":
    """A method of `AsyncClient` that goes through all pages of a list."""

    async def method(
        self: "AsyncClient", /, *args: P.args, **options: P.kwargs
    ) -> AsyncIterator[T]:
        call: Call[Paged[T]] | None = make(*args, **options)
        while call is not None:
            page = await self.run(call)
            for each in page:
                yield each
            call = following(call, page)

    return _like(method, make, AsyncIterator[_told_by(make)])  # type: ignore[misc]


def _told_by(make: Callable[..., Any]) -> Any:
    """What a page that a call brings consists of."""
    (page,) = get_args(signature(make).return_annotation)
    (each,) = get_args(signature(page.__iter__).return_annotation)
    return each


class Client(_Opened):
    """The native interface, call by call; threads may share it."""

    def _connect(self, **options: Any) -> None:
        self._http = httpx.Client(**options)
        self._renewing = threading.Lock()

    libraries = _blocking(calls.libraries)
    create_library = _blocking(calls.create_library)
    library = _blocking(calls.library)
    resize_library = _blocking(calls.resize_library)
    release_library = _blocking(calls.release_library)
    stats = _blocking(calls.stats)
    move_library = _blocking(calls.move_library)
    rebuild_library = _blocking(calls.rebuild_library)

    list_pictures = _blocking(calls.list_pictures)
    pictures = _blocking_pages(calls.list_pictures)
    picture = _blocking(calls.picture)
    thumbnail = _blocking(calls.thumbnail)
    original = _blocking(calls.original)
    add = _blocking(calls.add)
    add_batch = _blocking(calls.add_batch)
    exists = _blocking(calls.exists)
    update = _blocking(calls.update)
    delete = _blocking(calls.delete)
    delete_pictures = _blocking(calls.delete_pictures)
    retag_pictures = _blocking(calls.retag_pictures)

    search = _blocking(calls.search)
    hits = _blocking_pages(calls.search)
    compare = _blocking(calls.compare)
    explain = _blocking(calls.explain)
    draw = _blocking(calls.draw)

    import_file = _blocking(calls.import_file)
    import_manifest = _blocking(calls.import_manifest)
    export = _blocking(calls.export)
    list_tasks = _blocking(calls.list_tasks)
    tasks = _blocking_pages(calls.list_tasks)
    task = _blocking(calls.task)
    wait = _blocking(calls.wait)
    cancel_task = _blocking(calls.cancel_task)
    task_errors = _blocking(calls.task_errors)
    download = _blocking(calls.download)

    start_scan = _blocking(calls.start_scan)
    scan = _blocking(calls.scan)
    wait_for_scan = _blocking(calls.wait_for_scan)
    list_duplicates = _blocking(calls.list_duplicates)
    duplicates = _blocking_pages(calls.list_duplicates)
    duplicates_of = _blocking(calls.duplicates_of)
    keep_duplicate = _blocking(calls.keep_duplicate)
    part_duplicates = _blocking(calls.part_duplicates)
    delete_duplicates = _blocking(calls.delete_duplicates)

    def add_many(
        self, service: str, pictures: Given, *, concurrency: int = CONCURRENCY
    ) -> Iterator[Added]:
        """Add pictures, several at a time, and tell of each, in the order in which they are given.

        They are taken from the iterable as there is room. One that is not taken stops nothing.

        Raises:
            ClientError: what the next picture would meet, too: a wrong key, a full library, no
                server. Some of those that come after the last one told of may be there then.
            ValueError: `concurrency` is below 1.
        """
        window = most_waiting(concurrency)

        def bring(index: int, new: NewPicture) -> Added:
            try:
                return Added(index, new, self.run(add_one(service, new)), None)
            except OF_ONE as error:
                return Added(index, new, None, error)

        waiting = deque[Future[Added]]()
        with ThreadPoolExecutor(concurrency, "tusou-add") as threads:
            try:
                for index, given in enumerate(pictures):
                    waiting.append(threads.submit(bring, index, as_new(given)))
                    if len(waiting) >= window:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def run(self, call: Call[T]) -> T:
        """Make a call.

        Raises:
            ClientError: what came of it instead of a result.
        """
        return self._drive(self._exchange.steps(call))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drive(self, steps: Steps[T]) -> T:
        reply: Reply = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = self._take(step)

    def _take(self, step: Step) -> Reply:
        match step:
            case Send():
                try:
                    return self._send(step)
                except httpx.RequestError as error:
                    return error
            case Pause(seconds):
                time.sleep(seconds)
            case Renew(stale):
                with self._renewing:
                    self._drive(self._exchange.renewal(stale))
        return None

    def _send(self, step: Send) -> httpx.Response:
        request = step.request(self._http)
        if step.into is None:
            return self._http.send(request)
        with closing(self._http.send(request, stream=True)) as response:
            if response.is_success:
                with Arriving(step.into) as file:
                    for part in response.iter_bytes(A_PART):
                        file.write(part)
            else:
                response.read()
        return response


class AsyncClient(_Opened):
    """The native interface, call by call, for asyncio; the tasks of one event loop may share it."""

    def _connect(self, **options: Any) -> None:
        self._http = httpx.AsyncClient(**options)
        self._renewing = asyncio.Lock()

    libraries = _awaiting(calls.libraries)
    create_library = _awaiting(calls.create_library)
    library = _awaiting(calls.library)
    resize_library = _awaiting(calls.resize_library)
    release_library = _awaiting(calls.release_library)
    stats = _awaiting(calls.stats)
    move_library = _awaiting(calls.move_library)
    rebuild_library = _awaiting(calls.rebuild_library)

    list_pictures = _awaiting(calls.list_pictures)
    pictures = _awaiting_pages(calls.list_pictures)
    picture = _awaiting(calls.picture)
    thumbnail = _awaiting(calls.thumbnail)
    original = _awaiting(calls.original)
    add = _awaiting(calls.add)
    add_batch = _awaiting(calls.add_batch)
    exists = _awaiting(calls.exists)
    update = _awaiting(calls.update)
    delete = _awaiting(calls.delete)
    delete_pictures = _awaiting(calls.delete_pictures)
    retag_pictures = _awaiting(calls.retag_pictures)

    search = _awaiting(calls.search)
    hits = _awaiting_pages(calls.search)
    compare = _awaiting(calls.compare)
    explain = _awaiting(calls.explain)
    draw = _awaiting(calls.draw)

    import_file = _awaiting(calls.import_file)
    import_manifest = _awaiting(calls.import_manifest)
    export = _awaiting(calls.export)
    list_tasks = _awaiting(calls.list_tasks)
    tasks = _awaiting_pages(calls.list_tasks)
    task = _awaiting(calls.task)
    wait = _awaiting(calls.wait)
    cancel_task = _awaiting(calls.cancel_task)
    task_errors = _awaiting(calls.task_errors)
    download = _awaiting(calls.download)

    start_scan = _awaiting(calls.start_scan)
    scan = _awaiting(calls.scan)
    wait_for_scan = _awaiting(calls.wait_for_scan)
    list_duplicates = _awaiting(calls.list_duplicates)
    duplicates = _awaiting_pages(calls.list_duplicates)
    duplicates_of = _awaiting(calls.duplicates_of)
    keep_duplicate = _awaiting(calls.keep_duplicate)
    part_duplicates = _awaiting(calls.part_duplicates)
    delete_duplicates = _awaiting(calls.delete_duplicates)

    async def add_many(
        self, service: str, pictures: Given, *, concurrency: int = CONCURRENCY
    ) -> AsyncIterator[Added]:
        """Add pictures, several at a time; see `Client.add_many`."""
        window = most_waiting(concurrency)
        room = asyncio.Semaphore(concurrency)

        async def bring(index: int, new: NewPicture) -> Added:
            async with room:
                try:
                    call = await asyncio.to_thread(add_one, service, new)  # reads a file
                    picture = await self.run(call)
                    return Added(index, new, picture, None)
                except OF_ONE as error:
                    return Added(index, new, None, error)

        waiting = deque[asyncio.Task[Added]]()
        try:
            for index, given in enumerate(pictures):
                waiting.append(asyncio.create_task(bring(index, as_new(given))))
                if len(waiting) >= window:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def run(self, call: Call[T]) -> T:
        """Make a call; raises what `Client.run` does."""
        return await self._drive(self._exchange.steps(call))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _drive(self, steps: Steps[T]) -> T:
        reply: Reply = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = await self._take(step)

    async def _take(self, step: Step) -> Reply:
        match step:
            case Send():
                try:
                    return await self._send(step)
                except httpx.RequestError as error:
                    return error
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Renew(stale):
                async with self._renewing:
                    await self._drive(self._exchange.renewal(stale))
        return None

    async def _send(self, step: Send) -> httpx.Response:
        request = step.request(self._http)
        if step.into is None:
            return await self._http.send(request)
        async with aclosing(await self._http.send(request, stream=True)) as response:
            if response.is_success:
                with Arriving(step.into) as file:
                    async for part in response.aiter_bytes(A_PART):
                        await asyncio.to_thread(file.write, part)
            else:
                await response.aread()
        return response
