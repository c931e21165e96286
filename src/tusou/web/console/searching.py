"""Searching a library by picture, and showing what a result and the query have in common."""

from typing import Any

from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.types import ContSign, Match
from tusou.web import inputs
from tusou.web.console.pages import Page, Work
from tusou.web.console.pictures import item_facts
from tusou.web.console.visit import Visit

_A_PAGE = 50
_MOST_POINTS = 120
"""Lines between matched points that are drawn; more hide the pictures."""


def search(visit: Visit) -> Response:
    """The stored pictures that fit a picture best, by falling score."""
    app, service, fields = visit.app(), visit.service, visit.fields
    library = visit.runtime.catalogue.library(app.id, service.name)
    first = fields.integer("pn", 0, service.most_results - 1) or 0
    classes = inputs.class_filter(fields, service)
    page = library.search(inputs.picture(fields), classes, first, _A_PAGE)
    pictures = visit.runtime.catalogue.pictures(app.id, service.name)
    items = pictures.by_sign([hit.sign for hit in page.hits])
    results = [
        {**item_facts(items[hit.sign]), "score": round(hit.score, 4)}
        for hit in page.hits
        if hit.sign in items
    ]
    # What the contract cuts off is not "more": the next page would be empty.
    more = page.has_more and first + _A_PAGE < service.most_results
    return visit.json({"items": results, "next": first + _A_PAGE if more else None})


def match(visit: Visit) -> Response:
    """Where a picture and a stored one agree."""
    app, service, fields = visit.app(), visit.service, visit.fields
    library = visit.runtime.catalogue.library(app.id, service.name)
    try:
        sign = ContSign.parse(fields.text("cont_sign") or "")
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param cont_sign: {error}") from None
    found = library.explain(inputs.picture(fields), sign)
    return visit.json({"match": None if found is None else _facts(found)})


def _facts(found: Match) -> dict[str, Any]:
    step = max(1, -(-len(found.query_points) // _MOST_POINTS))
    return {
        "homography": found.homography.tolist(),
        "points": len(found.query_points),
        "query": found.query_points[::step].round(1).tolist(),
        "stored": found.stored_points[::step].round(1).tolist(),
        "queryOverlap": round(found.query_overlap, 4),
        "storedOverlap": round(found.stored_overlap, 4),
        "mirrored": found.mirrored,
        "score": round(found.score, 4),
    }


_LIBRARY = "/libraries/{app_id:int}/{service}"

PAGE = Page(
    None,
    (
        Work("POST", f"{_LIBRARY}/search", search, heavy=True),
        Work("POST", f"{_LIBRARY}/match", match, heavy=True),
    ),
)
