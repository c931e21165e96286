"""The library manager: the page, and what its scripts ask for to list, show, add and change."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.library.bulk import Batch, LibraryRow
from tusou.library.pictures import File, Pictures
from tusou.services import Service
from tusou.types import ContSign, Filter, Item
from tusou.web import bodies, inputs
from tusou.web.bodies import Fields, Value
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Visit

_MOST_A_PAGE = 200
_A_PAGE = 80
_MOST_KEYS = 10_000
_LONGEST_WORDS = 256
_KEY = 10**10 - 1


def show(visit: Visit) -> Response:
    """The page; its pictures come by script."""
    app, service = visit.app(), visit.service
    library = visit.runtime.registry.get(app.id, service.name)
    return visit.page(
        "pictures.html",
        app=app,
        service=service,
        library=library,
        may_change=visit.user.changes(app.id),
        script_texts=visit.say.below("js."),
        facts={
            "path": f"/console/libraries/{app.id}/{service.name}",
            "mayChange": visit.user.changes(app.id),
            "explains": service.explains,
            "classFields": list(service.class_fields),
            "mostBytes": bodies.IMAGE_LIMIT,
            "longestSide": service.longest_side,
            "open": [batch_facts(batch) for batch in visit.runtime.bulk.open(library)],
        },
    )


def list_(visit: Visit) -> Response:
    """A page of pictures that a filter lets through."""
    fields = _query(visit)
    count = fields.integer("count", 1, _MOST_A_PAGE) or _A_PAGE
    oldest_first = fields.text("order") == "oldest"
    after = fields.integer("after", 0, _KEY)
    page = _pictures(visit).page(_filter(fields, visit.service), count, after, oldest_first)
    return visit.json({"items": [item_facts(item) for item in page.items], "next": page.next})


def count(visit: Visit) -> Response:
    """How many pictures a filter lets through."""
    wanted = _filter(_query(visit), visit.service)
    if wanted.is_all:
        return visit.json({"count": _library(visit).size})
    return visit.json({"count": _pictures(visit).count(wanted)})


def describe(visit: Visit) -> Response:
    """One picture."""
    return visit.json(item_facts(_pictures(visit).describe(_key(visit))))


def thumbnail(visit: Visit) -> Response:
    """A picture's thumbnail."""
    return _file(visit, _pictures(visit).thumbnail)


def original(visit: Visit) -> Response:
    """A picture's file as it came."""
    return _file(visit, _pictures(visit).original)


def add(visit: Visit) -> Response:
    """Add a picture with brief and classes."""
    app, service, fields = visit.app(to_change=True), visit.service, visit.fields
    library = visit.runtime.catalogue.library(app.id, service.name)
    brief = inputs.required_brief(fields)
    first, second = inputs.classes(fields, service)
    sign = library.add(inputs.picture(fields), brief, (first or 0, second or 0))
    return visit.json(_found(visit, sign), status=201)


def edit(visit: Visit) -> Response:
    """Change a picture's brief and classes where they are given; an empty class is taken away."""
    app, service, fields = visit.app(to_change=True), visit.service, visit.fields
    sign = _pictures(visit).describe(_key(visit)).sign
    library = visit.runtime.catalogue.library(app.id, service.name)
    library.update((sign,), inputs.brief(fields), inputs.changed_classes(fields, service))
    return visit.json(_found(visit, sign))


def change_many(visit: Visit) -> Response:
    """Delete many pictures, or give them classes, after a grace in which it can be undone."""
    app, service, fields = visit.app(to_change=True), visit.service, visit.fields
    act = fields.text("act")
    wanted = _selected(fields, service)
    runtime, row = visit.runtime, _library(visit)
    grace = runtime.settings.undo_seconds
    meant = str(len(wanted.keys)) if wanted.keys is not None else repr(wanted)[:300]
    facts = {"service": service.name, "pictures": meant}
    if act == "delete":
        note = runtime.audit.noting("pictures.delete", app.id, **facts)
        return visit.json(
            batch_facts(runtime.bulk.ask(row, "delete", wanted, grace=grace, also=note))
        )
    # Fields without "new_" say which pictures are meant.
    new = {name[4:]: value for name, value in fields.items() if name.startswith("new_")}
    classes = inputs.changed_classes(Fields(new), service)
    if act != "reclass" or classes == (None, None):
        raise TusouError(Problem.INVALID_PARAM, "act must be delete, or reclass with classes")
    note = runtime.audit.noting("pictures.reclass", app.id, classes=classes, **facts)
    return visit.json(batch_facts(runtime.bulk.ask(row, "reclass", wanted, classes, grace, note)))


