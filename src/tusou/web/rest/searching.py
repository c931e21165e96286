"""Calls that compare pictures: searching a library, explaining a match, comparing two."""

import re
from typing import Any

from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.types import Hit, Region
from tusou.web import inputs
from tusou.web.bodies import IMAGE_LIMIT, Fields
from tusou.web.rest import answers
from tusou.web.rest.answers import answer
from tusou.web.rest.calls import Call, expression, one_of_two, query

FIRST_HITS = 20
MOST_TEXT_BYTES = 1024
COMPARE_BYTES = 2 * IMAGE_LIMIT + (256 << 10)


def search(call: Call) -> Response:
    """The stored pictures that fit a picture or a text best; in `product`, its subjects, too."""
    fields, service = call.fields, call.service
    count = fields.integer("limit", 1, service.most_results) or FIRST_HITS
    threshold = _share(fields, "threshold")
    sieve = call.pictures.sieve(inputs.class_filter(fields, service), expression(fields))
    first, after = _cursor(fields)
    text = fields.text("text")
    if text is None:
        page = call.library.search(
            query(call), sieve, first, count, after=after, region=_region(fields)
        )
    else:
        page = call.library.search_text(_words(text), sieve, first, count, after=after)
    hits = [hit for hit in page.hits if hit.score >= threshold]
    log_id = call.request.state.log_id
    call.runtime.feedback.remember(call.app.id, log_id, service.name, hits)
    more = page.has_more and bool(hits) and len(hits) == len(page.hits)
    facts = {
        "results": _results(call, hits),
        "has_more": more,
        "next": f"{page.end}.{hits[-1].key}" if more else None,
        "log_id": log_id,
    }
    if page.subjects is not None:
        facts["subjects"] = [answers.subject(box) for box in page.subjects]
    return answer(facts)


def compare(call: Call) -> Response:
    """How alike two pictures are: the score that a search would give, and the match behind it."""
    score, match = call.library.compare(one_of_two(call, "first"), one_of_two(call, "second"))
    found = None if match is None else answers.match(match)
    return answer({"score": round(score, 6), "match": found})


def explain(call: Call) -> Response:
    """Where a picture and a stored one agree; `match` is null where a search would not find it."""
    accepted = call.request.headers.get("accept", "")
    if "image/png" in accepted and "application/json" not in accepted:
        return _drawn(call)
    found = call.library.explain(query(call), call.item.sign)
    return answer({"match": None if found is None else answers.match(found)})


def _drawn(call: Call) -> Response:
    item = call.item
    data = call.pictures.original(item.key).data
    score, png = call.library.draw(query(call), item.sign, data)
    return Response(png, media_type="image/png", headers={"x-tusou-score": f"{score:.6f}"})


def _results(call: Call, hits: list[Hit]) -> list[dict[str, Any]]:
    items = call.pictures.by_sign([hit.sign for hit in hits])
    return [
        {"score": round(hit.score, 6), **answers.picture(items[hit.sign])}
        for hit in hits
        if hit.sign in items  # deleted meanwhile
    ]


def _share(fields: Fields, name: str) -> float:
    text = fields.text(name) or "0"
    if re.fullmatch(r"(0|1|0?\.\d{1,20}|[01]\.\d{0,20})", text, re.ASCII) and float(text) <= 1:
        return float(text)
    raise TusouError(Problem.INVALID_PARAM, f"param {name} must be a number from 0 to 1")


def _cursor(fields: Fields) -> tuple[int, int | None]:
    """How many results come before, and the picture that was the last of them."""
    text = fields.text("cursor")
    if text is None:
        return 0, None
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,10})", text, re.ASCII)
    if found is None:
        raise TusouError(Problem.INVALID_PARAM, "param cursor must be `next` of a page before")
    return int(found[1]), int(found[2])


def _words(text: str) -> str:
    if len(text.encode()) > MOST_TEXT_BYTES:
        raise TusouError(
            Problem.PARAM_TOO_LONG, f"param text has more than {MOST_TEXT_BYTES} bytes"
        )
    return text


def _region(fields: Fields) -> Region | None:
    text = fields.text("region")
    if text is None:
        return None
    found = re.fullmatch(r"\s*" + r"\s*,\s*".join([r"(\d{1,5})"] * 4) + r"\s*", text, re.ASCII)
    if found is None:
        raise TusouError(
            Problem.INVALID_PARAM, "param region must be left,top,width,height in whole pixels"
        )
    return Region(*map(int, found.groups()))
