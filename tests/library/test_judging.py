"""What the figures of a protocol mean, by examples worked out by hand."""

import json
from pathlib import Path

import pytest

from tusou.library.judging import Outcome, Query, figures, judge, read


def _file(folder: Path, content: object) -> Path:
    file = folder / "some.json"
    file.write_text(json.dumps(content), "utf-8")
    return file


def test_labels_ask_for_every_picture_that_is_not_alone(tmp_path: Path) -> None:
    protocol = read(_file(tmp_path, {"labels": {"a": "cat", "b": "cat", "c": "dog", "d": "cat"}}))
    assert (protocol.name, protocol.service) == ("some", "")
    assert list(protocol.gallery) == ["a", "b", "c", "d"]
    assert list(protocol.queries) == [
        Query("a", frozenset("bd"), ""),
        Query("b", frozenset("ad"), ""),
        Query("d", frozenset("ab"), ""),
    ]


def test_queries_of_a_list_come_with_their_group(tmp_path: Path) -> None:
    queries = [
        {"q": "x", "pos": ["a"], "level": "easy"},
        {"q": "y", "pos": ["a", "b"], "kind": "thumbnail"},
        {"q": "z", "pos": []},
    ]
    table = {"gallery": ["a", "b"], "queries": queries, "service": "product"}
    protocol = read(_file(tmp_path, table))
    assert (protocol.service, list(protocol.gallery)) == ("product", ["a", "b"])
    assert list(protocol.queries) == [
        Query("x", frozenset("a"), "easy"),
        Query("y", frozenset("ab"), "thumbnail"),
    ]


@pytest.mark.parametrize("content", [[], {}, {"labels": []}, {"gallery": ["a"], "queries": [{}]}])
def test_what_is_no_protocol_is_told(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match="is not a protocol"):
        read(_file(tmp_path, content))


@pytest.mark.parametrize(
    ("found", "first", "tenth", "precision", "average"),
    [
        ("ab", 1, 1, 0.2, 1.0),
        ("xab", 0, 1, 0.2, (1 / 2 + 2 / 3) / 2),
        ("a", 1, 1, 0.1, 1 / 2),  # b did not come
        ("0123456789a", 0, 0, 0.0, 1 / 11 / 2),
        ("xyz", 0, 0, 0.0, 0.0),
        ("", 0, 0, 0.0, 0.0),
    ],
)
def test_a_search_is_judged_by_rank(
    found: str, first: float, tenth: float, precision: float, average: float
) -> None:
    outcome = judge(Query("q", frozenset("ab"), "g"), list(found), 5.0)
    assert (outcome.first, outcome.tenth, outcome.group) == (first, tenth, "g")
    assert outcome.precision == pytest.approx(precision)
    assert outcome.average == pytest.approx(average)


def test_figures_are_means_of_all_and_of_each_group() -> None:
    rows = [
        Outcome("easy", 1, 1, 0.1, 1.0, 10),
        Outcome("easy", 0, 1, 0.1, 0.5, 20),
        Outcome("", 0, 0, 0.0, 0.0, 60),
    ]
    whole, easy = figures(rows)
    assert (whole.group, whole.queries, whole.milliseconds) == ("", 3, 20)
    assert (whole.first, whole.tenth, whole.average) == pytest.approx((1 / 3, 2 / 3, 0.5))
    assert (easy.group, easy.queries, easy.milliseconds) == ("easy", 2, 15)
    assert (easy.first, easy.tenth, easy.precision) == pytest.approx((0.5, 1.0, 0.1))
