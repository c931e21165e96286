"""An inverted file in this process: pictures by the visual words they share with a query.

A picture scores the sum, over all pairs of its features with the query's of one word, of idf² ×
the affinity of their signatures ÷ √(how many features of the picture have that word), by the root
of how many features it has (Hamming embedding: Jégou, Douze and Schmid 2008). idf counts once for
each side; it is log(1 + N/n) for n features of the word in N pictures, which is above 0 in a
library of one picture, too; removed pictures count until they are dropped.

Few new pictures go to a tail, which becomes a segment once it is long; many at once become
segments directly. A removed picture is masked out at once. A thread joins small segments and
drops removed pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tusou.index.base import Weights
from tusou.index.gate import Gate
from tusou.index.postings import ROWS_AT_MOST, Query, Segment, Tail
from tusou.index.rows import Mask, Rows, Slots
from tusou.index.scan import NOTHING, Found
from tusou.index.worker import Job, Worker
from tusou.types import Classes, ClassFilter, Keys, Words

_SMALL_SEGMENTS = 8
"""More of them than this are joined: each costs a search time, however few pictures it has
(`benchmarks/words_search.py --portion 500`)."""


@dataclass(slots=True, eq=False)
class Block:
    """A segment in place."""

    segment: Segment
    slots: Slots
    """[len(segment)]"""


class InvertedIndex:
    """The `WordIndex` of one machine.

    Each call of `add` takes effect as a whole. A bulk is best cut into calls of `segment_rows`
    pictures, which become a segment each and need no work later.

    Args:
        vocabulary: How many words there are, 65,536 or fewer.
        affinities: What two features of one word are worth by how many bits of their signatures
            differ, from 1 down to 0.
        tail_rows: Pictures of the tail that become a segment, 8,192 or fewer; as many at once
            become one directly.
        segment_rows: Pictures of a full segment, 16,384 or fewer.
        dead_part: Removed pictures, in units of those that are there, that may stay undropped.
        most_postings: A search reads no more of them than this, those of the rarest words first.
    """

    def __init__(
        self,
        vocabulary: int,
        affinities: Weights,
        *,
        tail_rows: int = 256,
        segment_rows: int = ROWS_AT_MOST,
        dead_part: float = 0.2,
        most_postings: int = 6_000_000,
    ) -> None:
        if vocabulary > 1 << 16 or max(2 * tail_rows, segment_rows) > ROWS_AT_MOST:
            raise ValueError("words are numbers of 16 bits, pictures of a block of 14")
        self._vocabulary = vocabulary
        self._affinities = affinities
        self._tail_rows = tail_rows
        self._segment_rows = segment_rows
        self._dead_part = dead_part
        self._most_postings = most_postings
        self._gate = Gate()
        self._rows = Rows()
        self._tail, self._tail_slots = Tail.of([]), np.empty(0, np.int64)
        self._blocks: list[Block] = []
        self._held = np.zeros(vocabulary, np.int64)
        """[vocabulary] features of each word, of removed pictures that were not dropped too."""
        self._worker = Worker("words-upkeep", self._gate, self._due)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, keys: Keys, words: Sequence[Words], classes: Classes) -> None:
        """Add pictures; see `WordIndex.add`."""
        _check_classes(keys, classes)
        if len(words) != len(keys):
            raise ValueError(f"words of {len(keys)} pictures, not of {len(words)}")
        for bag in words:
            self._check_words(bag)
        if len(keys) < self._tail_rows:
            self._extend(keys, Tail.of(words), classes)
        else:
            self._append(keys, words, classes)

    def remove(self, keys: Keys) -> None:
        """Take pictures out; see `WordIndex.remove`."""
        with self._gate.writing():
            self._rows.remove(keys)
            self._worker.wake()

    def reclass(self, keys: Keys, classes: Classes) -> None:
        """Give pictures new classes; see `WordIndex.reclass`."""
        _check_classes(keys, classes)
        with self._gate.writing():
            self._rows.reclass(keys, classes)

    def search(
        self, words: Words, limit: int, classes: ClassFilter | None = None
    ) -> tuple[Keys, Weights]:
        """Find the pictures most like a query; see `WordIndex.search`."""
        self._check_words(words)
        with self._gate.reading():
            found = self._scan(words, limit, classes)
            return self._rows.keys_at(found.slots), found.scores

    def settle(self) -> None:
        """Wait until no background work is left."""
        self._worker.settle()

    def close(self) -> None:
        """Stop background work; searches and writes may go on."""
        self._worker.close()

    def _extend(self, keys: Keys, tail: Tail, classes: Classes) -> None:
        """Add pictures to the tail."""
        with self._gate.writing():
            slots = self._rows.insert(keys, classes)
            self._tail = self._tail.extended(tail)
            self._tail_slots = np.concatenate([self._tail_slots, slots])
            self._held += tail.frequencies(self._vocabulary)
            if len(self._tail) >= self._tail_rows:
                self._seal()
            self._worker.wake()

    def _append(self, keys: Keys, words: Sequence[Words], classes: Classes) -> None:
        """Add pictures as segments."""
        pieces = list(_slices(len(keys), self._segment_rows))
        segments = [Segment.of(Tail.of(words[piece]), self._vocabulary) for piece in pieces]
        with self._gate.writing():
            slots = self._rows.insert(keys, classes)
            pairs = zip(segments, pieces, strict=True)
            self._exchange([], [Block(segment, slots[piece]) for segment, piece in pairs])
            self._worker.wake()

    def _scan(self, words: Words, limit: int, classes: ClassFilter | None) -> Found:
        passing = self._rows.passing(classes)
        query = self._weigh(words)
        if limit <= 0:
            return NOTHING
        scores = self._tail.sums(query, self._vocabulary) / self._tail.norms
        found = _best(NOTHING, scores, self._tail_slots, passing, limit)
        for block in self._blocks:
            scores = block.segment.sums(query) / block.segment.norms
            found = _best(found, scores, block.slots, passing, limit)
        return found.falling()

    def _weigh(self, words: Words) -> Query:
        """Weigh the features of a query and choose those that the search can afford."""
        held, pictures = self._held[words.numbers], len(self._rows) + self._rows.dead
        rarest = np.argsort(held, kind="stable")
        chosen = rarest[np.cumsum(held[rarest]) <= self._most_postings]
        chosen = chosen[np.argsort(words.numbers[chosen], kind="stable")]
        gains = np.log1p(pictures / np.maximum(held[chosen], 1)) ** 2
        return Query(
            words.numbers[chosen],
            words.signatures[chosen],
            gains.astype(np.float32),
            self._affinities,
        )

    def _due(self) -> Job | None:
        if self._rows.dead > self._dead_part * (len(self._rows) + self._tail_rows):
            return self._drop
        if len(self._small()) > _SMALL_SEGMENTS:
            return self._join
        return None

    def _small(self) -> list[Block]:
        """List segments that are less than half full, smallest first."""
        small = [block for block in self._blocks if len(block.segment) <= self._segment_rows // 2]
        return sorted(small, key=lambda block: len(block.segment))

    def _seal(self) -> None:
        """Turn the tail into a segment, with the gate held alone."""
        if len(self._tail):
            segment = Segment.of(self._tail, self._vocabulary)
            self._blocks.append(Block(segment, self._tail_slots))
        self._tail, self._tail_slots = Tail.of([]), np.empty(0, np.int64)

    def _join(self) -> None:
        """Join small segments, as many as fit into one."""
        with self._gate.reading():
            small = self._small()
        sizes = np.cumsum([len(block.segment) for block in small])
        self._rewrite([b for b, s in zip(small, sizes, strict=True) if s <= self._segment_rows])

    def _drop(self) -> None:
        """Drop the removed pictures of the segment that has most."""
        with self._gate.writing():
            self._seal()
            dead = ~self._rows.alive()
            worst = max(self._blocks, key=lambda block: np.count_nonzero(dead[block.slots]))
        self._rewrite([worst])

    def _rewrite(self, blocks: list[Block]) -> None:
        """Replace segments by one that holds their live pictures."""
        with self._gate.reading():
            living = [self._rows.alive()[block.slots] for block in blocks]
        pairs = list(zip(blocks, living, strict=True))
        merged = Segment.merged([(block.segment, mask) for block, mask in pairs])
        slots = np.concatenate([block.slots[mask] for block, mask in pairs])
        left = np.concatenate([block.slots[~mask] for block, mask in pairs])
        with self._gate.writing():
            self._exchange(blocks, [Block(merged, slots)] if len(merged) else [])
            self._rows.release(left)

    def _exchange(self, old: list[Block], new: list[Block]) -> None:
        self._blocks = [block for block in self._blocks if block not in old] + new
        for block in old:
            self._held -= block.segment.frequencies()
        for block in new:
            self._held += block.segment.frequencies()

    def _check_words(self, words: Words) -> None:
        numbers, signatures = words
        if numbers.dtype != np.uint16 or signatures.dtype != np.uint32:
            raise ValueError(f"16 and 32 bits, not {numbers.dtype} and {signatures.dtype}")
        if numbers.ndim != 1 or numbers.shape != signatures.shape:
            raise ValueError(f"two rows, not {numbers.shape} and {signatures.shape}")
        if numbers.size and numbers.max() >= self._vocabulary:
            raise ValueError(f"words below {self._vocabulary}, not {numbers.max()}")


def _check_classes(keys: Keys, classes: Classes) -> None:
    if classes.shape != (len(keys), 2):
        raise ValueError(f"{len(keys)} rows of two classes, not {classes.shape}")


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _best(found: Found, scores: Weights, slots: Slots, passing: Mask, limit: int) -> Found:
    """Join what was found with the best of a block's pictures that pass."""
    least = found.scores.min() if len(found.slots) >= limit else np.float32(0)
    better = np.flatnonzero(scores > least)
    better = better[passing[slots[better]]]
    return Found.join([found, Found(scores[better], slots[better])]).best(limit)
