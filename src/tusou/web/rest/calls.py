"""What the calls of the native interface do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.library.library import Library
from tusou.library.pictures import File, Pictures
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.types import ContSign, Filter, Hit, Item, Url
from tusou.web import inputs
from tusou.web.inputs import Fields, Value
from tusou.web.rest import answers
from tusou.web.rest.answers import answer

A_PAGE, MOST_A_PAGE = 100, 1000
FIRST_HITS = 20
_LONGEST_WORDS = 256
_LARGEST_KEY = 10**10 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and let in."""

    request: Request
    runtime: Runtime
    app: App
    fields: Fields
    """Of the body, or of the query where there is none."""

    @property
    def service(self) -> Service:
        """The service in the path.

        Raises:
            TusouError: UNKNOWN_SERVICE.
        """
        return service_of(self.request)

    @property
    def library(self) -> Library:
        """The library in the path; raises TusouError, NO_LIBRARY."""
        return self.runtime.catalogue.library(self.app.id, self.service.name)

    @property
    def pictures(self) -> Pictures:
        """Its pictures to look at, for which no index needs to be loaded; likewise."""
        return self.runtime.catalogue.pictures(self.app.id, self.service.name)

    @property
    def item(self) -> Item:
        """The picture in the path; raises TusouError, ITEM_MISSING."""
        return self.pictures.describe(_number(self.request.path_params["id"]))


def service_of(request: Request) -> Service:
    """The service in a path.

    Raises:
        TusouError: UNKNOWN_SERVICE.
    """
    name = request.path_params["service"]
    if name not in SERVICES:
        raise TusouError(Problem.UNKNOWN_SERVICE, f"{name}; there are {', '.join(SERVICES)}")
    return SERVICES[name]


def query_fields(query: Mapping[str, str]) -> Fields:
    """Parameters of a query as fields."""
    found = ((name, text.encode(errors="replace")) for name, text in query.items())
    return Fields({name: Value(data, len(data)) for name, data in found})


def list_libraries(call: Call) -> Response:
    """The application's libraries."""
    rows = call.runtime.registry.list(call.app.id)
    return answer({"libraries": [answers.library(row) for row in rows]})


def describe_library(call: Call) -> Response:
    """One library."""
    return answer(answers.library(call.runtime.registry.get(call.app.id, call.service.name)))


def list_pictures(call: Call) -> Response:
    """A page of pictures that a filter lets through, newest first."""
    fields = call.fields
    count = fields.integer("limit", 1, MOST_A_PAGE) or A_PAGE
    after = fields.integer("cursor", 0, _LARGEST_KEY)
    order = fields.text("order") or "newest"
    if order not in ("newest", "oldest"):
        raise TusouError(Problem.INVALID_PARAM, "param order must be newest or oldest")
    page = call.pictures.page(_filter(call), count, after, order == "oldest")
    following = None if page.next is None else str(page.next)
    return answer({"pictures": [answers.picture(item) for item in page.items], "next": following})


def describe_picture(call: Call) -> Response:
    """One picture."""
    return answer(answers.picture(call.item))


def thumbnail(call: Call) -> Response:
    """A small JPEG of a picture."""
    return _file(call.item, call.pictures.thumbnail(call.item.key))


def original(call: Call) -> Response:
    """A picture's file as it came."""
    return _file(call.item, call.pictures.original(call.item.key))


def add_picture(call: Call) -> Response:
    """Add a picture."""
    brief = inputs.required_brief(call.fields)
    first, second = inputs.classes(call.fields, call.service)
    source = inputs.picture(call.fields)
    try:
        sign = call.library.add(source, brief, (first or 0, second or 0))
    except TusouError as error:
        there = _by_sign(call, error.facts.get("cont_sign"))
        if there is None:
            raise
        raise TusouError(error.problem, error.detail, **error.facts, id=there.key) from error
    item = _by_sign(call, sign)
    if item is None:
        raise TusouError(Problem.ITEM_MISSING, "it was deleted at the same moment")
    where = f"{call.request.url.path}/{item.key}"
    return answer(answers.picture(item), 201, {"location": where})


