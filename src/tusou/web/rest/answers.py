"""Answers of the native interface, and problems as `application/problem+json`."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.library.bulk import LibraryRow
from tusou.library.duplicates import Group, Scan
from tusou.library.pictures import facts
from tusou.library.pictures import moment as moment  # as calls tell times
from tusou.services import SERVICES
from tusou.stages import timed
from tusou.types import Item, Match, Subject
from tusou.web.statuses import status_of

_log = logging.getLogger(__name__)

Facts = Mapping[str, Any]


def answer(facts: Facts, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer."""
    with timed("render"):
        return _json(facts, status, "application/json", headers)


def failure(request: Request, error: Exception, status: int | None = None) -> Response:
    """The answer for an exception; one that nobody foresaw is logged and told as unknown."""
    facts = problem(request, error, status)
    request.state.note["error_code"] = facts["error_code"]
    if isinstance(error, TusouError) and error.detail:
        request.state.note["detail"] = error.detail
    headers = {"www-authenticate": "Bearer"} if facts["status"] == 401 else {}
    return _json(facts, facts["status"], "application/problem+json", headers)


def problem(request: Request, error: Exception, status: int | None = None) -> Facts:
    """What is told of an exception; likewise."""
    if not isinstance(error, TusouError):
        _log.error("request %s failed", request.state.log_id, exc_info=error)
        error = TusouError(Problem.UNKNOWN)
    return {
        "type": error.problem.urn,
        "title": error.problem.message,
        "status": status or status_of(error.problem),
        "detail": error.detail or error.problem.value.when,
        "error_code": error.problem.code,
        "log_id": request.state.log_id,
        **error.facts,
    }


def picture(item: Item) -> Facts:
    """What is told of a picture."""
    return facts(item)


def library(row: LibraryRow) -> Facts:
    """What is told of a library."""
    service = SERVICES[row.service]
    return {
        "service": row.service,
        "name": service.chinese,
        "finds": service.finds,
        "size": row.size,
        "capacity": row.capacity,
        "pack": row.pack,
        "created": moment(row.created),
        "class_fields": list(service.class_fields),
        "explains": service.explains,
        "most_results": service.most_results,
    }


def subject(found: Subject) -> Facts:
    """Where a thing is in the picture that was sent."""
    return {
        "left": found.left,
        "top": found.top,
        "width": found.right - found.left,
        "height": found.bottom - found.top,
        "share": round(found.share, 4),
    }


def match(found: Match) -> Facts:
    """What a picture and a stored one have in common."""
    return {
        "score": round(found.score, 6),
        "homography": found.homography.tolist(),
        "query_points": found.query_points.round(2).tolist(),
        "stored_points": found.stored_points.round(2).tolist(),
        "query_overlap": round(found.query_overlap, 6),
        "stored_overlap": round(found.stored_overlap, 6),
        "mirrored": found.mirrored,
    }


def scan(found: Scan, not_compared: int) -> Facts:
    """How far a library was looked through for duplicates."""
    return {
        "state": found.state,
        "total": found.total,
        "done": min(found.done, found.total),
        "not_compared": not_compared,
        "asked": moment(found.asked) if found.asked else None,
        "ended": None if found.ended is None else moment(found.ended),
        "problem": found.problem or None,
    }


def group(found: Group) -> Facts:
    """Pictures that show the same, the best first."""
    return {
        "best": picture(found.best),
        "reason": found.reason,
        "others": [{"score": round(twin.score, 6), **picture(twin.item)} for twin in found.others],
    }


def _json(
    facts: Facts, status: int, media_type: str, headers: Mapping[str, str] | None
) -> Response:
    body = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return Response(body.encode(errors="replace"), status, headers, media_type)
