"""The page of duplicates: looking for them, groups side by side, and what is decided."""

from typing import Any

from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.library.bulk import LibraryRow
from tusou.library.duplicates import Group, Scan
from tusou.types import Filter
from tusou.web.console.pages import Page, Work
from tusou.web.console.pictures import batch_facts, item_facts
from tusou.web.console.visit import Visit

_A_PAGE = 20
_MOST_KEYS = 1000


def show(visit: Visit) -> Response:
    """The page; its groups come by script."""
    app, service = visit.app(), visit.service
    library, may_change = _library(visit), visit.user.changes(app.id)
    only = visit.request.query_params.get("of", "")
    return visit.page(
        "duplicates.html",
        app=app,
        service=service,
        may_change=may_change,
        only=only,
        script_texts=visit.say.below("js."),
        facts={
            "path": _path(visit),
            "mayChange": may_change,
            "only": int(only) if only.isdecimal() and len(only) <= 10 else None,
            "scan": _scan(visit, visit.runtime.duplicates.scan(library)),
            "open": [batch_facts(batch) for batch in visit.runtime.bulk.open(library)],
        },
    )


def list_(visit: Visit) -> Response:
    """A page of groups, less the pictures that are about to be deleted."""
    text = visit.request.query_params.get("after", "")
    after = int(text) if text.isdecimal() and len(text) <= 10 else None
    page = visit.runtime.duplicates.page(_library(visit), _A_PAGE, after)
    leaving = _leaving(visit)
    groups = [_group(group, leaving) for group in page.groups]
    return visit.json(
        {
            "groups": [group for group in groups if group["others"]],
            "next": page.next,
            "total": page.total,
            "spare": page.spare,
        }
    )


def describe(visit: Visit) -> Response:
    """The group that a picture is in, or null."""
    found = visit.runtime.duplicates.group_of(_library(visit), _key(visit))
    return visit.json({"group": None if found is None else _group(found, set())})


def scan(visit: Visit) -> Response:
    """How far the library was looked through."""
    return visit.json(_scan(visit, visit.runtime.duplicates.scan(_library(visit))))


def start(visit: Visit) -> Response:
    """Look through what was added since the last time."""
    app = visit.app(to_change=True)
    note = visit.runtime.audit.noting("duplicates.scan", app.id, service=visit.service.name)
    return visit.json(_scan(visit, visit.runtime.duplicates.ask(_library(visit), note)))


def keep(visit: Visit) -> Response:
    """Say which picture of a group is the one to keep."""
    app, key = visit.app(to_change=True), _key(visit)
    facts = {"service": visit.service.name, "picture": key}
    note = visit.runtime.audit.noting("duplicates.keep", app.id, **facts)
    group = visit.runtime.duplicates.keep(_library(visit), key, note)
    return visit.json({"group": _group(group, set())})


def part(visit: Visit) -> Response:
    """Say that a picture is not the same as the others of its group."""
    app, key = visit.app(to_change=True), _key(visit)
    facts = {"service": visit.service.name, "picture": key}
    note = visit.runtime.audit.noting("duplicates.part", app.id, **facts)
    visit.runtime.duplicates.part(_library(visit), key, also=note)
    return visit.json({})


def delete(visit: Visit) -> Response:
    """Keep a picture, and delete others of its group after a grace in which it can be undone."""
    app, key, runtime = visit.app(to_change=True), _key(visit), visit.runtime
    row, service = _library(visit), visit.service.name
    items = runtime.duplicates.others(row, key, _keys(visit))
    kept = runtime.audit.noting("duplicates.keep", app.id, service=service, picture=key)
    runtime.duplicates.keep(row, key, kept)
    note = runtime.audit.noting("pictures.delete", app.id, service=service, pictures=len(items))
    wanted = Filter(keys=tuple(item.key for item in items))
    grace = runtime.settings.undo_seconds
    return visit.json(batch_facts(runtime.bulk.ask(row, "delete", wanted, grace=grace, also=note)))


def _leaving(visit: Visit) -> set[int]:
    """Pictures whose deletion was asked for and can still be undone."""
    batches = visit.runtime.bulk.open(_library(visit))
    return {key for batch in batches if batch.act == "delete" for key in batch.wanted.keys or ()}


def _keys(visit: Visit) -> list[int]:
    parts = (visit.fields.text("keys") or "").split(",")
    if len(parts) > _MOST_KEYS or not all(part.isdecimal() and len(part) <= 10 for part in parts):
        raise TusouError(
            Problem.INVALID_PARAM, f"param keys must be from 1 to {_MOST_KEYS} numbers"
        )
    return [int(part) for part in parts]


def _scan(visit: Visit, scan: Scan) -> dict[str, Any]:
    fresh = visit.runtime.duplicates.fresh(_library(visit))
    return {
        "state": scan.state,
        "total": scan.total,
        "done": min(scan.done, scan.total),
        "ended": scan.ended,
        "problem": scan.problem,
        "fresh": fresh,
    }


def _group(group: Group, leaving: set[int]) -> dict[str, Any]:
    return {
        "best": item_facts(group.best),
        "reason": group.reason,
        "others": [
            item_facts(twin.item) | {"score": round(twin.score, 4)}
            for twin in group.others
            if twin.item.key not in leaving
        ],
    }


def _library(visit: Visit) -> LibraryRow:
    return visit.runtime.registry.get(visit.app().id, visit.service.name)


def _path(visit: Visit) -> str:
    return f"/console/libraries/{visit.app_id}/{visit.service.name}"


def _key(visit: Visit) -> int:
    return int(visit.request.path_params["key"])


_DUPLICATES = "/libraries/{app_id:int}/{service}/duplicates"
_ONE = f"{_DUPLICATES}/{{key:int}}"

PAGE = Page(
    None,
    (
        Work("GET", _DUPLICATES, show),
        Work("GET", f"{_DUPLICATES}/groups", list_),
        Work("GET", f"{_DUPLICATES}/scan", scan),
        Work("POST", f"{_DUPLICATES}/scan", start),
        Work("GET", _ONE, describe),
        Work("POST", f"{_ONE}/keep", keep),
        Work("POST", f"{_ONE}/different", part),
        Work("POST", f"{_ONE}/delete", delete),
    ),
)
