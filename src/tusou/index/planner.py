"""How many groups a search scans: more and more, until more would change nothing."""

import math
from dataclasses import dataclass

import numpy as np

from tusou.index.rows import Mask
from tusou.index.scan import NOTHING, Found, Grouped, Points


@dataclass(frozen=True, slots=True)
class Planner:
    """Decides when a search has seen enough groups.

    A fixed number of probes finds a quarter of what it should under a selective filter, and none
    fits every encoder. So groups are scanned nearest first, in rounds that grow, until a round
    gives almost no new row to the best `limit`. The constants come from
    `benchmarks/index_search.py`.
    """

    exact_rows: int = 2000
    """With no more rows than this that pass, all groups are scanned: it takes no longer."""
    depth: int = 150
    """A round is judged by this many best rows at least; fewer would end a search by chance."""
    first: float = 3.0
    """Rows that pass in the first round, in units of the depth."""
    first_rows: int = 900
    """But no fewer than these: what a few groups lack says little."""
    growth: float = 1.5
    """Groups scanned after a round, in units of those before."""
    gain: float = 0.005
    """A round that gives less than this part of the best rows is the last one."""

    def probe(
        self, grouped: Grouped, query: Points, limit: int, passing: Mask | None, count: int
    ) -> Found:
        """Find the `limit` best rows for `query` [1 × D] among the `count` that pass."""
        depth = max(limit, self.depth)
        order = grouped.order(query)
        found, seen, upto = NOTHING, 0, self._first_round(grouped.groups, depth, count)
        while seen < len(order):
            more = grouped.scan(query, depth, passing, order[seen:upto])
            best = Found.join([found, more]).best(depth)
            done = len(found.slots) == depth and _gained(found, best) <= self.gain * depth
            found, seen, upto = best, upto, math.ceil(upto * self.growth)
            if done:
                break
        return found

    def _first_round(self, groups: int, depth: int, count: int) -> int:
        if count <= self.exact_rows:
            return groups
        rows = max(self.first_rows, self.first * depth)
        return min(groups, max(1, math.ceil(groups * rows / count)))


def _gained(before: Found, after: Found) -> int:
    """How many of `before` were pushed out of the best."""
    return int(np.count_nonzero(before.scores < after.scores.min()))
