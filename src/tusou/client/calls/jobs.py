"""Calls about tasks: importing and exporting, how far a task is, calling it off, its files."""

import json
import os
from pathlib import Path

import httpx

from tusou.client.call import (
    Body,
    Call,
    TagLogic,
    Tags,
    Until,
    form,
    one,
    path,
    texts,
)
from tusou.client.problems import Conflict, NotFound, Rejected
from tusou.client.reports import NotTaken, Task, TaskPage

_LINES = "application/x-ndjson"
_LINES_ENDINGS = (".jsonl", ".ndjson")


def import_file(
    service: str,
    file: str | os.PathLike[str],
    *,
    brief: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    webhook: str | None = None,
) -> Call[Task]:
    """Bring in the pictures of a file, which is read while it is sent; each is charged as an add.

    Args:
        service: To which library.
        file: A path: JSON lines if it ends in .jsonl or .ndjson, else a tar archive of pictures,
            compressed or not.
        brief: The brief of those without one, as a template [`$path`].
        tags: The classes of those without any; in product `class_id1` and `class_id2`.
        class_id1: See `tags`.
        class_id2: See `tags`.
        webhook: The address that is told when it is over; see `is_genuine`.

    Raises:
        OSError: the file is not there.
    """
    sent = Path(file)
    size = sent.stat().st_size
    lines = sent.name.lower().endswith(_LINES_ENDINGS)
    query = texts(brief=brief, tags=tags, class_id1=class_id1, class_id2=class_id2, webhook=webhook)
    # What stands before a server may refuse a body of unknown length, or keep it all to measure it.
    headers = {
        "content-type": _LINES if lines else "application/x-tar",
        "content-length": str(size),
    }
    return Call(
        "POST",
        path(service, "import"),
        one(Task.read),
        query=query,
        body=Body(path=sent),
        headers=headers,
        once=True,
    )


def import_manifest(
    service: str,
    manifest: str,
    *,
    brief: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    webhook: str | None = None,
) -> Call[Task]:
    """Bring in the pictures of JSON lines that the server fetches; each is charged as an add.

    Args:
        service: To which library.
        manifest: The address of the lines.
        brief: See `import_file`.
        tags: See `import_file`.
        class_id1: See `import_file`.
        class_id2: See `import_file`.
        webhook: See `import_file`.
    """
    body = form(
        manifest=manifest,
        brief=brief,
        tags=tags,
        class_id1=class_id1,
        class_id2=class_id2,
        webhook=webhook,
    )
    return Call("POST", path(service, "import"), one(Task.read), body=body, once=True)


def export(
    service: str,
    *,
    filter: str | None = None,
    brief: str | None = None,
    tags: Tags | None = None,
    class_id1: int | None = None,
    class_id2: int | None = None,
    tag_logic: TagLogic | None = None,
    cont_sign: str | None = None,
    features: bool = False,
    webhook: str | None = None,
) -> Call[Task]:
    """Write what is known of pictures to a file on the server; `download` brings it.

    Which pictures, is said as in `list_pictures`; by default all.

    Args:
        service: Of which library.
        filter: See `list_pictures`.
        brief: See `list_pictures`.
        tags: See `list_pictures`.
        class_id1: See `list_pictures`.
        class_id2: See `list_pictures`.
        tag_logic: See `list_pictures`.
        cont_sign: See `list_pictures`.
        features: With vectors and keypoints.
        webhook: The address that is told when it is over; see `is_genuine`.
    """
    body = form(
        filter=filter,
        brief=brief,
        tags=tags,
        class_id1=class_id1,
        class_id2=class_id2,
        tag_logic=tag_logic,
        cont_sign=cont_sign,
        features=features,
        webhook=webhook,
    )
    return Call("POST", path(service, "export"), one(Task.read), body=body, once=True)


def list_tasks(
    service: str, *, limit: int | None = None, cursor: str | None = None
) -> Call[TaskPage]:
    """A page of a library's tasks, newest first; `tasks` takes the same and reads all pages."""
    query = texts(limit=limit, cursor=cursor)
    return Call("GET", path(service, "tasks"), one(TaskPage.read), query=query)


def task(service: str, task: int) -> Call[Task]:
    """One task: how far it is, and what became of it."""
    return Call("GET", path(service, "tasks", task), one(Task.read))


def wait(service: str, task: Task | int, *, timeout: float | None = None) -> Call[Task]:
    """Wait until a task is over: `state` then says whether it was done, canceled or failed.

    It is asked for after 0.1 s and then ever more rarely, in the end every 5 s.

    Args:
        service: Whose library.
        task: The task, or its number.
        timeout: Seconds; None: as long as it takes.

    Raises:
        StillRunning: it goes on after that time.
    """
    number = task.id if isinstance(task, Task) else task

    def read(response: httpx.Response) -> Task:
        return Task.read(response.json())

    def rejected(problem: Rejected) -> Task:
        # A library that was given up takes its tasks along.
        if isinstance(problem, NotFound) and isinstance(task, Task) and task.kind == "release":
            return task.released()
        raise problem

    until = Until(lambda told: told.is_over, timeout, rejected)
    return Call("GET", path(service, "tasks", number), read, until=until)


def cancel_task(service: str, task: int) -> Call[Task]:
    """Call a task off; what is done by then stays done.

    Raises:
        Conflict: it is over, or cannot be called off any more.
    """
    where = path(service, "tasks", task)

    def is_off(rejected: Rejected) -> Call[Task]:
        if not isinstance(rejected, Conflict):
            raise rejected

        def read(response: httpx.Response) -> Task:
            there = Task.read(response.json())
            if there.state != "canceled":
                raise rejected
            return there

        return Call("GET", where, read)

    return Call("POST", f"{where}/cancel", one(Task.read), repeated=is_off)


def task_errors(service: str, task: int) -> Call[list[NotTaken]]:
    """What an import did not take, and why."""

    def read(response: httpx.Response) -> list[NotTaken]:
        # Only at line feeds: other ends of lines may stand in the names of pictures.
        rows = response.content.split(b"\n")
        return [NotTaken.read(json.loads(row)) for row in rows if row]

    return Call("GET", path(service, "tasks", task, "errors"), read)


def download(service: str, task: int, to: str | os.PathLike[str]) -> Call[Path]:
    """Write the file that an export made to a path, whole or not at all.

    Raises:
        NotFound: the task has none, or not yet.
        OSError: it cannot be written.
    """
    target = Path(to)
    where = path(service, "tasks", task, "file")
    return Call("GET", where, lambda _: target, into=target)
