"""Filter expressions: a small language that says which pictures are meant, read and judged here.

    expression = part { "or" part }
    part       = factor { "and" factor }
    factor     = "not" factor | "(" expression ")" | test
    test       = FIELD ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) VALUE
               | FIELD [ "not" ] "in" "(" VALUE { "," VALUE } ")"
               | "brief" "contains" TEXT

`storage.conditions` makes SQL of the same conditions; a test holds the two together.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

from tusou.errors import Problem, TusouError
from tusou.types import ClassFilter, ClassTerm, ContSign, Item

TextField = Literal["brief"]
NumberField = Literal["id", "class_id1", "class_id2", "width", "height", "bytes"]
TimeField = Literal["created", "updated"]
Order = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field has one of some values; `tags`: one of the picture's two classes is among them."""

    field: Literal["tags", "cont_sign"] | TextField | NumberField | TimeField
    values: tuple[int | str | ContSign, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """A number or a time, UTC seconds, is less or more than a value."""

    field: NumberField | TimeField
    order: Order
    value: int


@dataclass(frozen=True, slots=True)
class Contains:
    """A text has another in it; for ASCII letters, capitals are no difference."""

    field: TextField
    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """A condition does not hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Joined:
    """All conditions hold, or any."""

    parts: tuple["Condition", ...]
    match: Literal["all", "any"]


Condition = OneOf | Compared | Contains | Not | Joined
"""What an expression says."""

MOST_LETTERS = 4096
MOST_LEVELS = 32
MOST_VALUES = 1000

_NUMBERS: tuple[str, ...] = get_args(NumberField)
_TIMES: tuple[str, ...] = get_args(TimeField)
_FIELDS = ("tags", "cont_sign", "brief", *_NUMBERS, *_TIMES)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?)
    |(?P<number>\d+)
    |"(?P<text>(?:[^"\\]|\\["\\])*)"
    |(?P<word>[a-z_][a-z_0-9]*)
    |(?P<sign><=|>=|!=|[=<>(),])
    |(?P<end>\Z)
    )""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DIMENSIONS: dict[str, Literal[0, 1] | None] = {"tags": None, "class_id1": 0, "class_id2": 1}
_LARGEST = 10**10 - 1  # as large as a picture's number may be


@lru_cache(256)
def parse(text: str) -> Condition:
    """Read an expression.

    Raises:
        TusouError: INVALID_PARAM; the message says what is wrong and where.
    """
    if len(text) > MOST_LETTERS:
        raise _wrong(f"it has more than {MOST_LETTERS} letters")
    return _Reader(text).read()


def holds(condition: Condition, item: Item) -> bool:
    """Whether a picture is meant."""
    match condition:
        case Joined(parts, how):
            return (all if how == "all" else any)(holds(part, item) for part in parts)
        case Not(part):
            return not holds(part, item)
        case OneOf("tags", values):
            return any(own in values for own in item.classes)
        case OneOf(field, values):
            return _value(field, item) in values
        case Compared(field, order, value):
            return _ORDERS[order](_value(field, item), value)
        case Contains(_, part):
            return lower(part) in lower(item.brief)


def implied_classes(condition: Condition) -> ClassFilter | None:
    """Classes that every picture has which is meant: what an index can sort out by itself."""
    match condition:
        case OneOf(field, values) if field in _DIMENSIONS:
            terms = tuple(ClassTerm(int(str(tag)), _DIMENSIONS[field]) for tag in values)
            return ClassFilter(terms, "any")
        case Joined(parts, "all"):
            return next(filter(None, map(implied_classes, parts)), None)
        case Joined(parts, "any"):
            found = [implied_classes(part) for part in parts]
            terms = tuple(term for each in found if each for term in each.terms)
            return ClassFilter(terms, "any") if all(found) else None
    return None


def lower(text: str) -> str:
    """Only ASCII letters: what every database does alike."""
    return text.translate(_LOWER)


_LOWER = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


def _value(field: str, item: Item) -> Any:
    match field:
        case "id":
            return item.key
        case "class_id1":
            return item.classes[0]
        case "class_id2":
            return item.classes[1]
        case "bytes":
            return item.length
        case "cont_sign":
            return item.sign
    return getattr(item, field)


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


class _Reader:
    """Reads one expression from the left, a level of the grammar a method."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_cut(text))
        self._next = 0
        self._levels = 0
        self._values = 0

    def read(self) -> Condition:
        found = self._expression()
        if self._peek.kind != "end":
            raise self._unexpected("and, or, or the end")
        return found

    def _expression(self) -> Condition:
        parts = [self._part()]
        while self._take("word", "or"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), "any")

    def _part(self) -> Condition:
        parts = [self._factor()]
        while self._take("word", "and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), "all")

    def _factor(self) -> Condition:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise _wrong(f"it has more than {MOST_LEVELS} levels")
        try:
            if self._take("word", "not"):
                return Not(self._factor())
            if self._take("sign", "("):
                found = self._expression()
                self._expect("sign", ")")
                return found
            return self._test()
        finally:
            self._levels -= 1

    def _test(self) -> Condition:
        field: Any = self._peek.text.lower()
        if self._peek.kind != "word" or field not in _FIELDS:
            raise self._unexpected(f"one of {', '.join(_FIELDS)}, not or (")
        self._next += 1
        if self._take("word", "in"):
            return OneOf(field, self._list(field))
        if self._take("word", "not"):
            self._expect("word", "in")
            return Not(OneOf(field, self._list(field)))
        if field == "brief" and self._take("word", "contains"):
            return Contains(field, str(self._one(field)))
        for sign in ("=", "!="):
            if self._take("sign", sign):
                equal = OneOf(field, (self._one(field),))
                return equal if sign == "=" else Not(equal)
        order: Any = self._peek.text
        if field in _NUMBERS + _TIMES and order in _ORDERS:
            self._next += 1
            value = self._one(field)
            assert isinstance(value, int)  # noqa: S101 - narrows the type
            return Compared(field, order, value)
        raise self._unexpected(f"what is asked of {field}")

    def _list(self, field: str) -> tuple[int | str | ContSign, ...]:
        self._expect("sign", "(")
        values = [self._one(field)]
        while self._take("sign", ","):
            values.append(self._one(field))
        self._expect("sign", ")")
        return tuple(values)

    def _one(self, field: str) -> int | str | ContSign:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _wrong(f"it has more than {MOST_VALUES} values")
        token = self._peek
        try:
            value = _read(field, token)
        except ValueError as error:
            raise _wrong(f"at letter {token.place + 1}: {error}") from None
        if value is None:
            kind = "a time" if field in _TIMES else "a number"
            raise self._unexpected("text in quotes" if field in ("brief", "cont_sign") else kind)
        self._next += 1
        return value

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str, text: str) -> bool:
        found = self._peek.kind == kind and self._peek.text.lower() == text
        self._next += found
        return found

    def _expect(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise self._unexpected(text)

    def _unexpected(self, expected: str) -> TusouError:
        token = self._peek
        found = "the end" if token.kind == "end" else repr(token.text[:40])
        return _wrong(f"at letter {token.place + 1}: {found} instead of {expected}")


def _cut(text: str) -> Iterator[_Token]:
    place = 0
    while place <= len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise _wrong(f"at letter {place + 1}: {text[place : place + 20]!r} cannot be read")
        token = _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        yield token
        if token.kind == "end":
            return
        place = found.end()


def _read(field: str, token: _Token) -> int | str | ContSign | None:
    """A value of the field's kind; None where the token is of another. Raises ValueError."""
    if field in _TIMES:
        return _seconds(token.text) if token.kind == "time" else None
    if field not in ("brief", "cont_sign"):
        if token.kind == "number" and int(token.text) > _LARGEST:
            raise ValueError("the number is too large")
        return int(token.text) if token.kind == "number" else None
    if token.kind != "text":
        return None
    text = re.sub(r"\\(.)", r"\1", token.text)
    if "\0" in text:
        raise ValueError("there is a NUL character")
    return text if field == "brief" else ContSign.parse(text)


def _seconds(text: str) -> int:
    time = datetime.fromisoformat(text.upper())
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _wrong(what: str) -> TusouError:
    return TusouError(Problem.INVALID_PARAM, f"param filter: {what}")
