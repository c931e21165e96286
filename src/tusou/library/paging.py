"""Which part of a ranking a page shows, though pictures come and go between two pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from tusou.library.pipelines import Ranked


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a ranking that is asked for."""

    first: int
    """How many better ones are left out."""
    count: int
    """How many are wanted."""
    after: int | None
    """The number of the last picture left out; where it stands elsewhere now, what follows it there
    is meant."""
    most: int
    """How many the service shows at most, on all pages together."""

    @property
    def depth(self) -> int:
        """How many to rank; what came in between may have pushed the last one on."""
        return min(self.first + self.count * (1 if self.after is None else 2), self.most)

    def within(self, ranked: Sequence[Ranked]) -> tuple[int, int]:
        """Where it begins and ends."""
        begin = self.first if self.after is None else self._behind(ranked, self.after)
        return begin, min(begin + self.count, self.most)

    def _behind(self, ranked: Sequence[Ranked], key: int) -> int:
        """Where the ranking goes on after a picture; where that is gone, at its old place."""
        places = (place for place, row in enumerate(ranked, 1) if row.key == key)
        return next(places, self.first)
