"""Which pictures hold a visual word, and where in it: in blocks that a search adds up.

A block numbers its pictures from 0; whoever holds it knows their slots. Recent pictures are in a
`Tail`, which is cheap to extend and dear to search; settled ones in a `Segment`, which is neither
changed nor extended.

A posting is a feature of a picture: two bytes for the picture, four for the signature. How many of
the picture's features have the same word (one, two, three, or four and more) is kept in the two
bits that the picture's number leaves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tusou.index.base import Weights
from tusou.index.rows import Mask
from tusou.types import Words

LEVELS = 4
ROWS_AT_MOST = 1 << 14
"""Pictures of a block: their numbers are of 14 bits."""

_FACTORS = 1 / np.sqrt(np.arange(1, LEVELS + 1, dtype=np.float32))
"""What a posting of each level counts: a pattern that repeats says little more than one."""

_NONE = np.empty(0, np.uint32)

Counts = NDArray[np.int64]
Places = NDArray[np.intp]
"""[P] places in an array."""


class Query(NamedTuple):
    """Features that are looked for, by word."""

    words: NDArray[np.uint16]
    """[Q] rising."""
    signatures: NDArray[np.uint32]
    """[Q]"""
    gains: Weights
    """[Q] what an equal feature brings a picture."""
    affinities: Weights
    """What part of it a feature brings by how many bits of its signature differ."""

    def near(self, differences: NDArray[np.uint32]) -> tuple[Places, NDArray[np.uint8]]:
        """Find the differences [P] of signatures that count: places [K], and how many bits."""
        bits = np.bitwise_count(differences)
        near = np.flatnonzero(bits < np.count_nonzero(self.affinities))
        return near, bits[near]

    def parts(self, asked: Places, bits: NDArray[np.uint8]) -> Weights:
        """Tell what features [K] bring that are so near to those `asked` for."""
        return self.affinities.take(bits) * self.gains[asked]


class Postings(NamedTuple):
    """Features of a block's pictures."""

    owners: NDArray[np.uint16]
    """[P] the picture's number, and the level above its 14 bits."""
    signatures: NDArray[np.uint32]
    """[P]"""

    @classmethod
    def join(cls, parts: Sequence["Postings"]) -> "Postings":
        """Put postings of one numbering one after the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def at(self, places: Places | Mask) -> "Postings":
        """Pick postings."""
        return Postings(self.owners[places], self.signatures[places])

    def sums(self, places: Places, parts: Weights, size: int) -> Weights:
        """Add up what postings at `places` bring each of `size` pictures."""
        owners = self.owners[places]
        sums = np.zeros(size, np.float32)
        # `add.at` takes its fast way with indices of the machine's own size only. `bincount` would
        # make float64 of everything first.
        np.add.at(sums, _numbers(owners).astype(np.intp), parts * _FACTORS[_levels(owners)])
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Pictures in the order in which they came."""

    words: NDArray[np.uint16]
    """[P]"""
    postings: Postings
    norms: Weights
    """[size] the root of how many features each picture has."""

    @classmethod
    def of(cls, pictures: Sequence[Words]) -> Self:
        """Take in `ROWS_AT_MOST` pictures or fewer; postings come by word, then by picture."""
        lengths = [len(words.numbers) for words in pictures]
        words, signatures = Words.join(pictures)
        owners = np.repeat(np.arange(len(pictures), dtype=np.uint64), lengths)
        # All in one number, because numpy sorts bare numbers far faster than it finds an order.
        joint = words.astype(np.uint64) << 48 | owners << 32 | signatures
        joint.sort()
        both = (joint >> 32).astype(np.uint32)
        words = (both >> 16).astype(np.uint16)
        marked = both.astype(np.uint16) | _levels_of_runs(both) << np.uint16(14)
        norms = np.sqrt(np.maximum(lengths, 1)).astype(np.float32)
        return cls(words, Postings(marked, joint.astype(np.uint32)), norms)

    def __len__(self) -> int:
        return len(self.norms)

    def extended(self, other: "Tail") -> "Tail":
        """Number the pictures of another one after these."""
        return Tail(
            np.concatenate([self.words, other.words]),
            Postings.join([self.postings, _moved(other.postings, len(self))]),
            np.concatenate([self.norms, other.norms]),
        )

    def frequencies(self, vocabulary: int) -> Counts:
        """Count the features of each word: [vocabulary]."""
        return np.bincount(self.words, minlength=vocabulary)

    def sums(self, query: Query, vocabulary: int) -> Weights:
        """Add up what each picture gains: [size]."""
        counts = np.bincount(query.words, minlength=vocabulary)
        each = counts[self.words]
        mine = np.repeat(np.arange(len(self.words)), each)
        asked = _runs((np.cumsum(counts) - counts)[self.words], each)
        near, bits = query.near(self.postings.signatures[mine] ^ query.signatures[asked])
        return self.postings.sums(mine[near], query.parts(asked[near], bits), len(self))


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Pictures by word."""

    starts: NDArray[np.uint32]
    """[vocabulary + 1] where the postings of each word begin."""
    postings: Postings
    norms: Weights
    """[size]"""

    @classmethod
    def of(cls, tail: Tail, vocabulary: int) -> Self:
        """Take in a tail."""
        order = np.argsort(tail.words, kind="stable")
        starts = _starts(tail.frequencies(vocabulary))
        return cls(starts, tail.postings.at(order), tail.norms)

    @classmethod
    def merged(cls, parts: Sequence[tuple[Self, Mask]]) -> Self:
        """Join segments, `ROWS_AT_MOST` pictures in all, each only with those of its mask."""
        first, counts, columns = 0, list[Counts](), list[Postings]()
        for segment, living in parts:
            kept = living[_numbers(segment.postings.owners)]
            before = np.concatenate([[0], np.cumsum(kept, dtype=np.uint32)])
            counts.append(_lengths(before[segment.starts]))
            columns.append(_renumbered(segment.postings.at(kept), living, first))
            first += int(np.count_nonzero(living))
        norms = np.concatenate([segment.norms[living] for segment, living in parts])
        return cls(_starts(np.sum(counts, axis=0)), _interleave(counts, columns), norms)

    def __len__(self) -> int:
        return len(self.norms)

    def frequencies(self) -> Counts:
        """Count the features of each word: [vocabulary]."""
        return _lengths(self.starts)

    def sums(self, query: Query) -> Weights:
        """Add up what each picture gains: [size]."""
        firsts = self.starts[query.words].astype(np.intp)
        ends = self.starts[query.words.astype(np.intp) + 1].astype(np.intp)
        # Slices: postings stand in a few runs, and to gather them one by one is three times slower.
        runs = zip(firsts.tolist(), ends.tolist(), strict=True)
        found = [self.postings.signatures[first:end] for first, end in runs]
        counts = ends - firsts
        differences = np.concatenate([_NONE, *found])
        differences ^= np.repeat(query.signatures, counts)
        near, bits = query.near(differences)
        asked = np.repeat(np.arange(len(counts)), counts)[near]
        mine = near + (firsts - (np.cumsum(counts) - counts))[asked]
        return self.postings.sums(mine, query.parts(asked, bits), len(self))


def _runs(firsts: Counts, counts: Counts) -> Places:
    """Count on from each of `firsts` [N], `counts` [N] long: [P]."""
    runs = np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    runs += np.arange(len(runs))
    return runs


def _levels_of_runs(values: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """Tell the level [P] of each of sorted values: how many are equal to it, less one."""
    bounds = np.flatnonzero(np.diff(values, prepend=~values[:1], append=~values[-1:]))
    lengths = np.diff(bounds)
    return np.repeat(np.minimum(lengths, LEVELS) - 1, lengths).astype(np.uint16)


def _numbers(owners: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return owners & np.uint16(ROWS_AT_MOST - 1)


def _levels(owners: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return owners >> np.uint16(14)


def _moved(postings: Postings, first: int) -> Postings:
    """Number pictures from `first` instead of 0."""
    return Postings(postings.owners + np.uint16(first), postings.signatures)


def _renumbered(postings: Postings, living: Mask, first: int) -> Postings:
    """Number living pictures without gaps, from `first`."""
    numbers = (np.cumsum(living) + (first - 1)).astype(np.uint16)[_numbers(postings.owners)]
    return Postings(numbers | _levels(postings.owners) << np.uint16(14), postings.signatures)


def _starts(counts: Counts) -> NDArray[np.uint32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)


def _lengths(starts: NDArray[np.uint32]) -> Counts:
    return starts[1:].astype(np.int64) - starts[:-1]


def _interleave(counts: Sequence[Counts], columns: Sequence[Postings]) -> Postings:
    """Join columns, each in runs of `counts` [K], so that all first runs come first, and so on."""
    if len(columns) == 1:
        return columns[0]
    table = np.stack(counts, axis=1)
    starts = (np.cumsum(table) - table.ravel()).reshape(table.shape)
    total = int(table.sum())
    joined = Postings(np.empty(total, np.uint16), np.empty(total, np.uint32))
    for count, start, column in zip(counts, starts.T, columns, strict=True):
        places = _runs(start, count)
        joined.owners[places] = column.owners
        joined.signatures[places] = column.signatures
    return joined
