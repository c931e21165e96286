"""Candidates of several sources take turns."""

from hypothesis import given
from hypothesis import strategies as st

from tusou.library.pipelines import _in_turns

KEYS = st.lists(st.integers(0, 50), unique=True, max_size=20)


def test_sources_take_turns() -> None:
    assert _in_turns([1, 2, 3, 4, 5], [9, 1, 8]) == [1, 9, 2, 3, 8, 4, 5]


def test_no_source_holds_another_up() -> None:
    assert _in_turns([], [1, 2, 0]) == [1, 2, 0]
    assert _in_turns([], []) == []


@given(KEYS, KEYS)
def test_every_candidate_comes_once(first: list[int], second: list[int]) -> None:
    merged = _in_turns(first, second)
    assert len(merged) == len(set(merged))
    assert set(merged) == set(first) | set(second)
