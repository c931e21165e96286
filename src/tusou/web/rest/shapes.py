"""What the native interface answers, by example, and the schemas that the examples show."""

from typing import Any, NamedTuple

from tusou.errors import Problem
from tusou.web.statuses import status_of


class OrNull(NamedTuple):
    """A value that may be null."""

    value: Any


class Each(NamedTuple):
    """An object with keys of any name, and a value of one kind each."""

    values: dict[str, Any]


class Optional(NamedTuple):
    """A value that is not always there."""

    value: Any


class Lines(NamedTuple):
    """A file of JSON lines."""

    row: Any


PICTURE: dict[str, Any] = {
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
LIBRARY: dict[str, Any] = {
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
WAITING: dict[str, Any] = {"state": "waiting", "service": "similar", "capacity": 1000000}
_CALLED: dict[str, Any] = {"calls": 1200, "last": OrNull("2026-11-22T12:00:00Z")}
STATS: dict[str, Any] = {
    "service": "similar",
    "pack": "similar@1",
    "capacity": 500000,
    "pictures": 1200,
    "bytes": 61480800,
    "first_added": OrNull("2026-11-01T08:30:00Z"),
    "last_added": OrNull("2026-11-22T12:00:00Z"),
    "classes": Each({"tags": Each({"100": 900, "11": 300})}),
    "calls": dict.fromkeys(("add", "search", "delete", "update"), _CALLED),
}
SCAN: dict[str, Any] = {
    "state": "running",
    "total": 1200,
    "done": 300,
    "not_compared": 900,
    "asked": OrNull("2026-11-22T12:00:00Z"),
    "ended": OrNull("2026-11-22T12:30:00Z"),
    "problem": OrNull("Service temporarily unavailable"),
}
GROUP: dict[str, Any] = {
    "best": PICTURE,
    "reason": "larger",
    "others": [{"score": 0.9987} | PICTURE | {"id": 18, "width": 320, "height": 240}],
}
GROUPS: dict[str, Any] = {"groups": [GROUP], "next": OrNull("17"), "total": 40, "spare": 55}
MATCH: dict[str, Any] = {
    "score": 0.998,
    "homography": [[0.5, 0.0, 12.0], [0.0, 0.5, 8.0], [0.0, 0.0, 1.0]],
    "query_points": [[10.5, 20.25]],
    "stored_points": [[17.25, 18.13]],
    "query_overlap": 1.0,
    "stored_overlap": 0.42,
    "mirrored": False,
}
_SUBJECT = {"left": 40, "top": 32, "width": 200, "height": 260, "share": 0.34}
FOUND: dict[str, Any] = {
    "results": [{"score": 0.93} | PICTURE],
    "has_more": True,
    "next": OrNull("20.17"),
    "log_id": 1,
    "subjects": Optional([_SUBJECT]),
}
TASK: dict[str, Any] = {
    "id": 5,
    "kind": "import",
    "state": "running",
    "done": 1200,
    "total": 5000,
    "failed": 3,
    "problem": OrNull(None),
    "asked": "2026-11-22T12:00:00Z",
    "began": OrNull("2026-11-22T12:00:01Z"),
    "ended": OrNull(None),
    "has_file": False,
}
PROBLEM: dict[str, Any] = {
    "type": "urn:tusou:problem:item-missing",
    "title": Problem.ITEM_MISSING.message,
    "status": status_of(Problem.ITEM_MISSING),
    "detail": "17",
    "error_code": Problem.ITEM_MISSING.code,
    "log_id": 1,
}
BATCH: dict[str, Any] = {
    "results": [{"status": 201, "picture": Optional(PICTURE), "problem": Optional(PROBLEM)}]
}


def example(shape: Any) -> Any:
    """The plain example."""
    match shape:
        case OrNull(value) | Optional(value):
            return example(value)
        case Each(values):
            return example(values)
        case dict():
            return {name: example(value) for name, value in shape.items()}
        case list():
            return [example(value) for value in shape]
    return shape


def schema(shape: Any) -> dict[str, Any]:
    """The JSON schema of what looks like it; lists take their first element for all."""
    match shape:
        case OrNull(None):
            return {"type": ["string", "null"]}
        case OrNull(value):
            return {"anyOf": [schema(value), {"type": "null"}]}
        case Optional(value):
            return schema(value)
        case Each(values):
            return {"type": "object", "additionalProperties": schema(next(iter(values.values())))}
        case dict():
            needed = [name for name, value in shape.items() if not isinstance(value, Optional)]
            properties = {name: schema(value) for name, value in shape.items()}
            return {"type": "object", "properties": properties, "required": needed}
        case list():
            return {"type": "array", "items": schema(shape[0])}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
    return {"type": "string"}
