"""Which pictures are meant, as SQL, and as text that is kept."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, or_
from sqlalchemy.sql import operators

from tusou import expressions
from tusou.expressions import Compared, Condition, Contains, Joined, Not, OneOf
from tusou.storage.tables import items
from tusou.types import ClassFilter, ClassTerm, ContSign, Filter

_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "id": items.c.id,
    "class_id1": items.c.class1,
    "class_id2": items.c.class2,
    "width": items.c.width,
    "height": items.c.height,
    "bytes": items.c.bytes,
    "brief": items.c.brief,
    "created": items.c.created,
    "updated": items.c.updated,
    "cont_sign": items.c.sign,
}
_ORDERS = {"<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge}
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def conditions(wanted: Filter, dialect: str) -> list[ColumnElement[bool]]:
    """A filter as conditions on items, for a database of an SQLAlchemy dialect."""
    found = [_contains(word, dialect) for word in wanted.brief.split()]
    if wanted.classes is not None:
        combine = or_ if wanted.classes.match == "any" else and_
        found.append(combine(*map(_term, wanted.classes.terms)))
    if wanted.sign is not None:
        found.append(items.c.sign == int(wanted.sign))
    if wanted.keys is not None:
        found.append(items.c.id.in_(wanted.keys))
    if wanted.without:
        found.append(items.c.id.not_in(wanted.without))
    if wanted.expression:
        found.append(_condition(expressions.parse(wanted.expression), dialect))
    return found


def to_json(wanted: Filter) -> str:
    """A filter as text that is kept."""
    classes = wanted.classes
    return json.dumps(
        {
            "brief": wanted.brief,
            "terms": [list(term) for term in classes.terms] if classes else [],
            "match": classes.match if classes else "all",
            "sign": str(wanted.sign) if wanted.sign else None,
            "keys": wanted.keys,
            "without": wanted.without,
            "expression": wanted.expression,
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> Filter:
    """Undo `to_json`."""
    found: Mapping[str, Any] = json.loads(text)
    terms = tuple(ClassTerm(*term) for term in found["terms"])
    return Filter(
        brief=found["brief"],
        classes=ClassFilter(terms, found["match"]) if terms else None,
        sign=ContSign.parse(found["sign"]) if found["sign"] else None,
        keys=None if found["keys"] is None else tuple(found["keys"]),
        without=tuple(found["without"]),
        expression=found.get("expression", ""),  # rows of older versions have none
    )


def _condition(condition: Condition, dialect: str) -> ColumnElement[bool]:
    match condition:
        case Joined(parts, how):
            combine = and_ if how == "all" else or_
            return combine(*(_condition(part, dialect) for part in parts))
        case Not(part):
            return not_(_condition(part, dialect))
        case OneOf("tags", values):
            return or_(items.c.class1.in_(values), items.c.class2.in_(values))
        case OneOf("cont_sign", values):
            return items.c.sign.in_([int(sign) for sign in values if isinstance(sign, ContSign)])
        case OneOf(field, values):
            return _COLUMNS[field].in_(values)
        case Compared(field, order, value):
            return _COLUMNS[field].operate(_ORDERS[order], value)
        case Contains(_, text):
            return _contains(text, dialect)


def _contains(text: str, dialect: str) -> ColumnElement[bool]:
    """The brief has the text in it, whatever the case of ASCII letters."""
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    pattern = f"%{expressions.lower(escaped)}%"
    if dialect == "sqlite":  # whose LIKE is like that; lower() of every row would double the time
        return items.c.brief.like(pattern, escape="\\")
    return func.translate(items.c.brief, _CAPITALS, _CAPITALS.lower()).like(pattern, escape="\\")


def _term(term: ClassTerm) -> ColumnElement[bool]:
    if term.dimension is None:
        return or_(items.c.class1 == term.value, items.c.class2 == term.value)
    return (items.c.class1, items.c.class2)[term.dimension] == term.value
