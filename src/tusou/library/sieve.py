"""Searching among the pictures that a filter lets through, where an index cannot ask all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tusou.expressions import implied_classes, parse
from tusou.types import ClassFilter, Filter, Keys

_FIRST = 4
"""So many times the wanted number is looked at first."""
_GROWTH = 8
_MOST_ASKED = 8192
"""Numbers to ask SQL about in one search; beyond it, SQL lists all that pass, once."""

Find = Callable[[int], tuple[Keys, NDArray[np.float32]]]
"""The best so many of an index: keys and scores, falling; fewer only where there are no more."""


class Passing(Protocol):
    """Tells which pictures a filter lets through: of some, or (None) of all."""

    def __call__(self, wanted: Filter, keys: Sequence[int] | None = None) -> set[int]:
        """See `storage.listing.Listing.passing`."""
        ...


@dataclass(frozen=True, slots=True)
class Sieve:
    """What a search is limited to."""

    classes: ClassFilter | None = None
    """What an index can sort out by itself; every picture that is meant passes it."""
    wanted: Filter = field(default_factory=Filter)
    """All of it."""
    passing: Passing | None = None
    """None: the index's own part is all of it."""

    @classmethod
    def make(cls, classes: ClassFilter | None, expression: str, passing: Passing) -> "Sieve":
        """Limit a search to classes, and to what an expression says, if it is not empty."""
        if not expression:
            return cls(classes)
        wanted = Filter(classes=classes, expression=expression)
        return cls(classes or implied_classes(parse(expression)), wanted, passing)

    def best(self, find: Find, count: int) -> tuple[list[int], list[float]]:
        """The best `count` that pass, fewer only where fewer pass; keys and scores, falling.

        It looks at more and more of what the index finds, as many as should do by what has passed
        so far, until enough passes. A fixed number would miss what a selective filter is after.
        """
        if self.passing is None:
            keys, scores = find(count)
            return keys.tolist(), scores.tolist()
        asked = _FIRST * count
        while asked <= _MOST_ASKED:
            keys, scores = find(asked)
            allowed = self.passing(self.wanted, keys.tolist())
            if len(allowed) >= count or len(keys) < asked:
                return _kept(keys, scores, allowed, count)
            asked = max(_GROWTH * asked, 2 * count * asked // max(1, len(allowed)))
        return self._whole(find, count)

    def admits(self, key: int) -> bool:
        """Whether one picture passes all that SQL knows."""
        return self.passing is None or key in self.passing(self.wanted, [key])

    def _whole(self, find: Find, count: int) -> tuple[list[int], list[float]]:
        allowed = set[int]() if self.passing is None else self.passing(self.wanted)
        if not allowed:
            return [], []
        keys, scores = find(_EVERYTHING)
        return _kept(keys, scores, allowed, count)


_EVERYTHING = (1 << 31) - 1


def _kept(
    keys: Keys, scores: NDArray[np.float32], allowed: set[int], count: int
) -> tuple[list[int], list[float]]:
    passes = np.isin(keys, np.fromiter(allowed, np.int64, len(allowed)))
    return keys[passes][:count].tolist(), scores[passes][:count].tolist()
