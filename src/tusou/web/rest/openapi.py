"""How the native interface describes itself: parameters, answers and examples of every call."""

from collections.abc import Callable
from typing import Any

from tusou.errors import Problem
from tusou.services import SERVICES
from tusou.web.rest import calls, duplicates
from tusou.web.statuses import status_of

_PICTURE = {
    "id": 17,
    "cont_sign": "2817291391,1028441563",
    "brief": '{"id": "1", "name": "cat"}',
    "classes": [100, 11],
    "width": 640,
    "height": 480,
    "bytes": 51234,
    "media_type": "image/jpeg",
    "created": "2026-11-22T12:00:00Z",
    "updated": "2026-11-22T12:00:00Z",
    "has_file": True,
}
_LIBRARY = {
    "service": "similar",
    "name": "相似图片",
    "finds": "pictures alike in type, colour, content and layout",
    "size": 1200,
    "capacity": 500000,
    "pack": "similar@1",
    "created": "2026-11-22T12:00:00Z",
    "class_fields": ["tags"],
    "explains": False,
    "most_results": 1000,
}
_MATCH = {
    "score": 0.998,
    "homography": [[0.5, 0.0, 12.0], [0.0, 0.5, 8.0], [0.0, 0.0, 1.0]],
    "query_points": [[10.5, 20.25]],
    "stored_points": [[17.25, 18.13]],
    "query_overlap": 1.0,
    "stored_overlap": 0.42,
    "mirrored": False,
}
_PROBLEM = {
    "type": "urn:tusou:problem:item-missing",
    "title": Problem.ITEM_MISSING.message,
    "status": status_of(Problem.ITEM_MISSING),
    "detail": "17",
    "error_code": Problem.ITEM_MISSING.code,
    "log_id": 1,
}
_PLACES: dict[str, dict[str, Any]] = {
    "service": {"type": "string", "enum": list(SERVICES)},
    "id": {"type": "integer", "minimum": 1},
}
_TOKEN: dict[str, Any] = {
    "access_token": {
        "type": "string",
        "description": "Or the header `authorization: Bearer TOKEN`, or a bce-auth-v1 signature.",
    }
}
_CLASSES: dict[str, Any] = {
    "tags": {
        "description": 'One or two whole numbers from 1 to 65535: [100, 11] or "100,11".',
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}],
    },
    "class_id1": {"type": "integer", "description": "Of product, instead of tags."},
    "class_id2": {"type": "integer", "description": "Of product, instead of tags."},
}
_SENT: dict[str, Any] = {
    "image": {
        "type": "string",
        "description": "A picture's file: base64 in JSON, the file itself in multipart/form-data.",
    },
    "url": {"type": "string", "maxLength": 1024, "description": "Where the picture is."},
}
_ASKED = _SENT | {"picture": {"type": "integer", "description": "The id of a stored picture."}}
_FILTER = _CLASSES | {"tag_logic": {"type": "integer", "enum": [0, 1], "description": "1: or"}}
_PAGE: dict[str, Any] = _FILTER | {
    "brief": {"type": "string", "description": "Words of which each is part of the brief."},
    "cont_sign": {"type": "string"},
    "order": {"type": "string", "enum": ["newest", "oldest"], "default": "newest"},
    "limit": {"type": "integer", "minimum": 1, "maximum": calls.MOST_A_PAGE},
    "cursor": {"type": "string", "description": "`next` of the page before."},
}
_BRIEF: dict[str, Any] = {"brief": {"type": "string", "description": "1–256 bytes of UTF-8."}}
_SEARCH: dict[str, Any] = (
    _ASKED
    | _FILTER
    | {
        "threshold": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
        "limit": {"type": "integer", "minimum": 1, "default": calls.FIRST_HITS},
    }
)
_SUBJECT = {"left": 40, "top": 32, "width": 200, "height": 260, "share": 0.34}
_FOUND = {
    "results": [{"score": 0.93} | _PICTURE],
    "has_more": False,
    "log_id": 1,
    "subjects": [_SUBJECT],
}

