"""How the native interface describes itself: parameters, answers and examples of every call."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tusou.expressions import MOST_LETTERS
from tusou.services import SERVICES
from tusou.web.rest import calls, duplicates, libraries, pictures, searching, shapes, tasks
from tusou.web.rest.shapes import Lines, OrNull

_Schemas = dict[str, dict[str, Any]]
_NONE: _Schemas = {}

_PLACES: _Schemas = {
    "service": {"type": "string", "enum": list(SERVICES)},
    "id": {"type": "integer", "minimum": 1, "maximum": calls.LARGEST_KEY},
    "task": {"type": "integer", "minimum": 1, "maximum": calls.LARGEST_KEY},
}
_TOKEN: _Schemas = {
    "access_token": {
        "type": "string",
        "description": "Or the header `authorization: Bearer TOKEN`, or a bce-auth-v1 signature.",
    }
}


def _classes(prefix: str = "") -> _Schemas:
    tag = {"type": "integer", "minimum": 1, "maximum": 65535}
    return {
        f"{prefix}tags": {
            "description": 'One or two whole numbers from 1 to 65535: [100, 11] or "100,11".',
            "anyOf": [{"type": "string"}, {"type": "array", "items": tag, "maxItems": 2}],
        },
        f"{prefix}class_id1": {**tag, "description": "Of product, instead of tags."},
        f"{prefix}class_id2": {**tag, "description": "Of product, instead of tags."},
    }


_URL = {"type": "string", "format": "uri", "maxLength": 1024}
_SENT: _Schemas = {
    "image": {
        "type": "string",
        "description": "A picture's file: base64 in JSON, the file itself in multipart/form-data.",
    },
    "url": {**_URL, "description": "Where the picture is."},
}
_ASKED = _SENT | {"picture": {"type": "integer", "description": "The id of a stored picture."}}
_EXPRESSION: _Schemas = {
    "filter": {
        "type": "string",
        "maxLength": MOST_LETTERS,
        "description": 'Such as `tags in (100, 11) and brief contains "cat" and '
        "created >= 2026-01-01`; see docs/native.md.",
    }
}
_FILTER = _classes() | {"tag_logic": {"type": "integer", "enum": [0, 1], "description": "1: or"}}
_MEANT: _Schemas = (
    _EXPRESSION
    | _FILTER
    | {
        "brief": {
            "type": "string",
            "description": "Words of which each is part of the brief.",
        },
        "cont_sign": {"type": "string"},
    }
)
_PAGE = _MEANT | {
    "order": {"type": "string", "enum": ["newest", "oldest"], "default": "newest"},
    "limit": {"type": "integer", "minimum": 1, "maximum": calls.MOST_A_PAGE},
    "cursor": {"type": "string", "description": "`next` of the page before."},
}
_BRIEF: _Schemas = {"brief": {"type": "string", "description": "1–256 bytes of UTF-8."}}
_SEARCH = (
    _ASKED
    | _EXPRESSION
    | _FILTER
    | {
        "text": {
            "type": "string",
            "description": "What is to be seen, instead of a picture; needs a model pack with a "
            "text tower.",
        },
        "region": {
            "description": "left,top,width,height in pixels of the picture: only this part.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
            ],
        },
        "threshold": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
        "limit": {"type": "integer", "minimum": 1, "default": searching.FIRST_HITS},
        "cursor": {"type": "string", "description": "`next` of the page before."},
    }
)
_WEBHOOK: _Schemas = {
    "webhook": {**_URL, "description": "Where the task is posted to once it is over."}
}
_CHANGED: _Schemas = {
    **_EXPRESSION,
    "ids": {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": 1,
        "maxItems": calls.MOST_IDS,
        "description": "Instead of a filter.",
    },
    **_WEBHOOK,
}
_CAPACITY = {"type": "integer", "minimum": 1, "maximum": libraries.LARGEST_CAPACITY}
_PACK = {"type": "string", "description": "A model pack, by name or id."}
_SIDE = {"type": "object", "properties": _ASKED, "description": "Or a file."}
_IMPORT = (
    _classes()
    | _WEBHOOK
    | {"brief": {"type": "string", "description": "A template for pictures that have none."}}
)
_MANIFEST: _Schemas = {"manifest": {**_URL, "description": "Where JSON lines are."}}
_ERROR = {"picture": "http://example.com/cat.gif", "reason": "image format error"}


class _Shown(NamedTuple):
    """What a call takes and answers."""

    answer: Any
    """A shape; bytes: a picture."""
    status: int = 200
    query: _Schemas = _NONE
    body: _Schemas = _NONE
    sent: Any = None
    """An example of the body."""
    required: tuple[str, ...] = ()
    waiting: Any = None
    """A shape: answered with 202 where somebody has to grant it."""
    drawn: bool = False
    """Answered with a PNG as well."""
    files: tuple[str, ...] = ()
    """Media types of bodies that are files."""


_TWINS: _Schemas = {
    "pictures": {
        "description": "Ids of pictures of the same group: [18, 19] or 18,19.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}],
    }
}
_SHOWN: dict[Callable[..., Any], _Shown] = {
    libraries.list_libraries: _Shown({"libraries": [shapes.LIBRARY]}),
    libraries.create_library: _Shown(
        shapes.LIBRARY,
        201,
        body={
            "service": _PLACES["service"],
            "pack": _PACK,
            "capacity": _CAPACITY,
        },
        sent={"service": "similar", "capacity": 500000},
        required=("service",),
        waiting=shapes.WAITING,
    ),
    libraries.describe_library: _Shown(shapes.LIBRARY),
    libraries.resize_library: _Shown(
        shapes.LIBRARY,
        body={"capacity": _CAPACITY},
        sent={"capacity": 1000000},
        required=("capacity",),
        waiting=shapes.WAITING,
    ),
    libraries.release_library: _Shown(shapes.TASK, 202),
    libraries.describe_stats: _Shown(shapes.STATS),
    libraries.move_library: _Shown(
        shapes.TASK,
        202,
        body={"pack": _PACK, **_WEBHOOK},
        sent={"pack": "base", "webhook": "https://example.com/moved"},
        required=("pack",),
    ),
    libraries.rebuild_library: _Shown(shapes.TASK, 202, body=_WEBHOOK, sent={}),
    pictures.list_pictures: _Shown(
        {"pictures": [shapes.PICTURE], "next": OrNull("17")}, query=_PAGE
    ),
    pictures.add_picture: _Shown(
        shapes.PICTURE,
        201,
        body=_SENT | _BRIEF | _classes(),
        sent={"url": "http://example.com/cat.jpg", "brief": "cat", "tags": [100, 11]},
        required=("brief",),
    ),
    pictures.add_pictures: _Shown(
        shapes.BATCH,
        body={
            "pictures": {
                "type": "array",
                "minItems": 1,
                "maxItems": pictures.MOST_AT_ONCE,
                "items": {"type": "object", "properties": _SENT | _BRIEF | _classes()},
            }
        },
        sent={"pictures": [{"url": "http://example.com/cat.jpg", "brief": "cat", "tags": [100]}]},
        required=("pictures",),
    ),
    pictures.find_picture: _Shown(
        {
            "exists": True,
            "cont_sign": shapes.PICTURE["cont_sign"],
            "picture": OrNull(shapes.PICTURE),
        },
        body=_SENT | {"cont_sign": {"type": "string"}},
        sent={"cont_sign": shapes.PICTURE["cont_sign"]},
    ),
    pictures.delete_pictures: _Shown(
        shapes.TASK, 202, body=_CHANGED, sent={"filter": "created < 2026-01-01"}
    ),
    pictures.retag_pictures: _Shown(
        shapes.TASK,
        202,
        body=_CHANGED | _classes("new_"),
        sent={"ids": [17, 18], "new_tags": [100, 11]},
    ),
    pictures.describe_picture: _Shown(shapes.PICTURE),
    pictures.update_picture: _Shown(
        shapes.PICTURE, body=_BRIEF | _classes(), sent={"brief": "a cat", "tags": []}
    ),
    pictures.delete_picture: _Shown(None, 204),
    pictures.thumbnail: _Shown(b""),
    pictures.original: _Shown(b""),
    searching.explain: _Shown(
        {"match": OrNull(shapes.MATCH)}, body=_ASKED, sent={"picture": 18}, drawn=True
    ),
    searching.search: _Shown(
        shapes.FOUND,
        body=_SEARCH,
        sent={"picture": 17, "threshold": 0.6, "limit": 20, "filter": "tags = 100"},
    ),
    searching.compare: _Shown(
        {"score": 0.93, "match": OrNull(shapes.MATCH)},
        body={"first": _SIDE, "second": _SIDE},
        sent={"first": {"picture": 17}, "second": {"url": "http://example.com/cat.jpg"}},
        required=("first", "second"),
    ),
    tasks.import_pictures: _Shown(
        shapes.TASK,
        202,
        query=_IMPORT,
        body=_MANIFEST | _IMPORT,
        sent={"manifest": "https://example.com/cats.jsonl", "tags": [100]},
        files=tuple(tasks.FILES),
    ),
    tasks.export_pictures: _Shown(
        shapes.TASK,
        202,
        body=_MEANT
        | {"features": {"type": "boolean", "description": "With vectors and keypoints."}}
        | _WEBHOOK,
        sent={"filter": "tags = 100", "features": False},
    ),
    tasks.list_tasks: _Shown(
        {"tasks": [shapes.TASK], "next": OrNull("5")},
        query={
            "limit": {"type": "integer", "minimum": 1, "maximum": tasks.MOST_A_PAGE},
            "cursor": _PAGE["cursor"],
        },
    ),
    tasks.describe_task: _Shown(shapes.TASK),
    tasks.cancel_task: _Shown(shapes.TASK),
    tasks.task_errors: _Shown(Lines(_ERROR)),
    tasks.task_file: _Shown(Lines(shapes.PICTURE)),
    duplicates.describe_scan: _Shown(shapes.SCAN),
    duplicates.start_scan: _Shown(shapes.SCAN, 202),
    duplicates.list_duplicates: _Shown(
        shapes.GROUPS,
        query={
            "limit": {"type": "integer", "minimum": 1, "maximum": duplicates.MOST_A_PAGE},
            "cursor": _PAGE["cursor"],
        },
    ),
    duplicates.describe_duplicates: _Shown({"group": OrNull(shapes.GROUP)}),
    duplicates.keep_duplicate: _Shown({"group": shapes.GROUP}),
    duplicates.part_duplicates: _Shown(
        {"group": OrNull(shapes.GROUP)}, body=_TWINS, sent={"pictures": [18]}
    ),
    duplicates.delete_duplicates: _Shown({"deleted": 1}, query=_TWINS),
}


def describe(path: str, work: Callable[..., Any], operation: str | None) -> dict[str, Any]:
    """Arguments of `add_api_route` for a call, which is counted as `operation`."""
    shown = _SHOWN[work]
    places = {name: schema for name, schema in _PLACES.items() if f"{{{name}}}" in path}
    extra: dict[str, Any] = {
        "parameters": _parameters("path", places) + _parameters("query", shown.query | _TOKEN)
    }
    if shown.body:
        extra["requestBody"] = _body(shown)
    told = "free, and not counted" if operation is None else f"counted and charged as {operation}"
    return {
        "tags": ["native · /v1"],
        "summary": (work.__doc__ or "").partition(";")[0].rstrip("."),
        "description": f"{work.__doc__}\n\nThis call is {told}.",
        "operation_id": f"v1_{work.__name__}",
        "response_model": None,
        "status_code": shown.status,
        "openapi_extra": extra,
        "responses": _answers(shown),
    }


def _parameters(where: str, schemas: _Schemas) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": where, "required": where == "path", "schema": schema}
        for name, schema in schemas.items()
    ]


def _body(shown: _Shown) -> dict[str, Any]:
    schema = {"type": "object", "properties": shown.body, "required": list(shown.required)}
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": shown.sent}}
    if "image" in shown.body:
        content["multipart/form-data"] = {"schema": schema}
    for media in shown.files:
        content[media] = {"schema": {"type": "string", "format": "binary"}}
    return {"content": content, "required": bool(shown.required)}


def _answers(shown: _Shown) -> dict[int | str, Any]:
    problem = {"application/problem+json": _like(shapes.PROBLEM)}
    answers: dict[int | str, Any] = {
        shown.status: {"description": "Done"},
        "default": {"description": "A problem (RFC 9457)", "content": problem},
    }
    if shown.answer is not None:
        answers[shown.status]["content"] = _content(shown)
    if shown.waiting is not None:
        waiting = {"application/json": _like(shown.waiting)}
        answers[202] = {"description": "It waits to be granted", "content": waiting}
    return answers


def _content(shown: _Shown) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    match shown.answer:
        case bytes():
            return {"image/*": binary}
        case Lines(row):
            line = json.dumps(row) + "\n"
            return {"application/x-ndjson": {"schema": {"type": "string"}, "example": line}}
    content: dict[str, Any] = {"application/json": _like(shown.answer)}
    return content | ({"image/png": binary} if shown.drawn else {})


def _like(shape: Any) -> dict[str, Any]:
    return {"schema": shapes.schema(shape), "example": shapes.example(shape)}
