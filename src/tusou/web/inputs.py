"""What clients send: bodies of three kinds, and every parameter checked and named on refusal."""

import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from tusou.errors import Problem, TusouError
from tusou.services import Service
from tusou.stages import timed
from tusou.types import ClassFilter, ClassTerm, ContSign, Source, Url
from tusou.web.escapes import unquote

IMAGE_LIMIT = 4 << 20
# The picture at its limit, and room for the other fields and for multipart's own words.
BODY_LIMIT = IMAGE_LIMIT + (256 << 10)
# A client that sends more than allowed reads its answer only after it has sent all of it.
_DRAIN_LIMIT = 64 << 20
SMALL_BODY = 16 << 10
"""Bytes of a body without a picture, such as a sign-in's, which anyone may send."""
BODY_SECONDS = 60
"""For every `BODY_LIMIT` bytes of a body, which come in that time over 0.6 Mbit/s."""
# What is made of a body must not be many times its size: a form of a million parameters would hold
# up all other requests for seconds, and lists within lists take 30 bytes for one.
_MOST_FIELDS = 1000
_MOST_JSON_PARTS = 100_000
_BRIEF_LIMIT = 256
_URL_LIMIT = 1024
_SIGNS_LIMIT = 100
_CLASS_RANGE = range(1, 1 << 16)


@dataclass(frozen=True, slots=True)
class Value:
    """One parameter as it came."""

    data: bytes
    sent: int
    """Bytes on the wire, before percent-decoding."""
    is_file: bool = False
    """A part of a multipart body with a file name: the picture itself, not its base64."""


