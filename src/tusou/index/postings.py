"""Which pictures hold a visual word, and how often: in blocks that a search adds up.

A block numbers its pictures from 0; whoever holds it knows their slots. Recent pictures are in a
`Tail`, which is cheap to extend and dear to search; settled ones in a `Segment`, which is neither
changed nor extended.

How often a picture holds a word is kept as a level: once, twice, three times, or four times and
more. The pictures of a segment that hold a word stand together, those of one level beside each
other, so that a posting is no more than the number of its picture: two bytes. Signatures for
Hamming refinement would be a second array beside `Segment.numbers`, in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tusou.index.base import Weights
from tusou.index.rows import Mask
from tusou.types import Words

LEVELS = 4
ROWS_AT_MOST = 1 << 16
"""Pictures of a block: their numbers are of 16 bits."""

_FACTORS = np.sqrt(np.arange(1, LEVELS + 1, dtype=np.float32))
"""What a posting of each level counts: a pattern that repeats says little more than one."""

Counts = NDArray[np.int64]
Numbers = NDArray[np.uint16]
"""[P] pictures of a block."""


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Pictures by what they hold: each distinct word of each picture is one posting."""

    words: Words
    """[P]"""
    numbers: Numbers
    """[P]"""
    levels: NDArray[np.uint8]
    """[P] 0 for a word held once."""
    norms: Weights
    """[size] how long the vector of each picture's factors is."""

    @classmethod
    def of(cls, pictures: Sequence[Words]) -> Self:
        """Take in `ROWS_AT_MOST` pictures or fewer; postings come by word, then by picture."""
        lengths = [len(words) for words in pictures]
        numbers = np.repeat(np.arange(len(pictures), dtype=np.uint32), lengths)
        # Both in one number, because numpy sorts bare numbers far faster than it finds an order.
        joint = np.concatenate([*pictures, np.empty(0, np.uint16)]).astype(np.uint32) << 16
        joint |= numbers
        joint.sort()
        levels = np.zeros(len(joint), np.uint8)
        for more in range(1, LEVELS):
            levels[:-more] += joint[more:] == joint[:-more]
        first = np.ones(len(joint), np.bool_)
        first[1:] = joint[1:] != joint[:-1]
        joint = joint[first]
        halves = (joint >> 16).astype(np.uint16), (joint & 0xFFFF).astype(np.uint16)
        return cls(*halves, levels[first], _norms(halves[1], levels[first], len(pictures)))

    def __len__(self) -> int:
        return len(self.norms)

    def extended(self, other: "Tail") -> "Tail":
        """Number the pictures of another one after these."""
        return Tail(
            np.concatenate([self.words, other.words]),
            np.concatenate([self.numbers, other.numbers + np.uint16(len(self))]),
            np.concatenate([self.levels, other.levels]),
            np.concatenate([self.norms, other.norms]),
        )

    def by_word(self) -> "Tail":
        """Sort the postings by word."""
        order = np.argsort(self.words, kind="stable")
        return Tail(self.words[order], self.numbers[order], self.levels[order], self.norms)

    def frequencies(self, vocabulary: int) -> Counts:
        """Count the pictures that hold each word: [vocabulary]."""
        return np.bincount(self.words, minlength=vocabulary)

    def sums(self, gains: Weights) -> Weights:
        """Add up what each picture's words gain [vocabulary]: [size]."""
        parts = gains[self.words] * _FACTORS[self.levels]
        return np.bincount(self.numbers, parts, len(self)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Pictures by word."""

    starts: NDArray[np.uint32]
    """[vocabulary × LEVELS + 1] where the postings of each word and level begin."""
    numbers: Numbers
    """[P]"""
    norms: Weights
    """[size]"""

    @classmethod
    def of(cls, tails: Sequence[Tail], vocabulary: int) -> Self:
        """Take in tails, `ROWS_AT_MOST` pictures in all, whose postings are sorted by word."""
        firsts = np.cumsum([0, *map(len, tails)])
        counts, columns = [], []
        for level in range(LEVELS):
            for tail, first in zip(tails, firsts[:-1], strict=True):
                chosen = tail.levels == level
                counts.append(np.bincount(tail.words[chosen], minlength=vocabulary))
                columns.append(tail.numbers[chosen] + first.astype(np.uint16))
        lengths = np.reshape(counts, (LEVELS, len(tails), vocabulary)).sum(axis=1)
        norms = np.concatenate([tail.norms for tail in tails])
        return cls(_starts(lengths.T.ravel()), _interleave(counts, columns), norms)

    @classmethod
    def merged(cls, parts: Sequence[tuple[Self, Mask]]) -> Self:
        """Join segments, `ROWS_AT_MOST` pictures in all, each only with those of its mask."""
        first, kept = 0, []
        for segment, living in parts:
            kept.append(segment._kept(living, first))
            first += int(np.count_nonzero(living))
        counts, numbers = zip(*kept, strict=True)
        norms = np.concatenate([segment.norms[living] for segment, living in parts])
        return cls(_starts(np.sum(counts, axis=0)), _interleave(counts, numbers), norms)

    def __len__(self) -> int:
        return len(self.norms)

    def frequencies(self) -> Counts:
        """Count the pictures that hold each word: [vocabulary]."""
        return _lengths(self.starts[::LEVELS])

    def sums(self, words: Words, gains: Weights) -> Weights:
        """Add up what pictures gain by distinct `words` [Q], `gains` [Q] each: [size]."""
        bounds = self.starts[words.astype(np.intp)[:, None] * LEVELS + np.arange(LEVELS + 1)]
        spans = zip(bounds[:, 0].tolist(), bounds[:, -1].tolist(), strict=True)
        pieces = [self.numbers[start:end] for start, end in spans]
        parts = np.repeat((gains[:, None] * _FACTORS).ravel(), np.diff(bounds).ravel())
        sums = np.zeros(len(self), np.float32)
        # `add.at` takes its fast way with indices of the machine's own size only. `bincount` would
        # make float64 of everything first.
        np.add.at(sums, np.concatenate(pieces, dtype=np.intp), parts)
        return sums

    def _kept(self, living: Mask, first: int) -> tuple[Counts, Numbers]:
        """List the postings of some pictures, numbered from `first`, and count them by start."""
        renumbered = (np.cumsum(living) + (first - 1)).astype(np.uint16)
        if living.all():
            return _lengths(self.starts), renumbered[self.numbers]
        kept = living[self.numbers]
        before = np.concatenate([[0], np.cumsum(kept, dtype=np.uint32)])
        return _lengths(before[self.starts]), renumbered[self.numbers[kept]]


def _norms(numbers: Numbers, levels: NDArray[np.uint8], size: int) -> Weights:
    reached = (numbers[levels >= level] for level in range(LEVELS))
    squares = sum(np.bincount(some, minlength=size) for some in reached)
    return np.sqrt(np.maximum(squares, 1)).astype(np.float32)


def _starts(counts: Counts) -> NDArray[np.uint32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)


def _lengths(starts: NDArray[np.integer]) -> Counts:
    return starts[1:].astype(np.int64) - starts[:-1]


def _interleave(counts: Sequence[Counts], columns: Sequence[Numbers]) -> Numbers:
    """Join columns, each in runs of `counts` [K], so that all first runs come first, and so on."""
    if len(columns) == 1:
        return columns[0]
    table = np.stack(counts, axis=1)
    starts = (np.cumsum(table) - table.ravel()).reshape(table.shape)
    joined = np.empty(sum(map(len, columns)), np.uint16)
    for count, start, column in zip(counts, starts.T, columns, strict=True):
        moves = start - (np.cumsum(count) - count)
        places = np.repeat(moves.astype(np.uint32), count)
        places += np.arange(len(column), dtype=np.uint32)
        joined[places] = column
    return joined
