"""The compatible interface's envelope: one JSON object with a log_id, errors too, always 200."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.stages import timed

_log = logging.getLogger(__name__)


def answer(request: Request, facts: Mapping[str, Any], status: int = 200) -> Response:
    """An answer with its log_id."""
    with timed("render"):
        body = {"log_id": request.state.log_id, **facts}
        return Response(
            json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            status_code=status,
            media_type="application/json; charset=utf-8",
        )


def failure(request: Request, error: Exception, status: int = 200) -> Response:
    """The answer for an exception; one that nobody foresaw is logged and told as unknown."""
    if not isinstance(error, TusouError):
        _log.error("request %s failed", request.state.log_id, exc_info=error)
        error = TusouError(Problem.UNKNOWN)
    code = error.problem.code
    request.state.note["error_code"] = code
    if error.detail:
        request.state.note["detail"] = error.detail
    return answer(
        request, {"error_code": code, "error_msg": error.message, **error.facts}, status=status
    )