def progress(visit: Visit) -> Response:
    """How far a change of many pictures has come."""
    return visit.json(batch_facts(visit.runtime.bulk.get(_library(visit), _number(visit))))


def undo(visit: Visit) -> Response:
    """Call a change of many pictures off."""
    app = visit.app(to_change=True)
    row, runtime = _library(visit), visit.runtime
    note = runtime.audit.noting("pictures.undo", app.id, service=visit.service.name)
    runtime.bulk.undo(row, _number(visit), note)
    return visit.json(batch_facts(runtime.bulk.get(row, _number(visit))))


def item_facts(item: Item) -> dict[str, Any]:
    """What scripts are told of a picture."""
    return {
        "key": item.key,
        "sign": str(item.sign),
        "brief": item.brief,
        "classes": item.classes,
        "width": item.width,
        "height": item.height,
        "bytes": item.length,
        "type": item.media_type.removeprefix("image/").upper(),
        "created": item.created,
        "updated": item.updated,
        "kept": bool(item.blob),
    }


def batch_facts(batch: Batch) -> dict[str, Any]:
    """What scripts are told of a change of many pictures."""
    return {
        "id": batch.id,
        "act": batch.act,
        "state": batch.state,
        "total": batch.total,
        "done": min(batch.done, batch.total),
        "starts": batch.starts,
        "problem": batch.problem,
    }


def _library(visit: Visit) -> LibraryRow:
    return visit.runtime.registry.get(visit.app().id, visit.service.name)


def _pictures(visit: Visit) -> Pictures:
    return visit.runtime.catalogue.pictures(visit.app().id, visit.service.name)


def _found(visit: Visit, sign: ContSign) -> Mapping[str, Any]:
    listed = _pictures(visit).page(Filter(sign=sign), 1).items
    return {"item": item_facts(listed[0]) if listed else None, "cont_sign": str(sign)}


def _file(visit: Visit, read: Any) -> Response:
    # Numbers are never used again and files never change, so a browser need not ask twice.
    key = _key(visit)
    headers = {"cache-control": "private, max-age=31536000, immutable", "etag": f'"{key}"'}
    if visit.request.headers.get("if-none-match") == headers["etag"]:
        _pictures(visit).describe(key)
        return Response(status_code=304, headers=headers)
    file: File = read(key)
    return Response(file.data, media_type=file.media_type, headers=headers)


def _key(visit: Visit) -> int:
    return int(visit.request.path_params["key"])


def _number(visit: Visit) -> int:
    return int(visit.request.path_params["number"])


def _query(visit: Visit) -> Fields:
    pairs = visit.request.query_params.items()
    return Fields({name: Value(text.encode(), len(text)) for name, text in pairs})


def _filter(fields: Fields, service: Service) -> Filter:
    """The filter of the search box: words of the brief or a cont_sign, and classes."""
    text = (fields.text("q") or "").strip()[:_LONGEST_WORDS]
    classes = inputs.class_filter(fields, service)
    try:
        return Filter(sign=ContSign.parse(text), classes=classes)
    except ValueError:
        return Filter(brief=text, classes=classes)


def _selected(fields: Fields, service: Service) -> Filter:
    """Pictures by their numbers, or all of a filter less some."""
    if fields.text("all") is None:
        return Filter(keys=_keys(fields, "keys"))
    wanted = _filter(fields, service)
    without = _keys(fields, "without") if fields.text("without") else ()
    return Filter(wanted.brief, wanted.classes, wanted.sign, None, without)


def _keys(fields: Fields, name: str) -> tuple[int, ...]:
    parts = (fields.text(name) or "").split(",")
    if len(parts) > _MOST_KEYS or not all(part.isdecimal() and len(part) <= 10 for part in parts):
        raise TusouError(
            Problem.INVALID_PARAM, f"param {name} must be from 1 to {_MOST_KEYS} numbers"
        )
    return tuple(map(int, parts))


_LIBRARY = "/libraries/{app_id:int}/{service}"
_ONE = f"{_LIBRARY}/pictures/{{key:int}}"
_MANY = f"{_LIBRARY}/changes"

PAGE = Page(
    None,
    (
        Work("GET", _LIBRARY, show),
        Work("GET", f"{_LIBRARY}/pictures", list_),
        Work("POST", f"{_LIBRARY}/pictures", add, heavy=True),
        Work("GET", f"{_LIBRARY}/count", count),
        Work("GET", _ONE, describe),
        Work("POST", _ONE, edit),
        Work("GET", f"{_ONE}/thumbnail", thumbnail),
        Work("GET", f"{_ONE}/original", original),
        Work("POST", _MANY, change_many),
        Work("GET", f"{_MANY}/{{number:int}}", progress),
        Work("POST", f"{_MANY}/{{number:int}}/undo", undo),
    ),
)
