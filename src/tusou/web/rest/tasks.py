"""Calls about tasks: importing and exporting, how far a task is, calling it off, its files."""

import re
from pathlib import Path

from anyio import to_thread
from starlette.responses import FileResponse, Response

from tusou.errors import Problem, TusouError
from tusou.library.bulk import LibraryRow
from tusou.tasks.facts import task
from tusou.tasks.importing import check_template
from tusou.tasks.jobs import Batch, Wish
from tusou.web import bodies, inputs
from tusou.web.bodies import Fields
from tusou.web.rest import uploads
from tusou.web.rest.answers import answer
from tusou.web.rest.calls import LARGEST_KEY, Call, flag, query_fields, wanted

A_PAGE, MOST_A_PAGE = 20, 100
_LONGEST_ADDRESS = 1024
FILES = {
    "application/x-tar": "archive",
    "application/gzip": "archive",
    "application/x-gzip": "archive",
    "application/x-ndjson": "manifest",
    "application/jsonl": "manifest",
}
"""What a body of a media type is to an import."""
_LINES = "application/x-ndjson"


async def import_pictures(call: Call) -> Response:
    """Bring in the pictures of a file or a manifest; a task, each picture charged as an add."""
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = FILES.get(media)
    jobs = call.runtime.jobs
    fields = query_fields(call.request.query_params)
    if kind is None:
        with call.queue.body(bodies.body_size(call.request)):
            fields = Fields({**fields, **await bodies.read_fields(call.request)})
    manifest = _address(fields, "manifest")
    if (kind is None) == (not manifest):
        raise TusouError(
            Problem.INVALID_PARAM,
            f"send a file, as one of {', '.join(FILES)}, or its address as manifest",
        )
    inputs.classes(fields, call.service)
    brief = fields.text("brief") or ""
    try:
        check_template(brief)
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param brief: {error}") from error
    name = jobs.files.new_name()
    options = {
        "sent": name,
        "kind": kind or "manifest",
        "manifest": manifest,
        "brief": brief,
        "classes": {
            field: fields.text(field)
            for field in ("tags", "class_id1", "class_id2")
            if fields.text(field)
        },
    }
    wish = Wish("import", options=options, webhook=_address(fields, "webhook"))
    path = jobs.files.sent(name)

    def library() -> LibraryRow:
        row = call.row
        call.runtime.bulk.require_kept(row)
        return row

    if kind is not None:
        await to_thread.run_sync(library)  # before a gigabyte is taken in for nothing
        await uploads.save(call.request, path, call.runtime.settings.import_megabytes << 20)

    def ask() -> Response:
        row = library()
        return accepted(call, jobs.ask(row, wish, call.note("pictures.import")))

    try:
        return await to_thread.run_sync(ask)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def export_pictures(call: Call) -> Response:
    """Write what is known of a library's pictures, or of a filter's, to a file; a task."""
    row = call.row
    call.runtime.bulk.require_kept(row)
    options = {"features": flag(call.fields, "features")}
    wish = Wish("export", wanted(call), options=options, webhook=webhook(call))
    return accepted(call, call.runtime.jobs.ask(row, wish, call.note("pictures.export")))


def list_tasks(call: Call) -> Response:
    """A page of a library's tasks, the newest first."""
    count = call.fields.integer("limit", 1, MOST_A_PAGE) or A_PAGE
    before = call.fields.integer("cursor", 0, LARGEST_KEY)
    found = call.runtime.jobs.list(call.row, count + 1, before)
    following = str(found[count - 1].id) if len(found) > count else None
    return answer({"tasks": [task(batch) for batch in found[:count]], "next": following})


def describe_task(call: Call) -> Response:
    """One task: how far it is, and what became of it."""
    return answer(task(_batch(call)))


def cancel_task(call: Call) -> Response:
    """Call a task off; what is done by then stays done."""
    runtime, row, batch = call.runtime, call.row, _batch(call)
    note = call.note("task.cancel", task=batch.id)
    if not runtime.jobs.cancel(row, batch.id, note):
        raise TusouError(Problem.ITEM_EXISTS, "it is over, or cannot be called off any more")
    if batch.act == "move":
        runtime.stop_move(row)
    return describe_task(call)


def task_errors(call: Call) -> Response:
    """What an import did not take, and why: JSON lines."""
    batch = _batch(call)
    return _file(call.runtime.jobs.files.errors(batch.id)) or Response(media_type=_LINES)


def task_file(call: Call) -> Response:
    """The file that an export has made: JSON lines."""
    batch = _batch(call)
    found = _file(call.runtime.jobs.files.made(batch.id)) if task(batch)["has_file"] else None
    if found is None:
        raise TusouError(Problem.REQUEST_MISSING, f"task {batch.id} has no file")
    return found


def accepted(call: Call, batch: Batch) -> Response:
    """The answer that names a task which was asked for."""
    where = f"/v1/libraries/{call.service.name}/tasks/{batch.id}"
    return answer(task(batch), 202, {"location": where})


def webhook(call: Call) -> str:
    """Whom to tell of a task's end; empty: nobody.

    Raises:
        TusouError: PARAM_TOO_LONG, URL_ILLEGAL.
    """
    return _address(call.fields, "webhook")


def _address(fields: Fields, name: str) -> str:
    text = fields.text(name) or ""
    if len(text.encode()) > _LONGEST_ADDRESS:
        raise TusouError(
            Problem.PARAM_TOO_LONG, f"param {name} has more than {_LONGEST_ADDRESS} bytes"
        )
    if text and not re.match(r"https?://", text, re.IGNORECASE):
        raise TusouError(Problem.URL_ILLEGAL, f"param {name} must be an http or https address")
    return text


def _batch(call: Call) -> Batch:
    text = call.request.path_params["task"]
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise TusouError(Problem.REQUEST_MISSING, "a task's id is a whole number")
    return call.runtime.jobs.get(call.row, int(text))


def _file(path: Path) -> Response | None:
    return FileResponse(path, media_type=_LINES) if path.is_file() else None
