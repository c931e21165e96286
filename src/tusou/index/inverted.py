"""An inverted file in this process: pictures by the visual words they share with a query.

A picture scores the sum, over the words it shares with the query, of √times × idf² × weight, by
its own length: idf counts once for each side. Its length takes no account of idf, and so stays
true while the library grows. A word's idf is log(1 + N/n) for n pictures of N that hold it, which
is above 0 in a library of one picture, too; removed pictures count until they are dropped.

Few new pictures go to a tail, which becomes a segment once it is long; many at once become
segments directly. A removed picture is masked out at once. A thread joins small segments and
drops removed pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tusou.index.base import Weights
from tusou.index.gate import Gate
from tusou.index.postings import ROWS_AT_MOST, Counts, Segment, Tail
from tusou.index.rows import Mask, Rows, Slots
from tusou.index.scan import NOTHING, Found
from tusou.index.worker import Job, Worker
from tusou.types import Classes, ClassFilter, Keys, Words

_SMALL_SEGMENTS = 8
"""More of them than this are joined: each costs a search time, however few pictures it has
(`benchmarks/words_search.py --portion 500`)."""
_SORTED_AT_ONCE = 4096
"""Pictures of a bulk, so that it is done in the caches; `benchmarks/words_search.py` times it."""


class Gains(NamedTuple):
    """What a query's words bring a picture that holds them once."""

    words: Words
    """[Q] distinct."""
    gains: Weights
    """[Q]"""


@dataclass(frozen=True, slots=True)
class Stops:
    """Which words of a query are not worth their postings."""

    part: float = 0.05
    """A word in more than this part of all pictures says nothing ..."""
    floor: int = 1000
    """... unless it is in no more pictures than this."""
    most: float = 0.5
    """Where more than this part of a query's words are such, it is one of a crowd of near-twins
    rather than marked with what many pictures have, and they count all the same."""
    postings: int = 8_000_000
    """A search reads no more postings than this, those first that bring most for their cost."""

    def choose(self, gains: Weights, held: Counts, pictures: int) -> Mask:
        """Choose among words [Q] that bring `gains` [Q] and are `held` [Q] by so many pictures."""
        chosen, common = held > 0, held > max(self.part * pictures, self.floor)
        if np.count_nonzero(common) <= self.most * np.count_nonzero(chosen):
            chosen &= ~common
        order = np.argsort(-gains / np.maximum(held, 1), kind="stable")
        chosen[order] &= np.cumsum((held * chosen)[order]) <= self.postings
        return chosen


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
        tail_rows: Pictures of the tail that become a segment, 32,768 or fewer; as many at once
            become one directly.
        segment_rows: Pictures of a full segment, 65,536 or fewer.
        dead_part: Removed pictures, in units of those that are there, that may stay undropped.
        stops: Which words a search leaves out.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        tail_rows: int = 256,
        segment_rows: int = ROWS_AT_MOST,
        dead_part: float = 0.2,
        stops: Stops | None = None,
    ) -> None:
        if max(vocabulary, 2 * tail_rows, segment_rows) > ROWS_AT_MOST:
            raise ValueError("words and the pictures of a block are numbers of 16 bits")
        self._vocabulary = vocabulary
        self._tail_rows = tail_rows
        self._segment_rows = segment_rows
        self._dead_part = dead_part
        self._stops = stops or Stops()
        self._gate = Gate()
        self._rows = Rows()
        self._tail, self._tail_slots = Tail.of([]), np.empty(0, np.int64)
        self._blocks: list[Block] = []
        self._held = np.zeros(vocabulary, np.int64)
        """[vocabulary] pictures that hold each word, removed ones that were not dropped too."""
        self._worker = Worker("words-upkeep", self._gate, self._due)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, keys: Keys, words: Sequence[Words], classes: Classes) -> None:
        """Add pictures; see `WordIndex.add`."""
        _check_classes(keys, classes)
        if len(words) != len(keys):
            raise ValueError(f"words of {len(keys)} pictures, not of {len(words)}")
        for bag in words:
            self._check_words(bag, 1)
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
        self,
        words: Words,
        limit: int,
        classes: ClassFilter | None = None,
        weights: Weights | None = None,
    ) -> tuple[Keys, Weights]:
        """Find the pictures most like a query; see `WordIndex.search`."""
        self._check_words(words, 2)
        if weights is None:
            weights = np.ones(words.shape, np.float32)
        if weights.shape != words.shape or (weights < 0).any():
            raise ValueError(f"weights of 0 or more {words.shape}, not {weights.shape}")
        wanted = np.bincount(words.ravel(), weights.ravel(), self._vocabulary)
        with self._gate.reading():
            found = self._scan(wanted.astype(np.float32), limit, classes)
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
        segments = [self._segment(words[piece]) for piece in pieces]
        with self._gate.writing():
            slots = self._rows.insert(keys, classes)
            pairs = zip(segments, pieces, strict=True)
            self._exchange([], [Block(segment, slots[piece]) for segment, piece in pairs])
            self._worker.wake()

    def _segment(self, words: Sequence[Words]) -> Segment:
        tails = [Tail.of(words[piece]) for piece in _slices(len(words), _SORTED_AT_ONCE)]
        return Segment.of(tails, self._vocabulary)

    def _scan(self, wanted: Weights, limit: int, classes: ClassFilter | None) -> Found:
        passing = self._rows.passing(classes)
        query = self._weigh(wanted)
        if limit <= 0 or not len(query.words):
            return NOTHING
        gains = np.zeros(self._vocabulary, np.float32)
        gains[query.words] = query.gains
        scores = self._tail.sums(gains) / self._tail.norms
        found = _best(NOTHING, scores, self._tail_slots, passing, limit)
        for block in self._blocks:
            scores = block.segment.sums(*query) / block.segment.norms
            found = _best(found, scores, block.slots, passing, limit)
        return found.falling()

    def _weigh(self, wanted: Weights) -> Gains:
        """Weigh the words of a query, each `wanted` [vocabulary] so much, and choose among them."""
        words = np.flatnonzero(wanted)
        held, pictures = self._held[words], len(self._rows) + self._rows.dead
        idf = np.log1p(pictures / np.maximum(held, 1))
        gains = (wanted[words] * idf**2).astype(np.float32)
        chosen = self._stops.choose(gains, held, pictures)
        return Gains(words[chosen].astype(np.uint16), gains[chosen])

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
            segment = Segment.of([self._tail.by_word()], self._vocabulary)
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

    def _check_words(self, words: Words, dimensions: int) -> None:
        if words.dtype != np.uint16 or not 1 <= words.ndim <= dimensions:
            raise ValueError(f"16-bit words, not {words.dtype} {words.shape}")
        if words.size and words.max() >= self._vocabulary:
            raise ValueError(f"words below {self._vocabulary}, not {words.max()}")


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
