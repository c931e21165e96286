"""What programs of the private interface send: JSON objects, every field checked and named."""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tusou.errors import Problem, TusouError
from tusou.services import Service
from tusou.types import ContSign
from tusou.web import bodies, inputs

_NAME_LIMIT = 255
_SIGNS_LIMIT = 1000
_UINT32: Final = (1 << 32) - 1
_UINT64: Final = (1 << 64) - 1
_BRIEF: Final = 1000
_CLASSES: Final = 999
_TWO_NUMBERS = struct.Struct("<II")
_CLASS_LIMIT: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of one call. What counts as bytes is base64 where `format` is `json`; elsewhere
    each character of a JSON string is one byte, except in a brief, which is text."""

    fields: Mapping[str, Any]
    as_base64: bool

    @classmethod
    def parse(cls, body: bytes) -> "Message":
        """Read a body, whatever its Content-Type.

        Raises:
            TusouError: INVALID_PARAM.
        """
        fields = bodies.load_json(body)
        if not isinstance(fields, dict):
            raise TusouError(Problem.INVALID_PARAM, "the body is not a JSON object")
        return cls(fields, fields.get("format") == "json")

    def text(self, name: str) -> str | None:
        """A string, or a number as one; an empty one counts as not sent.

        Raises:
            TusouError: INVALID_PARAM.
        """
        value = self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _is_plain(value):
            raise TusouError(Problem.INVALID_PARAM, f"param {name} must be a string")
        return value

    def required(self, name: str) -> str:
        """A string that must be there.

        Raises:
            TusouError: MISSING_PARAM or INVALID_PARAM.
        """
        text = self.text(name)
        if text is None:
            raise TusouError(Problem.MISSING_PARAM, f"param {name} not exist")
        return text

    def number(self, name: str, most: int = _UINT32) -> int:
        """A whole number from 0 to `most`; 0 where it is not sent.

        Raises:
            TusouError: INVALID_PARAM.
        """
        return _number(self.fields.get(name, 0), name, most)

    def data(self, name: str) -> bytes | None:
        """Bytes; None where they are not sent.

        Raises:
            TusouError: INVALID_PARAM or BASE64.
        """
        value = self.fields.get(name)
        return None if value is None else self.as_bytes(value, name)

    def as_bytes(self, value: Any, name: str) -> bytes:
        """A value's bytes.

        Raises:
            TusouError: INVALID_PARAM or BASE64.
        """
        if not isinstance(value, str):
            raise TusouError(Problem.INVALID_PARAM, f"param {name} must be a string")
        try:
            if self.as_base64:
                return inputs.decode_base64(value.encode("ascii"))
            return value.encode("latin-1")
        except UnicodeEncodeError:
            said = "is not base64" if self.as_base64 else "has characters that are not bytes"
            hint = "" if self.as_base64 else "; base64 needs format json"
            raise TusouError(Problem.INVALID_PARAM, f"param {name} {said}{hint}") from None
        except TusouError as error:
            raise TusouError(error.problem, f"param {name} is not base64") from None

    def feature(self, number: int) -> Any:
        """What `features` holds under a fea_id; None where there is nothing.

        Raises:
            TusouError: INVALID_PARAM.
        """
        features = self.fields.get("features")
        if features is None:
            return None
        if not isinstance(features, list) or not all(isinstance(part, dict) for part in features):
            raise TusouError(
                Problem.INVALID_PARAM, "param features must be a list of {fea_id, fea_data}"
            )
        for part in features:
            if _number(part.get("fea_id"), "fea_id", _UINT32) == number:
                return part.get("fea_data")
        return None


def sender(message: Message) -> dict[str, object]:
    """What the log keeps of a call: its `logid`, and its `from`, which must be there.

    Raises:
        TusouError: MISSING_PARAM or INVALID_PARAM.
    """
    return {"logid": message.number("logid", _UINT64), "from": message.required("from")[:200]}


def name(message: Message) -> str:
    """Whom a call is about: `appid`, and `sub_lib` joined to it, so that same and 1 are same_1.

    Raises:
        TusouError: MISSING_PARAM or INVALID_PARAM.
    """
    part = message.text("sub_lib")
    whole = message.required("appid") + (f"_{part}" if part else "")
    if "," in whole or not whole.strip() or len(whole) > _NAME_LIMIT:
        raise TusouError(
            Problem.INVALID_PARAM,
            f"param appid must have no comma and up to {_NAME_LIMIT} characters with its sub_lib",
        )
    return whole


def picture(message: Message) -> bytes | None:
    """The picture's file; None where none is sent.

    Raises:
        TusouError: IMAGE_SIZE, INVALID_PARAM or BASE64.
    """
    data = message.data("image")
    if data is not None:
        inputs.check_image_size(len(message.fields["image"]))
    # A program that sends a sign may fill in an empty image, too.
    return data or None


def required_picture(message: Message) -> bytes:
    """The picture of an add or a search.

    Raises:
        TusouError: MISSING_PARAM; IMAGE_EMPTY, IMAGE_SIZE, INVALID_PARAM or BASE64.
    """
    data = picture(message)
    if data is None:
        empty = message.fields.get("image") is not None
        problem = Problem.IMAGE_EMPTY if empty else Problem.MISSING_PARAM
        raise TusouError(problem, "param image is empty" if empty else "param image not exist")
    return data


def update_source(message: Message) -> bytes | tuple[ContSign, ...]:
    """The picture of an update: `image` before `contsign`.

    Raises:
        TusouError: MISSING_PARAM, or what is wrong with the one sent.
    """
    data = picture(message)
    return _sign(message) if data is None else data


def remove_source(message: Message) -> bytes | tuple[ContSign, ...]:
    """The pictures of a remove: `contsigns` before `image` before `contsign`.

    Raises:
        TusouError: MISSING_PARAM, or what is wrong with those sent.
    """
    listed = message.fields.get("contsigns")
    if listed:
        if not isinstance(listed, list) or len(listed) > _SIGNS_LIMIT:
            raise TusouError(
                Problem.INVALID_PARAM, f"param contsigns must be a list of up to {_SIGNS_LIMIT}"
            )
        return tuple(dict.fromkeys(_parse_sign(part, "contsigns") for part in listed))
    return update_source(message)


def _sign(message: Message) -> tuple[ContSign]:
    # The manual's table says consign, its programs say contsign.
    for field in ("contsign", "consign"):
        if message.fields.get(field):
            return (_parse_sign(message.fields[field], field),)
    raise TusouError(Problem.MISSING_PARAM, "param image not exist; send image or contsign")


def _parse_sign(value: Any, field: str) -> ContSign:
    if not isinstance(value, dict) or not {"sign1", "sign2"} <= value.keys():
        raise TusouError(Problem.INVALID_PARAM, f"param {field} must be {{sign1, sign2}}")
    return ContSign(*(_number(value[part], part, _UINT32) for part in ("sign1", "sign2")))


def brief(message: Message) -> str | None:
    """The brief: feature 1000, or else the field of that name.

    Raises:
        TusouError: INVALID_PARAM or BASE64.
    """
    value = message.feature(_BRIEF)
    if value is None or value == "":
        text = message.text("brief")
    elif message.as_base64:
        try:
            text = message.as_bytes(value, "fea_data of feature 1000").decode()
        except UnicodeDecodeError:
            raise TusouError(Problem.INVALID_PARAM, "the brief is not UTF-8 text") from None
    else:
        text = Message({"fea_data": value}, as_base64=False).text("fea_data")
    return None if text is None else inputs.check_brief(text)


def required_brief(message: Message) -> str:
    """The brief of an add.

    Raises:
        TusouError: MISSING_PARAM, INVALID_PARAM or BASE64.
    """
    text = brief(message)
    if text is None:
        raise TusouError(Problem.MISSING_PARAM, "feature 1000, the brief, not exist")
    return text


def classes(message: Message) -> tuple[int, int] | None:
    """Class and subtype: feature 999, two little-endian uint32; None where it is not sent.

    Raises:
        TusouError: INVALID_PARAM or BASE64.
    """
    value = message.feature(_CLASSES)
    if value is None or value == "":
        return None
    data = message.as_bytes(value, "fea_data of feature 999")
    if len(data) != _TWO_NUMBERS.size:
        raise TusouError(
            Problem.INVALID_PARAM, f"feature 999 must have {_TWO_NUMBERS.size} bytes: two uint32"
        )
    first, second = _TWO_NUMBERS.unpack(data)
    if max(first, second) > _CLASS_LIMIT:
        raise TusouError(
            Problem.INVALID_PARAM, f"the classes of feature 999 go from 0 to {_CLASS_LIMIT}"
        )
    return first, second


def page(message: Message, service: Service) -> tuple[int, int]:
    """The first result asked for and how many; what goes beyond the service's limit is cut.

    Raises:
        TusouError: INVALID_PARAM.
    """
    first, count = message.number("pn"), message.number("rn")
    return (
        min(first, service.most_results),
        min(count or service.default_results, service.most_results),
    )


def _number(value: Any, field: str, most: int) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise TusouError(
            Problem.INVALID_PARAM, f"param {field} must be a whole number from 0 to {most}"
        )
    return value


def _is_plain(text: str) -> bool:
    """Whether text can be kept: it has no half of a surrogate pair and no NUL."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def feature_numbers(text: str, known: Sequence[int]) -> list[int]:
    """The features asked for, such as "1,3"; nothing asked for: the first.

    Raises:
        TusouError: INVALID_PARAM.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if part not in map(str, known)]
    if wrong:
        raise TusouError(
            Problem.INVALID_PARAM,
            f"featureids has {wrong[0][:40]!r}; there are {', '.join(map(str, known))}",
        )
    return list(dict.fromkeys(map(int, parts))) or [known[0]]