class Fields(dict[str, Value]):
    """The parameters of a request; an empty one counts as not sent."""

    def text(self, name: str) -> str | None:
        """A parameter's text.

        Raises:
            TusouError: INVALID_PARAM, it is not UTF-8.
        """
        value = self.get(name)
        if value is None or not value.data:
            return None
        try:
            return value.data.decode()
        except UnicodeDecodeError:
            raise TusouError(Problem.INVALID_PARAM, f"param {name} is not UTF-8 text") from None

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`.

        Raises:
            TusouError: INVALID_PARAM.
        """
        text = self.text(name)
        if text is None:
            return None
        if re.fullmatch(r"\s*-?\d{1,10}\s*", text, re.ASCII) is None or not (
            low <= int(text) <= high
        ):
            raise TusouError(
                Problem.INVALID_PARAM,
                f"param {name} must be a whole number from {low} to {high}, not {_quote(text)}",
            )
        return int(text)


def fields_of(sent: Mapping[str, bytes | str]) -> Fields:
    """Parameters that no request brought: bytes are a file's."""
    made = Fields()
    for name, value in sent.items():
        data = value if isinstance(value, bytes) else value.encode(errors="replace")
        made[name] = Value(data, len(data), isinstance(value, bytes))
    return made


def fields_of_json(document: Mapping[str, Any]) -> Fields:
    """Parameters as a JSON object has them; null is not sent.

    Raises:
        RecursionError: there are too many levels.
    """
    return fields_of(
        {name: _json_text(value) for name, value in document.items() if value is not None}
    )


def body_size(request: Request, most: int = BODY_LIMIT) -> int:
    """Bytes that a request's body takes at most, before it is read."""
    told = request.headers.get("content-length", "")
    return min(int(told), most) if re.fullmatch(r"[0-9]{1,18}", told) else most


async def read_fields(request: Request, most: int = BODY_LIMIT) -> Fields:
    """Read a body: urlencoded, JSON or multipart, whatever the client's Content-Type.

    Raises:
        TusouError: IMAGE_SIZE, INVALID_PARAM.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, most)
    if media == "multipart/form-data":
        return await _multipart(request, body)
    # Programs made by hand often post JSON under the form type; no form begins like this.
    if media == "application/json" or body[:1] == b"{":
        return _json(body)
    return _urlencoded(body)


async def read_body(request: Request, most: int = BODY_LIMIT) -> bytes:
    """Read the body up to its limit.

    Raises:
        TusouError: IMAGE_SIZE, it is longer; INVALID_PARAM, it was called off or takes too long.
    """
    seconds = BODY_SECONDS * max(1, most // BODY_LIMIT)
    try:
        with timed("read"), anyio.fail_after(seconds):
            return await _collect(request, most)
    except ClientDisconnect:
        # Nobody reads the answer; the log should say what happened, without a trace.
        reason = "the client went away while sending"
    except TimeoutError:
        reason = f"the body took longer than {seconds} seconds to come"
    raise TusouError(Problem.INVALID_PARAM, reason)


async def _collect(request: Request, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
        elif size > _DRAIN_LIMIT:
            break
        else:
            chunks.clear()
    if size > most:
        raise TusouError(
            Problem.IMAGE_SIZE,
            "the request is larger than a picture of 4 MiB needs"
            if most == BODY_LIMIT
            else f"the request has more than {most} bytes",
        )
    return b"".join(chunks)


def _urlencoded(body: bytes) -> Fields:
    if body.count(b"&") >= _MOST_FIELDS:
        raise TusouError(Problem.INVALID_PARAM, f"a form has at most {_MOST_FIELDS} parameters")
    fields = Fields()
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name:
            fields.setdefault(
                unquote(name).decode(errors="replace"), Value(unquote(value), len(value))
            )
    return fields


def load_json(text: bytes, name: str = "the body") -> Any:
    """Read what ought to be JSON.

    Raises:
        TusouError: INVALID_PARAM, with the name that it goes by.
    """
    require_few_parts(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise TusouError(Problem.INVALID_PARAM, f"{name} is not JSON") from None


def require_few_parts(text: bytes) -> None:
    """Pass if JSON does not become many times its size when it is read.

    Raises:
        TusouError: INVALID_PARAM.
    """
    if len(text) > _MOST_JSON_PARTS and sum(map(text.count, (b",", b"[", b"{"))) > _MOST_JSON_PARTS:
        raise TusouError(
            Problem.INVALID_PARAM, f"the JSON has over {_MOST_JSON_PARTS} values; send fewer"
        )


def _json(body: bytes) -> Fields:
    document = load_json(body)
    if not isinstance(document, dict):
        raise TusouError(Problem.INVALID_PARAM, "the body is not a JSON object")
    if len(document) > _MOST_FIELDS:
        raise TusouError(Problem.INVALID_PARAM, f"a body has at most {_MOST_FIELDS} parameters")
    try:
        return fields_of_json(document)
    except (ValueError, RecursionError):
        raise TusouError(Problem.INVALID_PARAM, "the body is not JSON") from None


def _json_text(value: Any) -> str:
    """A JSON value as the form would have it: 5 → "5", [100, 11] → "100,11", text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, int | str) for part in value):
        return ",".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


async def _multipart(request: Request, body: bytes) -> Fields:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    # Of the scope only what parsing needs: within an application Starlette raises HTTP errors.
    scope = {"type": "http", "headers": request.scope["headers"]}
    fields = Fields()
    try:
        form = await Request(scope, receive).form(
            max_files=4, max_fields=32, max_part_size=max(len(body), BODY_LIMIT)
        )
    except (MultiPartException, ValueError) as error:  # ValueError: of odd character sets
        raise TusouError(Problem.INVALID_PARAM, "the multipart body is malformed") from error
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            data = await part.read()
            fields.setdefault(name, Value(data, len(data), is_file=True))
        else:
            fields.setdefault(name, Value(part.encode(errors="replace"), len(part)))
    await form.close()
    return fields


def image(value: Value) -> bytes:
    """A picture's bytes from the `image` parameter.

    Raises:
        TusouError: IMAGE_SIZE, IMAGE_EMPTY or BASE64.
    """
    check_image_size(value.sent)
    data = value.data if value.is_file else decode_base64(value.data)
    if not data:
        raise TusouError(Problem.IMAGE_EMPTY)
    return data


def check_image_size(sent: int) -> None:
    """Pass if a picture of so many bytes, as sent, is not too large.

    Raises:
        TusouError: IMAGE_SIZE.
    """
    if sent > IMAGE_LIMIT:
        raise TusouError(
            Problem.IMAGE_SIZE,
            f"param image has {sent} bytes as sent; at most {IMAGE_LIMIT} (4 MiB) are taken",
        )


def decode_base64(data: bytes) -> bytes:
    """Decode base64 as clients write it: a data: header, line breaks, no padding, `-` and `_`.

    A `+` that was not percent-encoded has become a space on the way, so a space is read as `+`.

    Raises:
        TusouError: BASE64.
    """
    text = data.translate(None, delete=b"\r\n\t")
    if text.lstrip()[:5].lower() == b"data:":
        text = text.partition(b",")[2]
    if len(text) % 4 or text.rstrip().endswith(b"="):
        text = text.strip()  # blanks around it; otherwise one at the end is a last "+"
    text = text.translate(bytes.maketrans(b" -_", b"++/")).rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        raise TusouError(Problem.BASE64, "param image is not base64") from None


def picture(fields: Fields) -> bytes | Url:
    """The picture of an add or a search: `image` before `url`.

    Raises:
        TusouError: MISSING_PARAM, or what is wrong with the one sent.
    """
    source = _image_or_url(fields)
    if source is None:
        raise TusouError(Problem.MISSING_PARAM, "param image not exist; send image or url")
    return source


def source(fields: Fields, most_signs: int) -> Source:
    """The picture of a delete or an update: `image` before `url` before `cont_sign`.

    Raises:
        TusouError: MISSING_PARAM, or what is wrong with the one sent.
    """
    if (fetched := _image_or_url(fields)) is not None:
        return fetched
    text = fields.text("cont_sign")
    if text is None:
        raise TusouError(
            Problem.MISSING_PARAM, "param image not exist; send image, url or cont_sign"
        )
    parts = [part for part in text.split(";") if part.strip()]
    if not 1 <= len(parts) <= most_signs:
        raise TusouError(
            Problem.INVALID_PARAM,
            f"param cont_sign has {len(parts)} signs; from 1 to {most_signs} are taken",
        )
    try:
        return tuple(dict.fromkeys(map(ContSign.parse, parts)))
    except ValueError as error:
        raise TusouError(Problem.INVALID_PARAM, f"param cont_sign: {error}") from None


def _image_or_url(fields: Fields) -> bytes | Url | None:
    value = fields.get("image")
    if value is not None and value.data:
        return image(value)
    url = fields.text("url")
    if url is not None:
        if len(url.encode()) > _URL_LIMIT:
            raise TusouError(Problem.PARAM_TOO_LONG, f"param url has more than {_URL_LIMIT} bytes")
        return Url(url)
    if value is not None and "cont_sign" not in fields:
        raise TusouError(Problem.IMAGE_EMPTY, "param image is empty")
    return None


def brief(fields: Fields) -> str | None:
    """The brief, returned verbatim by searches.

    Raises:
        TusouError: INVALID_PARAM, it has over 256 bytes.
    """
    text = fields.text("brief")
    return None if text is None else check_brief(text)


def check_brief(text: str) -> str:
    """Pass if a brief can be taken, and return it.

    Raises:
        TusouError: INVALID_PARAM.
    """
    size = len(text.encode())
    if size > _BRIEF_LIMIT:
        raise TusouError(
            Problem.INVALID_PARAM,
            f"brief too long, it has {size} bytes of UTF-8 and may have {_BRIEF_LIMIT}",
        )
    if "\0" in text:
        raise TusouError(Problem.INVALID_PARAM, "param brief holds a NUL character")
    return text


def required_brief(fields: Fields) -> str:
    """The brief of an add.

    Raises:
        TusouError: MISSING_PARAM or INVALID_PARAM.
    """
    text = brief(fields)
    if text is None:
        raise TusouError(Problem.MISSING_PARAM, "param brief not exist")
    return text


def classes(fields: Fields, service: Service) -> tuple[int | None, int | None]:
    """The two classes a picture is given; None where nothing was said of one.

    Raises:
        TusouError: INVALID_PARAM.
    """
    if len(service.class_fields) == 2:
        own = tuple(_class(fields, name) for name in service.class_fields)
        if own != (None, None):
            return own[0], own[1]
    tags = _tags(fields)
    if not tags:
        return None, None
    # A tag list is given whole: a single tag leaves no second one behind.
    return (tags[0], tags[1] if len(tags) == 2 else 0)


def changed_classes(fields: Fields, service: Service) -> tuple[int | None, int | None]:
    """Classes to give; a field that is there and empty takes its class away.

    Raises:
        TusouError: INVALID_PARAM.
    """
    first, second = classes(fields, service)
    if len(service.class_fields) == 1:
        emptied = (0, 0) if _is_emptied(fields, service.class_fields[0]) else (first, second)
        return emptied
    names = service.class_fields
    return (
        0 if _is_emptied(fields, names[0]) else first,
        0 if _is_emptied(fields, names[1]) else second,
    )


def _is_emptied(fields: Fields, name: str) -> bool:
    return name in fields and not fields[name].data.strip()


def class_filter(fields: Fields, service: Service) -> ClassFilter | None:
    """The classes a search is limited to; None: all pictures.

    Raises:
        TusouError: INVALID_PARAM.
    """
    logic = fields.integer("tag_logic", 0, 1)
    if len(service.class_fields) == 2:
        given = classes(fields, service)
        terms = tuple(
            ClassTerm(value, dimension)
            for value, dimension in zip(given, _DIMENSIONS, strict=True)
            if value
        )
    else:
        terms = tuple(ClassTerm(tag, None) for tag in _tags(fields))
    return ClassFilter(terms, "any" if logic == 1 else "all") if terms else None


_DIMENSIONS: tuple[Any, Any] = (0, 1)


def page(fields: Fields, service: Service) -> tuple[int, int]:
    """The first result asked for and how many.

    Raises:
        TusouError: INVALID_PARAM.
    """
    first = fields.integer("pn", 0, service.most_results - 1)
    count = fields.integer("rn", 1, service.most_results)
    return first or 0, count or service.default_results


def update_signs(fields: Fields) -> Source:
    """The picture of an update: one."""
    return source(fields, 1)


def delete_signs(fields: Fields) -> Source:
    """The pictures of a delete: one by picture, or a list of signs."""
    return source(fields, _SIGNS_LIMIT)


def _class(fields: Fields, name: str) -> int | None:
    return fields.integer(name, _CLASS_RANGE[0], _CLASS_RANGE[-1])


def _tags(fields: Fields) -> list[int]:
    text = fields.text("tags")
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if not re.fullmatch(r"\d{1,5}", part, re.ASCII)]
    wrong += [part for part in parts if part not in wrong and int(part) not in _CLASS_RANGE]
    if wrong or len(parts) > 2:
        raise TusouError(
            Problem.INVALID_PARAM,
            "param tags must be one or two whole numbers from 1 to 65535 with a comma between, "
            f"not {_quote(text)}",
        )
    return list(map(int, parts))


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
