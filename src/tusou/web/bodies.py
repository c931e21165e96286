"""The bodies of requests: forms, JSON and multipart, within bounds of size, time and memory."""

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
from tusou.stages import timed
from tusou.web.escapes import unquote

IMAGE_LIMIT = 4 << 20
"""Bytes of a picture as it is sent."""
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
                f"param {name} must be a whole number from {low} to {high}, not {quote(text)}",
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


def quote(text: str) -> str:
    """What was sent, short enough for a refusal."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
