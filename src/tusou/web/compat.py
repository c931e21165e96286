"""The compatible interface: tokens, the twenty calls of the five services, and feedback.

Source: shared contract, sections 1 to 3. The vendor's quirks are here and in `inputs`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.library.feedback import Report
from tusou.library.library import Library
from tusou.runtime import Runtime
from tusou.services import OPERATIONS, SERVICES, Service
from tusou.types import ContSign
from tusou.web import bodies, inputs
from tusou.web.answers import answer, failure
from tusou.web.bodies import Fields
from tusou.web.entrance import Entrance
from tusou.web.openapi import describe, describe_feedback, describe_token
from tusou.web.queue import Queue

Facts = Mapping[str, Any]
_MOST_REPORTS = 100
_NOBODY = 0  # no AppID: whoever asks for a token is not known yet
Work = Callable[[Runtime, App, Fields, int], Facts]


class Compat:
    """The routes, and what every call passes: the queue, who calls, whether it may, its quota."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._runtime = runtime
        self._queue = queue
        self._entrance = Entrance(runtime, queue)
        self.router = APIRouter()
        for service in SERVICES.values():
            for operation in OPERATIONS:
                self.router.add_api_route(
                    f"{service.prefix}/{operation}",
                    self._endpoint(service, operation),
                    methods=["POST"],
                    **describe(service, operation),
                )
        self.router.add_api_route(
            "/rpc/2.0/feedback/v1/report", self._feedback, methods=["POST"], **describe_feedback()
        )
        for method in ("GET", "POST"):
            self.router.add_api_route(
                "/oauth/2.0/token", self._token, methods=[method], **describe_token(method)
            )

    def _endpoint(self, service: Service, operation: str) -> Any:
        call = _CALLS[operation]

        def work(runtime: Runtime, app: App, fields: Fields, log_id: int) -> Facts:
            return call(runtime, app, service, fields, log_id)

        async def endpoint(request: Request) -> Response:
            return await self._serve(request, work, (service.name, operation))

        endpoint.__name__ = f"{service.name}_{operation}"
        return endpoint

    async def _feedback(self, request: Request) -> Response:
        def work(runtime: Runtime, app: App, fields: Fields, log_id: int) -> Facts:
            runtime.feedback.record(app.id, _reports(fields))
            return {}

        return await self._serve(request, work, ("feedback", "report"), charged=False)

    async def _serve(
        self, request: Request, work: Work, call: tuple[str, str], *, charged: bool = True
    ) -> Response:
        """Let in, read, work in a thread, answer; whatever goes wrong has its envelope.

        Who is refused is refused before the picture is read; the server drops what is sent of it.
        """
        try:
            app = await self._entrance.let_in(request, call if charged else None)
            size = bodies.body_size(request)
            queue = self._queue
            with queue.place(), queue.place_of(app.id), queue.body(size):
                fields = await bodies.read_fields(request)
                facts = await queue.work(
                    app.id, lambda: work(self._runtime, app, fields, request.state.log_id)
                )
            response = answer(request, facts)
        except Exception as error:
            response = failure(request, error)
        self._entrance.count(request, *call)
        return response

    async def _token(self, request: Request) -> Response:
        """Give an access token for a key pair; parameters come by query or by form."""
        try:
            fields = dict(request.query_params)
            if request.method == "POST":
                # Anyone may send one: no place inside is held for it while it comes.
                body = await bodies.read_fields(request, bodies.SMALL_BODY)
                fields |= {name: body.text(name) or "" for name in body}
            with self._queue.place():
                facts = await self._queue.work(_NOBODY, lambda: _grant(self._runtime, fields))
        except TusouError as error:
            if error.problem in (Problem.UNAVAILABLE, Problem.OVERLOADED):
                # No JSON here: at any JSON without a token, the official clients take to
                # signatures for the rest of their lives.
                return PlainTextResponse("Service temporarily unavailable", status_code=503)
            facts = {"error": "invalid_client", "error_description": error.message}
        return answer(request, facts, status=401 if "error" in facts else 200)


def _grant(runtime: Runtime, fields: Mapping[str, str]) -> Facts:
    kind = fields.get("grant_type", "")
    keys = fields.get("client_id", ""), fields.get("client_secret", "")
    if kind == "client_credentials":
        grant = runtime.tokens.issue(*keys)
    elif kind == "refresh_token":
        grant = runtime.tokens.refresh(*keys, fields.get("refresh_token", ""))
    else:
        return {
            "error": "unsupported_grant_type",
            "error_description": "grant_type must be client_credentials or refresh_token",
        }
    if grant is None:
        return {
            "error": "invalid_client",
            "error_description": "unknown client id, or client secret or refresh token that does "
            "not belong to it",
        }
    return asdict(grant)


