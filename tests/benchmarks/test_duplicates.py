"""The benchmark of duplicates tells right pairs from wrong ones."""

from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def _pairs(*groups: tuple[str, ...]) -> set[frozenset[str]]:
    return {frozenset(both) for group in groups for both in combinations(group, 2)}


def test_all_pairs_of_a_group_count() -> None:
    import duplicates

    family = ("pool/a.jpg", "mirror of pool/a.jpg", "JPEG 20 of pool/a.jpg")
    names = [*family, "pool/b.jpg"]
    score = duplicates.judge(_pairs(family[:2], (family[2], "pool/b.jpg")), names)
    assert score.planted == _pairs(family)
    assert score.right == _pairs(family[:2])
    assert score.wrong == _pairs((family[2], "pool/b.jpg"))
    assert score.row.split(" | ")[:3] == ["3", "0.3333", "0.5000"]


def test_the_pools_own_copies_count_neither_way_and_tiles_by_themselves() -> None:
    import duplicates

    known = sorted(sorted(map(sorted, duplicates.seen_pairs()))[0])
    tiles = [f"{duplicates.TILES}{name}.png" for name in ("grass", "path")]
    found = _pairs(tuple(known), (f"mirror of {known[0]}", known[1]), tuple(tiles))
    score = duplicates.judge(found, [*known, f"mirror of {known[0]}", *tiles])
    assert score.seen == found - _pairs(tuple(tiles))
    assert score.wrong == _pairs(tuple(tiles))
    *_, precision, wrong, with_tiles, of_tiles, own = score.row.split(" | ")
    assert (precision, wrong, with_tiles, of_tiles, own) == ("0.0000", "0", "0.0000", "1", "2")
