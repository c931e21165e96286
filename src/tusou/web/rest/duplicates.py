"""What the native interface does about duplicates: looking for them, listing, deciding."""

import re

from starlette.responses import Response

from tusou.errors import Problem, TusouError
from tusou.library.bulk import LibraryRow
from tusou.library.duplicates import Scan
from tusou.web.rest import answers
from tusou.web.rest.answers import answer
from tusou.web.rest.calls import Call

A_PAGE, MOST_A_PAGE = 20, 100
MOST_PICTURES = 1000
_LARGEST_KEY = 10**10 - 1


def describe_scan(call: Call) -> Response:
    """How far the library was looked through for duplicates."""
    return answer(_scan(call, call.runtime.duplicates.scan(_library(call))))


def start_scan(call: Call) -> Response:
    """Compare the pictures that no scan has compared; one that is under way goes on."""
    return answer(_scan(call, call.runtime.duplicates.ask(_library(call))), 202)


def list_duplicates(call: Call) -> Response:
    """A page of groups of pictures that show the same, those of the newest pictures first."""
    count = call.fields.integer("limit", 1, MOST_A_PAGE) or A_PAGE
    after = call.fields.integer("cursor", 0, _LARGEST_KEY)
    page = call.runtime.duplicates.page(_library(call), count, after)
    return answer(
        {
            "groups": [answers.group(group) for group in page.groups],
            "next": None if page.next is None else str(page.next),
            "total": page.total,
            "spare": page.spare,
        }
    )


def describe_duplicates(call: Call) -> Response:
    """The group that a picture is in; `group` is null where it is in none."""
    found = call.runtime.duplicates.group_of(_library(call), call.item.key)
    return answer({"group": None if found is None else answers.group(found)})


def keep_duplicate(call: Call) -> Response:
    """Say that a picture is the one to keep of its group, which is remembered."""
    return answer(
        {"group": answers.group(call.runtime.duplicates.keep(_library(call), call.item.key))}
    )


def part_duplicates(call: Call) -> Response:
    """Say that a picture is not the same as others; they are never grouped again."""
    call.runtime.duplicates.part(_library(call), call.item.key, _pictures(call, required=False))
    return describe_duplicates(call)


def delete_duplicates(call: Call) -> Response:
    """Keep a picture and delete others of its group; which, is said, as the group may have grown.

    All of them or none.
    """
    key, wanted = call.item.key, _pictures(call, required=True) or []
    items = call.runtime.duplicates.others(_library(call), key, wanted)
    call.runtime.duplicates.keep(_library(call), key)
    call.library.delete_found(tuple(item.sign for item in items))
    return answer({"deleted": len(items)})


def _library(call: Call) -> LibraryRow:
    return call.runtime.registry.get(call.app.id, call.service.name)


def _pictures(call: Call, *, required: bool) -> list[int] | None:
    """The numbers in `pictures`, a list or with commas between; None where it is absent."""
    text = call.fields.text("pictures")
    if text is None:
        if required:
            raise TusouError(Problem.MISSING_PARAM, "param pictures not exist")
        return None
    parts = text.strip("[] ").split(",")
    if len(parts) > MOST_PICTURES or not all(
        re.fullmatch(r"\s*[0-9]{1,10}\s*", part) for part in parts
    ):
        raise TusouError(
            Problem.INVALID_PARAM, f"param pictures must be from 1 to {MOST_PICTURES} ids"
        )
    return [int(part) for part in parts]


def _scan(call: Call, scan: Scan) -> answers.Facts:
    return answers.scan(scan, call.runtime.duplicates.fresh(_library(call)))