def _add(runtime: Runtime, app: App, service: Service, fields: Fields, log_id: int) -> Facts:
    library = _library(runtime, app, service)
    brief = inputs.required_brief(fields)
    first, second = inputs.classes(fields, service)
    sign = library.add(inputs.picture(fields), brief, (first or 0, second or 0))
    return {"cont_sign": str(sign)}


def _search(runtime: Runtime, app: App, service: Service, fields: Fields, log_id: int) -> Facts:
    library = _library(runtime, app, service)
    first, count = inputs.page(fields, service)
    classes = inputs.class_filter(fields, service)
    page = library.search(inputs.picture(fields), classes, first, count)
    runtime.feedback.remember(app.id, log_id, service.name, page.hits)
    return {
        "result_num": len(page.hits),
        "result": [
            {"cont_sign": str(hit.sign), "score": round(hit.score, 6), "brief": hit.brief}
            for hit in page.hits
        ],
        "has_more": page.has_more,
    }


def _delete(runtime: Runtime, app: App, service: Service, fields: Fields, log_id: int) -> Facts:
    _library(runtime, app, service).delete(inputs.delete_signs(fields))
    return {}


def _update(runtime: Runtime, app: App, service: Service, fields: Fields, log_id: int) -> Facts:
    library = _library(runtime, app, service)
    brief = inputs.brief(fields)
    classes = inputs.classes(fields, service)
    if brief is None and classes == (None, None):
        names = " or ".join(("brief", *service.class_fields))
        raise TusouError(Problem.MISSING_PARAM, f"param {names} not exist; nothing to change")
    library.update(inputs.update_signs(fields), brief, classes)
    return {}


def _library(runtime: Runtime, app: App, service: Service) -> Library:
    return runtime.catalogue.library(app.id, service.name)


_CALLS: dict[str, Callable[[Runtime, App, Service, Fields, int], Facts]] = {
    "add": _add,
    "search": _search,
    "delete": _delete,
    "update": _update,
}


def unknown_call(path: str) -> TusouError:
    """The refusal of a path that is not there: an unknown service, or no call at all."""
    match = re.fullmatch(r"/rest/2\.0/(?:[\w-]+/)*realtime_search/([\w-]+)/(\w+)", path)
    if match and match[2] in OPERATIONS and match[1] not in SERVICES:
        return TusouError(Problem.UNKNOWN_SERVICE, f"{match[1]}; there are {', '.join(SERVICES)}")
    return TusouError(Problem.METHOD, f"no such path or method: {path}")


def _reports(fields: Fields) -> list[Report]:
    """Reports from the `feedback` parameter: a JSON object, a list of them, or plain words."""
    text = fields.text("feedback")
    if text is None:
        return []
    bodies.require_few_parts(text.encode())
    try:
        document = json.loads(text)
        # What cannot be written again, such as half a surrogate pair, is kept as the words it is.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        document = text
    entries = document if isinstance(document, list) else [document]
    if len(entries) > _MOST_REPORTS:
        raise TusouError(Problem.INVALID_PARAM, f"at most {_MOST_REPORTS} reports at a time")
    return [_report(entry if isinstance(entry, dict) else {"text": entry}) for entry in entries]


def _report(entry: dict[str, Any]) -> Report:
    image = entry.pop("image", None)
    sign, score, log_id = entry.get("cont_sign"), entry.get("score"), entry.get("log_id")
    correct = entry.get("correct")
    try:
        return Report(
            log_id=None if log_id is None else _log_id(log_id),
            service=entry.get("service") if entry.get("service") in SERVICES else None,
            sign=None if sign is None else ContSign.parse(str(sign)),
            score=None if score is None else float(score),
            correct=None if correct is None else str(correct).lower() in ("1", "true", "yes"),
            image=None if image is None else inputs.decode_base64(str(image).encode()),
            payload=entry,
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise TusouError(Problem.INVALID_PARAM, f"param feedback: {error}") from None


def _log_id(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 1 << 53:
        raise ValueError(f"log_id {str(value)[:40]} is none of ours")
    return number
