"""The private interface's envelope: err_no and err_msg in one JSON object, always 200."""

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tusou.errors import ERR_MSGS, Problem, TusouError
from tusou.stages import timed
from tusou.types import Hit

_log = logging.getLogger(__name__)

_BRIEF = 1000
_EXACT = frozenset({Problem.ITEM_EXISTS})
"""Problems whose message the manual shows to the letter, so that programs may compare it."""


def answer(facts: Mapping[str, Any]) -> Response:
    """The answer of a call that succeeded."""
    return _response({"err_no": 0, "err_msg": ERR_MSGS[0], **facts})


def failure(request: Request, error: Exception) -> Response:
    """The answer for an exception; one that nobody foresaw is logged and told as internal."""
    if not isinstance(error, TusouError):
        _log.error("request %s failed", request.state.log_id, exc_info=error)
        error = TusouError(Problem.UNKNOWN)
    problem, note = error.problem, request.state.note
    note["error_code"] = problem.code
    note["err_no"] = problem.err_no
    message = problem.err_msg
    if error.detail:
        note["detail"] = error.detail
        if problem not in _EXACT:
            message = f"{message}: {error.detail}"
    items = {"data_items": error.facts["data_items"]} if "data_items" in error.facts else {}
    return _response({"err_no": problem.err_no, "err_msg": message, **items})


def item(hit: Hit, **facts: Any) -> dict[str, Any]:
    """A picture as the manual's answers name it."""
    return {
        "contsign": {"sign1": hit.sign.high, "sign2": hit.sign.low},
        **facts,
        "features": [{"fea_id": _BRIEF, "fea_data": base64.b64encode(hit.brief.encode()).decode()}],
    }


def _response(body: Mapping[str, Any]) -> Response:
    with timed("render"):
        return Response(
            json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            media_type="application/json; charset=utf-8",
        )
