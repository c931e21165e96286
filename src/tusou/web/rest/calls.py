"""What a call of the native interface brings, and how what is common to many of them is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from tusou import expressions
from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.library.bulk import Also, LibraryRow
from tusou.library.library import Library
from tusou.library.pictures import Pictures
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.types import ContSign, Filter, Item, Url
from tusou.web import bodies, inputs
from tusou.web.bodies import Fields
from tusou.web.queue import Queue

A_PAGE, MOST_A_PAGE = 100, 1000
MOST_IDS = 10_000
LARGEST_KEY = 10**10 - 1
_LONGEST_WORDS = 256


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and let in."""

    request: Request
    runtime: Runtime
    queue: Queue
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
    def row(self) -> LibraryRow:
        """What SQL knows of the library in the path; raises TusouError, NO_LIBRARY."""
        return self.runtime.registry.get(self.app.id, self.service.name)

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
        return self.pictures.describe(number(self.request.path_params["id"]))

    def note(self, act: str, **facts: object) -> Also:
        """Writes down in the record of acts what the application does."""
        return self.runtime.audit.noting(act, self.app.id, service=self.service.name, **facts)


def service_of(request: Request) -> Service:
    """The service in a path.

    Raises:
        TusouError: UNKNOWN_SERVICE.
    """
    return service_named(request.path_params["service"])


def service_named(name: str) -> Service:
    """One of the five; raises TusouError, UNKNOWN_SERVICE."""
    if name not in SERVICES:
        raise TusouError(Problem.UNKNOWN_SERVICE, f"{name[:40]}; there are {', '.join(SERVICES)}")
    return SERVICES[name]


def query_fields(query: Mapping[str, str]) -> Fields:
    """Parameters of a query as fields."""
    return bodies.fields_of(query)


def number(text: str) -> int:
    """The number of a picture; raises TusouError, ITEM_MISSING."""
    if re.fullmatch(r"[0-9]{1,10}", text):
        return int(text)
    raise TusouError(Problem.ITEM_MISSING, "an id is a whole number")


def expression(fields: Fields) -> str:
    """The filter expression; empty where there is none.

    Raises:
        TusouError: INVALID_PARAM.
    """
    text = (fields.text("filter") or "").strip()
    if text:
        expressions.parse(text)
    return text


def wanted(call: Call) -> Filter:
    """The pictures that a list's or an export's parameters mean.

    Raises:
        TusouError: INVALID_PARAM.
    """
    fields = call.fields
    words = fields.text("brief") or ""
    if len(words) > _LONGEST_WORDS or "\0" in words:
        raise TusouError(Problem.INVALID_PARAM, f"param brief: at most {_LONGEST_WORDS} letters")
    sign = fields.text("cont_sign")
    try:
        signed = None if sign is None else ContSign.parse(sign)
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param cont_sign: {error}") from None
    classes = inputs.class_filter(fields, call.service)
    return Filter(words, classes, signed, expression=expression(fields))


def selected(call: Call) -> Filter:
    """The pictures that are to be changed: of a filter, or by their numbers.

    Raises:
        TusouError: MISSING_PARAM, INVALID_PARAM.
    """
    ids, text = call.fields.text("ids"), expression(call.fields)
    if ids is None and not text:
        raise TusouError(Problem.MISSING_PARAM, "param filter or ids not exist")
    if ids is None:
        return Filter(expression=text)
    parts = [part.strip() for part in ids.split(",")]
    if len(parts) > MOST_IDS or not all(re.fullmatch(r"[0-9]{1,10}", part) for part in parts):
        raise TusouError(
            Problem.INVALID_PARAM, f"param ids must be from 1 to {MOST_IDS} whole numbers"
        )
    return Filter(keys=tuple(map(int, parts)), expression=text)


def query(call: Call) -> bytes | Url:
    """The picture asked about: sent, to be fetched, or a stored one by its id."""
    return _picture(call, call.fields)


def one_of_two(call: Call, name: str) -> bytes | Url:
    """One of two pictures: a file, or an object with `image`, `url` or `picture`.

    Raises:
        TusouError: MISSING_PARAM, INVALID_PARAM, or what is wrong with it.
    """
    value = call.fields.get(name)
    if value is not None and value.is_file:
        return inputs.image(value)
    text = call.fields.text(name)
    if text is None:
        raise TusouError(Problem.MISSING_PARAM, f"param {name} not exist")
    return _picture(call, bodies.fields_of_json(json_object(name, text)))


def json_object(name: str, text: str) -> Mapping[str, object]:
    """A parameter that is a JSON object; raises TusouError, INVALID_PARAM."""
    document = bodies.load_json(text.encode(), f"param {name}")
    if not isinstance(document, dict):
        raise TusouError(Problem.INVALID_PARAM, f"param {name} is not a JSON object")
    return document


def flag(fields: Fields, name: str) -> bool:
    """A parameter that is true or false; raises TusouError, INVALID_PARAM."""
    text = (fields.text(name) or "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise TusouError(Problem.INVALID_PARAM, f"param {name} must be true or false")
    return text in ("true", "1")


def _picture(call: Call, fields: Fields) -> bytes | Url:
    stored = fields.text("picture")
    if stored is None:
        return inputs.picture(fields)
    return call.pictures.original(number(stored)).data