_SCAN = {
    "state": "running",
    "total": 1200,
    "done": 300,
    "asked": "2026-11-22T12:00:00Z",
    "ended": None,
    "problem": None,
}
_GROUP = {
    "best": _PICTURE,
    "reason": "larger",
    "others": [{"score": 0.9987} | _PICTURE | {"id": 18, "width": 320, "height": 240}],
}
_GROUPS = {"groups": [_GROUP], "next": "17", "total": 40, "spare": 55}
_PAGE_OF_GROUPS: dict[str, Any] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": duplicates.MOST_A_PAGE},
    "cursor": {"type": "string", "description": "`next` of the page before."},
}
_OTHERS: dict[str, Any] = {
    "pictures": {
        "description": "Ids of pictures of the same group: [18, 19] or 18,19.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}],
    }
}

# Of each call: what it takes by query, what by body, an example of that, an example of its answer.
_Shown = tuple[dict[str, Any], dict[str, Any], Any, Any]
_SHOWN: dict[Callable[..., Any], _Shown] = {
    calls.list_libraries: ({}, {}, None, {"libraries": [_LIBRARY]}),
    calls.describe_library: ({}, {}, None, _LIBRARY),
    calls.list_pictures: (_PAGE, {}, None, {"pictures": [_PICTURE], "next": "17"}),
    calls.add_picture: (
        {},
        _SENT | _BRIEF | _CLASSES,
        {"url": "http://example.com/cat.jpg", "brief": "cat", "tags": [100, 11]},
        _PICTURE,
    ),
    calls.describe_picture: ({}, {}, None, _PICTURE),
    calls.update_picture: ({}, _BRIEF | _CLASSES, {"brief": "a cat", "tags": []}, _PICTURE),
    calls.delete_picture: ({}, {}, None, None),
    calls.thumbnail: ({}, {}, None, b""),
    calls.original: ({}, {}, None, b""),
    calls.explain: ({}, _ASKED, {"picture": 18}, {"match": _MATCH}),
    calls.search: ({}, _SEARCH, {"picture": 17, "threshold": 0.6, "limit": 10}, _FOUND),
    duplicates.describe_scan: ({}, {}, None, _SCAN),
    duplicates.start_scan: ({}, {}, None, _SCAN),
    duplicates.list_duplicates: (_PAGE_OF_GROUPS, {}, None, _GROUPS),
    duplicates.describe_duplicates: ({}, {}, None, {"group": _GROUP}),
    duplicates.keep_duplicate: ({}, {}, None, {"group": _GROUP}),
    duplicates.part_duplicates: ({}, _OTHERS, {"pictures": [18]}, {"group": None}),
    duplicates.delete_duplicates: (_OTHERS, {}, None, {"deleted": 1}),
}
_STATUS = {
    calls.add_picture: 201,
    calls.delete_picture: 204,
    duplicates.start_scan: 202,
}


def describe(path: str, work: Callable[..., Any], operation: str | None) -> dict[str, Any]:
    """Arguments of `add_api_route` for a call, which is counted as `operation`."""
    query, body, sent, answered = _SHOWN[work]
    places = {name: schema for name, schema in _PLACES.items() if f"{{{name}}}" in path}
    extra: dict[str, Any] = {
        "parameters": _parameters("path", places) + _parameters("query", query | _TOKEN)
    }
    if body:
        schema = {"type": "object", "properties": body}
        extra["requestBody"] = {
            "content": {
                "application/json": {"schema": schema, "example": sent},
                "multipart/form-data": {"schema": schema},
            }
        }
    told = "free, and not counted" if operation is None else f"counted and charged as {operation}"
    return {
        "tags": ["native · /v1"],
        "summary": (work.__doc__ or "").partition(";")[0].rstrip("."),
        "description": f"{work.__doc__}\n\nThis call is {told}.",
        "operation_id": f"v1_{work.__name__}",
        "response_model": None,
        "status_code": _STATUS.get(work, 200),
        "openapi_extra": extra,
        "responses": _answers(answered, _STATUS.get(work, 200)),
    }


def _parameters(where: str, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": where, "required": where == "path", "schema": schema}
        for name, schema in schemas.items()
    ]


def _answers(example: Any, status: int) -> dict[int | str, Any]:
    content: dict[str, Any] = {"application/json": {"example": example}}
    if isinstance(example, bytes):
        content = {"image/*": {"schema": {"type": "string", "format": "binary"}}}
    done: dict[str, Any] = {"description": "Done"}
    problem = {"application/problem+json": {"example": _PROBLEM}}
    return {
        status: done if example is None else done | {"content": content},
        "default": {"description": "A problem (RFC 9457)", "content": problem},
    }
