"""Filter expressions: what is read, what is refused, and that SQL means the same as Python."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from tusou.errors import Problem, TusouError
from tusou.expressions import (
    Compared,
    Contains,
    Joined,
    Not,
    OneOf,
    holds,
    implied_classes,
    parse,
)
from tusou.storage.database import Database
from tusou.storage.listing import Listing
from tusou.storage.registry import Registry
from tusou.storage.tables import apps, items
from tusou.types import ContSign, Filter, Item

BRIEFS = [
    "cat",
    "Cat Café",
    "CAFÉ",
    "50% off",
    "a_b",
    'say "hi"',
    "back\\slash",
    "猫",
    "CATÉ",
    "x\ny",
]
SIGNS = [ContSign(1, 2), ContSign(3000000000, 4), ContSign(0, 0), ContSign(4294967295, 4294967295)]
DAY = 86400
BEGIN = 1767225600  # 2026-01-01T00:00:00Z


def test_the_words_of_a_filter_bind_as_they_are_said_to() -> None:
    text = 'tags in (100, 11) and brief contains "cat" or NOT class_id1 = 7 and id not in (1)'
    assert parse(text) == Joined(
        (
            Joined((OneOf("tags", (100, 11)), Contains("brief", "cat")), "all"),
            Joined((Not(OneOf("class_id1", (7,))), Not(OneOf("id", (1,)))), "all"),
        ),
        "any",
    )
    assert parse("((id=1))") == OneOf("id", (1,))
    assert parse('brief = "say \\"hi\\" \\\\"') == OneOf("brief", ('say "hi" \\',))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01", BEGIN),
        ("2026-01-01T00:00", BEGIN),
        ("2026-01-01T08:00:00+08:00", BEGIN),
        ("2026-01-01T08:00:01+0800", BEGIN + 1),
        ("2026-01-02t00:00:00z", BEGIN + DAY),
    ],
)
def test_a_time_is_read_with_its_zone(text: str, seconds: int) -> None:
    assert parse(f"created >= {text}") == Compared("created", ">=", seconds)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "letter 1: the end"),
        ("tags", "letter 5: the end instead of what is asked of tags"),
        ("tags = ", "a number"),
        ("tags < 1", "what is asked of tags"),
        ("tags in ()", "a number"),
        ("tags in (1", "instead of )"),
        ("tags in (1,)", "a number"),
        ("size = 1", "'size' instead of one of tags"),
        ("id = 1 id = 2", "letter 8: 'id' instead of and, or"),
        ("id = 1)", "instead of and, or"),
        ("id = 99999999999", "too large"),
        ("id = -1", "-1' cannot be read"),
        ('brief contains "cat', "cannot be read"),
        ("brief contains cat", "text in quotes"),
        ('brief = "\0"', "NUL"),
        ('cont_sign = "1"', "two unsigned"),
        ("created > 2026-13-01", "month"),
        ("created > 5", "a time"),
        ("not", "the end"),
        ("(" * 33 + "id = 1" + ")" * 33, "32 levels"),
        ("not " * 40 + "id = 1", "32 levels"),
        (f"id in ({', '.join('1' * 1001)})", "1000 values"),
        ("id = 1" + " " * 4096, "4096 letters"),
    ],
)
def test_what_is_no_filter_is_refused_and_named(text: str, told: str) -> None:
    with pytest.raises(TusouError) as caught:
        parse(text)
    assert caught.value.problem is Problem.INVALID_PARAM
    assert told in str(caught.value.detail)


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for tried in (text, f"id = {text}", f'brief contains "{text}"', f"({text}) or id = 1"):
        with suppress(TusouError):
            parse(tried)


NUMBERS = st.integers(0, 6)
QUOTED = st.sampled_from([*BRIEFS, "ca", "é", "%", "_", "\\", "O"]).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
TIMES = st.integers(0, 5).map(lambda day: f"2026-01-0{day + 1}T00:00:00Z")
ORDERS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
EQUALS = st.sampled_from(["=", "!="])


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=3).map(", ".join)


TESTS = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["id", "class_id1", "class_id2", "width", "height", "bytes"]),
        ORDERS,
        NUMBERS,
    ),
    st.builds("{} {} {}".format, st.sampled_from(["created", "updated"]), ORDERS, TIMES),
    st.builds(
        "{} {} ({})".format,
        st.sampled_from(["tags", "id", "class_id2"]),
        st.sampled_from(["in", "not in"]),
        several(NUMBERS.map(str)),
    ),
    st.builds("tags {} {}".format, EQUALS, NUMBERS),
    st.builds("brief {} {}".format, st.sampled_from(["=", "!=", "contains"]), QUOTED),
    st.builds("brief in ({})".format, several(QUOTED)),
    st.builds('cont_sign {} "{}"'.format, EQUALS, st.sampled_from(SIGNS)),
)
EXPRESSIONS = st.recursive(
    TESTS,
    lambda part: st.one_of(
        st.builds("not ({})".format, part),
        st.builds("{} and {}".format, part, part),
        st.builds("({} or {})".format, part, part),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listing]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('filters') / 'tusou.db'}")
    database.migrate()
    app = {"id": 1, "name": "a", "api_key": "k", "secret": b"", "services": "", "enabled": True}
    with database.write() as connection:
        connection.execute(insert(apps).values(**app, deleted=False, created=0))
    row = Registry(database).create(1, "similar", "base@1", 99)
    rows = [
        {
            "library_id": row.id,
            "sign": int(SIGNS[number]) if number < len(SIGNS) else number,
            "brief": BRIEFS[number % len(BRIEFS)],
            "class1": number % 4,
            "class2": number % 3,
            "blob": "",
            "media_type": "image/png",
            "bytes": number % 7,
            "width": number % 5,
            "height": number % 6,
            "created": BEGIN + number % 5 * DAY,
            "updated": BEGIN + number % 4 * DAY + number % 2,
        }
        for number in range(40)
    ]
    with database.write() as connection:
        connection.execute(insert(items), rows)
    yield Listing(database, row.id)
    database.close()


@given(EXPRESSIONS)
@settings(max_examples=100, deadline=None)
def test_sql_lets_through_what_python_does(listing: Listing, text: str) -> None:
    everything: list[Item] = listing.page(Filter(), 100)
    meant = {item.key for item in everything if holds(parse(text), item)}
    assert listing.passing(Filter(expression=text)) == meant
    assert listing.passing(Filter(expression=text), [1, 2, 30]) == meant & {1, 2, 30}
    implied = implied_classes(parse(text))
    if implied is not None:
        passed = implied.mask(np.array([item.classes for item in everything], np.uint16))
        assert meant <= {
            item.key for item, passes in zip(everything, passed, strict=True) if passes
        }
