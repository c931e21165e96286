"""What went wrong, told to people as a page and to scripts as JSON, in the reader's language."""

import logging

from starlette.requests import Request
from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.services import SERVICES
from tusou.web import bodies
from tusou.web.console.texts import Texts
from tusou.web.console.visit import json_answer, page
from tusou.web.statuses import status_of

_log = logging.getLogger(__name__)


def failure(request: Request, error: Exception, say: Texts, theme: str) -> Response:
    """What went wrong, for a script as JSON, for a person as a page."""
    if not isinstance(error, TusouError):
        _log.error("request %s failed", request.state.log_id, exc_info=error)
        error = TusouError(Problem.UNKNOWN)
    request.state.note["error_code"] = error.problem.code
    status = status_of(error.problem)
    text = say(f"problem.{error.problem.name}")
    detail = _detail(request, error, say) if status != 500 else ""
    if is_script(request):
        facts = {"problem": error.problem.name, "text": text, "detail": detail}
        return json_answer(facts | error.facts, status)
    return page(
        request,
        "problem.html",
        say,
        theme,
        status=status,
        text=text,
        detail=detail,
        number=request.state.log_id,
    )


def is_script(request: Request) -> bool:
    """Whether one of our scripts asks, not a person."""
    return "application/json" in request.headers.get("accept", "")


def _detail(request: Request, error: TusouError, say: Texts) -> str:
    """What more there is to say: a hint by the limits of the service, or what the error says."""
    service = SERVICES.get(request.path_params.get("service", ""))
    key = f"hint.{error.problem.name}"
    if service is not None and key in say.known:
        hint = say(
            key,
            megabytes=bodies.IMAGE_LIMIT >> 20,
            shortest=service.shortest_side,
            longest=service.longest_side,
        )
        aspect = service.largest_aspect if error.problem is Problem.IMAGE_SIZE else None
        return f"{hint} {say('hint.aspect', n=f'{aspect:g}')}" if aspect else hint
    # Errors say it in English only; a path is the same in every language.
    return error.detail if say.language == "en" or error.problem is Problem.METHOD else ""
