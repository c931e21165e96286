"""Candidates of several sources take turns."""

from hypothesis import given
from hypothesis import strategies as st

from tusou.library.pipelines import _merged

KEYS = st.lists(st.integers(0, 50), unique=True, max_size=20)


def test_each_source_gives_its_share_in_turn() -> None:
    assert _merged(([1, 2, 3, 4, 5], 2), ([9, 1, 8], 1)) == [1, 2, 9, 3, 4, 5, 8]


def test_no_source_holds_another_up() -> None:
    assert _merged(([], 2), ([1, 2, 3], 1)) == [1, 2, 3]
    assert _merged(([], 2), ([], 1)) == []


@given(KEYS, KEYS, st.integers(1, 4), st.integers(1, 4))
def test_every_candidate_comes_once(first: list[int], second: list[int], a: int, b: int) -> None:
    merged = _merged((first, a), (second, b))
    assert len(merged) == len(set(merged))
    assert set(merged) == set(first) | set(second)
