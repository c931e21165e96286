"""The parameters of calls, each checked, and named where it is refused."""

import binascii
import re
from typing import Literal

from tusou.errors import Problem, TusouError
from tusou.services import Service
from tusou.types import ClassFilter, ClassTerm, ContSign, Source, Url
from tusou.web.bodies import IMAGE_LIMIT, Fields, Value, quote

_BRIEF_LIMIT = 256
_URL_LIMIT = 1024
_SIGNS_LIMIT = 100
_CLASS_RANGE = range(1, 1 << 16)


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


_DIMENSIONS: tuple[Literal[0, 1], ...] = (0, 1)


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
            f"not {quote(text)}",
        )
    return list(map(int, parts))
