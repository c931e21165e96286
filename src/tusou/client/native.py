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
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self, TypeVar

import httpx

from tusou.client import calls
from tusou.client.bulk import CONCURRENCY, OF_ONE, Added, Given, NewPicture, as_new, most_waiting
from tusou.client.call import Call
from tusou.client.calls.batches import add_one
from tusou.client.exchange import Exchange, Pause, Renew, Reply, Retries, Send, Step, Steps
from tusou.client.files import A_PART, Arriving
from tusou.client.methods import awaiting, awaiting_pages, blocking, blocking_pages

T = TypeVar("T")


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


class Client(_Opened):
    """The native interface, call by call; threads may share it."""

    def _connect(self, **options: Any) -> None:
        self._http = httpx.Client(**options)
        self._renewing = threading.Lock()

    libraries = blocking(calls.libraries)
    create_library = blocking(calls.create_library)
    library = blocking(calls.library)
    resize_library = blocking(calls.resize_library)
    release_library = blocking(calls.release_library)
    stats = blocking(calls.stats)
    move_library = blocking(calls.move_library)
    rebuild_library = blocking(calls.rebuild_library)

    list_pictures = blocking(calls.list_pictures)
    pictures = blocking_pages(calls.list_pictures)
    picture = blocking(calls.picture)
    thumbnail = blocking(calls.thumbnail)
    original = blocking(calls.original)
    add = blocking(calls.add)
    add_batch = blocking(calls.add_batch)
    exists = blocking(calls.exists)
    update = blocking(calls.update)
    delete = blocking(calls.delete)
    delete_pictures = blocking(calls.delete_pictures)
    retag_pictures = blocking(calls.retag_pictures)

    search = blocking(calls.search)
    hits = blocking_pages(calls.search)
    compare = blocking(calls.compare)
    explain = blocking(calls.explain)
    draw = blocking(calls.draw)

    import_file = blocking(calls.import_file)
    import_manifest = blocking(calls.import_manifest)
    export = blocking(calls.export)
    list_tasks = blocking(calls.list_tasks)
    tasks = blocking_pages(calls.list_tasks)
    task = blocking(calls.task)
    wait = blocking(calls.wait)
    cancel_task = blocking(calls.cancel_task)
    task_errors = blocking(calls.task_errors)
    download = blocking(calls.download)

    start_scan = blocking(calls.start_scan)
    scan = blocking(calls.scan)
    wait_for_scan = blocking(calls.wait_for_scan)
    list_duplicates = blocking(calls.list_duplicates)
    duplicates = blocking_pages(calls.list_duplicates)
    duplicates_of = blocking(calls.duplicates_of)
    keep_duplicate = blocking(calls.keep_duplicate)
    part_duplicates = blocking(calls.part_duplicates)
    delete_duplicates = blocking(calls.delete_duplicates)

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

    libraries = awaiting(calls.libraries)
    create_library = awaiting(calls.create_library)
    library = awaiting(calls.library)
    resize_library = awaiting(calls.resize_library)
    release_library = awaiting(calls.release_library)
    stats = awaiting(calls.stats)
    move_library = awaiting(calls.move_library)
    rebuild_library = awaiting(calls.rebuild_library)

    list_pictures = awaiting(calls.list_pictures)
    pictures = awaiting_pages(calls.list_pictures)
    picture = awaiting(calls.picture)
    thumbnail = awaiting(calls.thumbnail)
    original = awaiting(calls.original)
    add = awaiting(calls.add)
    add_batch = awaiting(calls.add_batch)
    exists = awaiting(calls.exists)
    update = awaiting(calls.update)
    delete = awaiting(calls.delete)
    delete_pictures = awaiting(calls.delete_pictures)
    retag_pictures = awaiting(calls.retag_pictures)

    search = awaiting(calls.search)
    hits = awaiting_pages(calls.search)
    compare = awaiting(calls.compare)
    explain = awaiting(calls.explain)
    draw = awaiting(calls.draw)

    import_file = awaiting(calls.import_file)
    import_manifest = awaiting(calls.import_manifest)
    export = awaiting(calls.export)
    list_tasks = awaiting(calls.list_tasks)
    tasks = awaiting_pages(calls.list_tasks)
    task = awaiting(calls.task)
    wait = awaiting(calls.wait)
    cancel_task = awaiting(calls.cancel_task)
    task_errors = awaiting(calls.task_errors)
    download = awaiting(calls.download)

    start_scan = awaiting(calls.start_scan)
    scan = awaiting(calls.scan)
    wait_for_scan = awaiting(calls.wait_for_scan)
    list_duplicates = awaiting(calls.list_duplicates)
    duplicates = awaiting_pages(calls.list_duplicates)
    duplicates_of = awaiting(calls.duplicates_of)
    keep_duplicate = awaiting(calls.keep_duplicate)
    part_duplicates = awaiting(calls.part_duplicates)
    delete_duplicates = awaiting(calls.delete_duplicates)

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
