"""Calls about the pictures of a library: listing, adding, changing, deleting, their files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.library.pictures import File
from tusou.types import ContSign, Item
from tusou.web import bodies, inputs
from tusou.web.bodies import Fields
from tusou.web.callers import charge
from tusou.web.rest import answers
from tusou.web.rest.answers import answer
from tusou.web.rest.calls import (
    A_PAGE,
    LARGEST_KEY,
    MOST_A_PAGE,
    Call,
    selected,
    wanted,
)
from tusou.web.rest.tasks import accepted, webhook

MOST_AT_ONCE = 100
"""Pictures of one batch."""
BATCH_BYTES = 16 << 20
_SIDE_BY_SIDE = 4
"""Pictures of a batch that are worked on at a time."""


def list_pictures(call: Call) -> Response:
    """A page of pictures that a filter lets through, newest first."""
    fields = call.fields
    count = fields.integer("limit", 1, MOST_A_PAGE) or A_PAGE
    after = fields.integer("cursor", 0, LARGEST_KEY)
    order = fields.text("order") or "newest"
    if order not in ("newest", "oldest"):
        raise TusouError(Problem.INVALID_PARAM, "param order must be newest or oldest")
    page = call.pictures.page(wanted(call), count, after, order == "oldest")
    following = None if page.next is None else str(page.next)
    return answer({"pictures": [answers.picture(item) for item in page.items], "next": following})


def describe_picture(call: Call) -> Response:
    """One picture."""
    return answer(answers.picture(call.item))


def thumbnail(call: Call) -> Response:
    """A small JPEG of a picture."""
    return _file(call.item, call.pictures.thumbnail(call.item.key))


def original(call: Call) -> Response:
    """A picture's file as it came."""
    return _file(call.item, call.pictures.original(call.item.key))


def add_picture(call: Call) -> Response:
    """Add a picture."""
    item = _add(call)
    where = f"{call.request.url.path}/{item.key}"
    return answer(answers.picture(item), 201, {"location": where})


async def add_pictures(call: Call) -> Response:
    """Add many pictures; one that is not taken stops no other. Each is charged as an add."""
    rows = _rows(call.fields)
    results: list[Mapping[str, Any]] = [{}] * len(rows)
    side_by_side = anyio.CapacityLimiter(_SIDE_BY_SIDE)

    async def add(place: int, row: object) -> None:
        async with side_by_side:
            results[place] = await _result(call, row)

    async with anyio.create_task_group() as group:
        for place, row in enumerate(rows):
            group.start_soon(add, place, row)
    return answer({"results": results})


def find_picture(call: Call) -> Response:
    """Whether a picture is there; nothing is added."""
    source = inputs.source(call.fields, 1)
    sign = source[0] if isinstance(source, tuple) else call.library.sign(source)
    item = _by_sign(call, sign)
    found = None if item is None else answers.picture(item)
    return answer({"exists": item is not None, "cont_sign": str(sign), "picture": found})


def update_picture(call: Call) -> Response:
    """Change a picture's brief and classes where they are given; [] takes classes away."""
    item = call.item
    brief = inputs.brief(call.fields)
    classes = inputs.changed_classes(call.fields, call.service)
    if brief is None and classes == (None, None):
        names = " or ".join(("brief", *call.service.class_fields))
        raise TusouError(Problem.MISSING_PARAM, f"param {names} not exist; nothing to change")
    call.library.update((item.sign,), brief, classes)
    return describe_picture(call)


def delete_picture(call: Call) -> Response:
    """Delete a picture."""
    call.library.delete((call.item.sign,))
    return Response(status_code=204)


def delete_pictures(call: Call) -> Response:
    """Delete the pictures of a filter, or by their ids; a task."""
    meant, told = selected(call), webhook(call)
    note = call.note("pictures.delete", pictures=_meant(call.fields))
    return accepted(call, call.runtime.bulk.ask(call.row, "delete", meant, also=note, webhook=told))


def retag_pictures(call: Call) -> Response:
    """Give the pictures of a filter, or by their ids, other classes; a task."""
    meant, told = selected(call), webhook(call)
    # Fields without "new_" say which pictures are meant.
    new = {name[4:]: value for name, value in call.fields.items() if name.startswith("new_")}
    classes = inputs.changed_classes(Fields(new), call.service)
    if classes == (None, None):
        names = " or ".join(f"new_{name}" for name in call.service.class_fields)
        raise TusouError(Problem.MISSING_PARAM, f"param {names} not exist; nothing to change")
    note = call.note("pictures.reclass", classes=classes, pictures=_meant(call.fields))
    return accepted(
        call, call.runtime.bulk.ask(call.row, "reclass", meant, classes, also=note, webhook=told)
    )


def _add(call: Call) -> Item:
    brief = inputs.required_brief(call.fields)
    first, second = inputs.classes(call.fields, call.service)
    source = inputs.picture(call.fields)
    try:
        sign = call.library.add(source, brief, (first or 0, second or 0))
    except TusouError as error:
        there = _by_sign(call, error.facts.get("cont_sign"))
        if there is None:
            raise
        raise TusouError(error.problem, error.detail, **error.facts, id=there.key) from error
    item = _by_sign(call, sign)
    if item is None:
        raise TusouError(Problem.ITEM_MISSING, "it was deleted at the same moment")
    return item


def _rows(fields: Fields) -> list[object]:
    rows = bodies.load_json((fields.text("pictures") or "null").encode(), "param pictures")
    if not isinstance(rows, list) or not rows:
        raise TusouError(Problem.INVALID_PARAM, "param pictures must be a list of objects")
    if len(rows) > MOST_AT_ONCE:
        raise TusouError(Problem.BATCH_LIMIT, f"a batch has at most {MOST_AT_ONCE} pictures")
    return rows


async def _result(call: Call, row: object) -> Mapping[str, Any]:
    """What became of one picture of a batch; counted and charged as an add of its own."""
    runtime, app, service = call.runtime, call.app, call.service.name
    code = None
    try:
        await call.queue.look_up(lambda: charge(runtime, app, service, "add"))
        if not isinstance(row, dict):
            raise TusouError(Problem.INVALID_PARAM, "it is not a JSON object")
        one = replace(call, fields=bodies.fields_of_json(row))
        item = await call.queue.work(app.id, lambda: _add(one))
    except Exception as error:
        problem = answers.problem(call.request, error)
        code = problem["error_code"]
        return {"status": problem["status"], "problem": problem}
    else:
        return {"status": 201, "picture": answers.picture(item)}
    finally:
        runtime.usage.record(app.id, service, "add", code)


def _by_sign(call: Call, sign: object) -> Item | None:
    if sign is None:
        return None
    known = ContSign.parse(str(sign))
    return call.pictures.by_sign([known]).get(known)


def _meant(fields: Fields) -> str:
    return (fields.text("filter") or fields.text("ids") or "")[:300]


def _file(item: Item, file: File) -> Response:
    # Numbers are never used again and files never change.
    headers = {"cache-control": "private, max-age=31536000, immutable", "etag": f'"{item.key}"'}
    return Response(file.data, media_type=file.media_type, headers=headers)
