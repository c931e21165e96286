"""Calls about libraries: making, resizing, moving and giving up; what is in them in figures."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tusou.accounts.calendar import DAY
from tusou.accounts.statistics import calls_of
from tusou.errors import Problem, TusouError
from tusou.library.pictures import Stats
from tusou.services import OPERATIONS
from tusou.tasks.jobs import Wish
from tusou.types import Filter
from tusou.web.rest import answers
from tusou.web.rest.answers import answer
from tusou.web.rest.calls import Call, service_named
from tusou.web.rest.tasks import accepted, webhook

LARGEST_CAPACITY = 10**9
_CALLS_SECONDS = 30 * DAY


def list_libraries(call: Call) -> Response:
    """The application's libraries."""
    rows = call.runtime.registry.list(call.app.id)
    return answer({"libraries": [answers.library(row) for row in rows]})


def create_library(call: Call) -> Response:
    """Make a library; where an operator has to grant it, it waits (202)."""
    fields, runtime = call.fields, call.runtime
    name = fields.text("service")
    if name is None:
        raise TusouError(Problem.MISSING_PARAM, "param service not exist")
    service = service_named(name)
    call.app.permit(service.name)
    if any(row.service == service.name for row in runtime.registry.list(call.app.id)):
        raise TusouError(Problem.LIBRARY_EXISTS, f"there is one for {service.name}")
    capacity = fields.integer("capacity", 1, LARGEST_CAPACITY)
    wanted = capacity or runtime.settings.library_capacity
    pack = fields.text("pack") or ""
    try:
        granted = runtime.ask_for_capacity(
            call.app.id, service.name, _name(call), pictures=wanted, pack=pack
        )
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param pack: {error}") from error
    if not granted:
        return answer({"state": "waiting", "service": service.name, "capacity": wanted}, 202)
    row = runtime.registry.get(call.app.id, service.name)
    return answer(answers.library(row), 201, {"location": f"/v1/libraries/{service.name}"})


def describe_library(call: Call) -> Response:
    """One library."""
    return answer(answers.library(call.row))


def resize_library(call: Call) -> Response:
    """Change a library's capacity; more may have to wait until an operator grants it (202)."""
    runtime, row = call.runtime, call.row
    capacity = call.fields.integer("capacity", 1, LARGEST_CAPACITY)
    if capacity is None:
        raise TusouError(Problem.MISSING_PARAM, "param capacity not exist")
    more = capacity - row.capacity
    if more <= 0:
        note = call.note("library.resize", pictures=capacity)
        return answer(answers.library(runtime.registry.resize(row, capacity, note)))
    if runtime.ask_for_capacity(call.app.id, row.service, _name(call), pictures=more):
        return answer(answers.library(call.row))
    return answer({"state": "waiting", "service": row.service, "capacity": capacity}, 202)


def release_library(call: Call) -> Response:
    """Give a library up with all its pictures; a task, and gone when it is done."""
    row = call.row
    note = call.note("library.release", pictures=row.size)
    return accepted(call, call.runtime.bulk.ask(row, "release", Filter(), also=note))


def describe_stats(call: Call) -> Response:
    """A library in figures."""
    row, stats = call.row, call.pictures.stats()
    since = int(time.time()) - _CALLS_SECONDS
    called = calls_of(call.runtime.database, call.app.id, row.service, since)
    return answer(
        {
            "service": row.service,
            "pack": row.pack,
            "capacity": row.capacity,
            "pictures": stats.pictures,
            "bytes": stats.length,
            "first_added": None if stats.first is None else answers.moment(stats.first),
            "last_added": None if stats.last is None else answers.moment(stats.last),
            "classes": _classes(call, stats),
            "calls": {
                operation: {
                    "calls": called[operation].calls if operation in called else 0,
                    "last": answers.moment(called[operation].last) if operation in called else None,
                }
                for operation in OPERATIONS
            },
        }
    )


def move_library(call: Call) -> Response:
    """Move a library to another model pack, in the background; a task."""
    runtime, row, told = call.runtime, call.row, webhook(call)
    pack = call.fields.text("pack")
    if pack is None:
        raise TusouError(Problem.MISSING_PARAM, "param pack not exist")
    runtime.bulk.require_kept(row)
    try:
        chosen = runtime.move_library(call.app.id, row.service, pack)
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param pack: {error}") from error
    return accepted(
        call, runtime.jobs.ask(row, Wish("move", options={"pack": chosen}, webhook=told))
    )


def rebuild_library(call: Call) -> Response:
    """Make a library's index anew from the database, while searches go on; a task."""
    runtime, row = call.runtime, call.row
    runtime.bulk.require_kept(row)
    wish = Wish("rebuild", webhook=webhook(call))
    return accepted(call, runtime.jobs.ask(row, wish, call.note("library.rebuild")))


def _name(call: Call) -> str:
    return f"app {call.app.id}"


def _classes(call: Call, stats: Stats) -> Mapping[str, Any]:
    """How many pictures have each class, by the field that an add takes it in."""
    fields = call.service.class_fields
    if len(fields) == len(stats.classes):
        return dict(zip(fields, stats.classes, strict=True))
    first, second = stats.classes
    both = {tag: first.get(tag, 0) + second.get(tag, 0) for tag in [*first, *second]}
    return {fields[0]: dict(sorted(both.items(), key=lambda pair: -pair[1]))}