def update_picture(call: Call) -> Response:
    """Change a picture's brief and classes where they are given; [] takes classes away."""
    item = call.item
    brief = inputs.brief(call.fields)
    classes = inputs.changed_classes(call.fields, call.service)
    if brief is None and classes == (None, None):
        names = " or ".join(("brief", *call.service.class_fields))
        raise TusouError(Problem.MISSING_PARAM, f"param {names} not exist; nothing to change")
    call.library.update((item.sign,), brief, classes)
    return describe_picture(call)


def delete_picture(call: Call) -> Response:
    """Delete a picture."""
    call.library.delete((call.item.sign,))
    return Response(status_code=204)


def search(call: Call) -> Response:
    """The stored pictures that fit a picture best; in `product`, where its subjects are, too."""
    fields, service = call.fields, call.service
    count = fields.integer("limit", 1, service.most_results) or FIRST_HITS
    threshold = _share(fields, "threshold")
    classes = inputs.class_filter(fields, service)
    page = call.library.search(_query(call), classes, 0, min(count, service.most_results))
    hits = [hit for hit in page.hits if hit.score >= threshold]
    log_id = call.request.state.log_id
    call.runtime.feedback.remember(call.app.id, log_id, service.name, hits)
    more = page.has_more and len(hits) == len(page.hits)
    facts = {"results": _results(call, hits), "has_more": more, "log_id": log_id}
    if page.subjects is not None:
        facts["subjects"] = [answers.subject(box) for box in page.subjects]
    return answer(facts)


def explain(call: Call) -> Response:
    """Where a picture and a stored one agree; `match` is null where a search would not find it."""
    found = call.library.explain(_query(call), call.item.sign)
    return answer({"match": None if found is None else answers.match(found)})


def _query(call: Call) -> bytes | Url:
    """The picture asked about: sent, to be fetched, or a stored one by its id."""
    stored = call.fields.text("picture")
    if stored is None:
        return inputs.picture(call.fields)
    return call.pictures.original(_number(stored)).data


def _results(call: Call, hits: list[Hit]) -> list[dict[str, Any]]:
    items = call.pictures.by_sign([hit.sign for hit in hits])
    return [
        {"score": round(hit.score, 6), **answers.picture(items[hit.sign])}
        for hit in hits
        if hit.sign in items  # deleted meanwhile
    ]


def _by_sign(call: Call, sign: object) -> Item | None:
    if sign is None:
        return None
    wanted = ContSign.parse(str(sign))
    return call.pictures.by_sign([wanted]).get(wanted)


def _filter(call: Call) -> Filter:
    fields = call.fields
    words = fields.text("brief") or ""
    if len(words) > _LONGEST_WORDS or "\0" in words:
        raise TusouError(Problem.INVALID_PARAM, f"param brief: at most {_LONGEST_WORDS} letters")
    sign = fields.text("cont_sign")
    try:
        wanted = None if sign is None else ContSign.parse(sign)
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param cont_sign: {error}") from None
    return Filter(words, inputs.class_filter(fields, call.service), wanted)


def _share(fields: Fields, name: str) -> float:
    text = fields.text(name) or "0"
    if re.fullmatch(r"(0|1|0?\.\d{1,20}|[01]\.\d{0,20})", text, re.ASCII) and float(text) <= 1:
        return float(text)
    raise TusouError(Problem.INVALID_PARAM, f"param {name} must be a number from 0 to 1")


def _number(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,10}", text):
        return int(text)
    raise TusouError(Problem.ITEM_MISSING, "an id is a whole number")


def _file(item: Item, file: File) -> Response:
    # Numbers are never used again and files never change.
    headers = {"cache-control": "private, max-age=31536000, immutable", "etag": f'"{item.key}"'}
    return Response(file.data, media_type=file.media_type, headers=headers)
