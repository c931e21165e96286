"""Speed, memory and recall of the inverted file of visual words.

    python benchmarks/words_search.py --pictures 500000 --words 400 --vocabulary 32768

Words are drawn by a law like Zipf's: the i-th most frequent comes with a probability in proportion
to (i + 20)^-s. With an exponent s of 0.4 a feature meets as many others of its word as one of a
real picture does in the bundled vocabulary: 1.4 times as many as if all words were as frequent as
each other. One word in ten repeats another one of its picture, as on patterns and in text.

A query is a stored picture of which 60% of the features are kept, with each bit of their signatures
turned over with a probability of .15, and the others drawn anew.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory import Peak, resident
from tusou.index.inverted import InvertedIndex
from tusou.types import Classes, ClassFilter, ClassTerm, Keys, Words
from tusou.vision.words import BITS, affinities

FILTERS: dict[str, ClassFilter | None] = {
    "none": None,
    "1%": ClassFilter((ClassTerm(1, 0),)),
    "20%": ClassFilter((ClassTerm(2, 0),)),
}
TURNED = 0.15
SHIFT = 20


class Generator:
    """Draws words."""

    def __init__(self, vocabulary: int, exponent: float, dice: np.random.Generator) -> None:
        weights = (np.arange(vocabulary) + SHIFT) ** -exponent
        self._edges = np.cumsum(weights / weights.sum())[:-1].astype(np.float32)
        self._dice = dice
        self._names = dice.permutation(vocabulary).astype(np.uint16)

    def _draw(self, *shape: int) -> Words:
        """Draw features of any shape."""
        ranks = np.searchsorted(self._edges, self._dice.random(shape, dtype=np.float32))
        return Words(self._names[ranks], self._dice.integers(0, 1 << BITS, shape, dtype=np.uint32))

    def pictures(self, count: int, length: int) -> list[Words]:
        """Draw the features of some pictures."""
        numbers, signatures = self._draw(count, length)
        repeated = length // 10
        numbers[:, :repeated] = numbers[:, -repeated:]
        return [Words(*pair) for pair in zip(numbers, signatures, strict=True)]

    def query(self, picture: Words) -> Words:
        """Disturb the features of a picture."""
        numbers, signatures = self._draw(len(picture.numbers))
        kept = self._dice.random(len(numbers)) < 0.6
        bits = self._dice.random((len(numbers), BITS)) < TURNED
        turned = np.packbits(bits, axis=1).view(np.uint32)[:, 0]
        numbers[kept] = picture.numbers[kept]
        signatures[kept] = (picture.signatures ^ turned)[kept]
        return Words(numbers, signatures)


class Measured(NamedTuple):
    """One search for each query."""

    wall: list[float]
    """Milliseconds."""
    processor: list[float]
    """Milliseconds of the searching thread alone: what counts on a busy machine."""
    ranks: list[int]
    """Where the picture that a query was made of came, from 0; 10⁹ where it did not."""


def classify(count: int, dice: np.random.Generator) -> Classes:
    """Give 1% of the pictures a first class of 1 and 20% one of 2, by lot."""
    lot = dice.random(count)
    first = np.select([lot < 0.01, lot < 0.21], [1, 2])
    return np.stack([first, np.zeros(count)], axis=1).astype(np.uint16)


def fill(
    index: InvertedIndex, generator: Generator, classes: Classes, length: int, portion: int
) -> dict[int, Words]:
    """Add pictures, print what it took, and return some of them by key."""
    count, before, spent, used = len(classes), resident(), 0.0, 0.0
    sample: dict[int, Words] = {}
    with Peak() as peak:
        for first in range(0, count, portion):
            keys = np.arange(first, min(first + portion, count))
            made = generator.pictures(len(keys), length)
            wall, processor = time.perf_counter(), time.process_time()
            index.add(keys, made, classes[keys])
            spent += time.perf_counter() - wall
            used += time.process_time() - processor
            sample.update({int(key): Words.join([made[key - first]]) for key in keys[::977]})
        del made
        index.settle()
    memory, most = ((size - before) / count for size in (resident(), peak.bytes))
    print(f"build {spent:.1f} s ({used:.1f} s of processor) in calls of {portion}")
    print(f"memory a picture {memory:.0f} B, at most {most:.0f} B meanwhile, the words given too\n")
    return sample


def measure(
    index: InvertedIndex, queries: list[tuple[int, Words]], wanted: ClassFilter | None
) -> Measured:
    """Search for each query."""
    measured = Measured([], [], [])
    for key, words in queries:
        wall, processor = time.perf_counter(), time.thread_time()
        keys, _ = index.search(words, 100, wanted)
        measured.wall.append((time.perf_counter() - wall) * 1e3)
        measured.processor.append((time.thread_time() - processor) * 1e3)
        place = np.flatnonzero(keys == key)
        measured.ranks.append(int(place[0]) if len(place) else 10**9)
    return measured


def report(
    index: InvertedIndex,
    generator: Generator,
    sample: dict[int, Words],
    classes: Classes,
    queries: int,
) -> None:
    """Print a table of times and of how often the picture was found."""
    print("| filter | p50 ms | p95 ms | processor p50 ms | in 1 | in 10 | in 100 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, wanted in FILTERS.items():
        keys = np.array(list(sample))
        passing = keys if wanted is None else keys[wanted.mask(classes[keys])]
        made = [(int(key), generator.query(sample[int(key)])) for key in passing[:queries]]
        measured = measure(index, made, wanted)
        p50, p95 = np.quantile(measured.wall, [0.5, 0.95])
        found = [np.mean(np.array(measured.ranks) < depth) for depth in (1, 10, 100)]
        print(
            f"| {name} | {p50:.1f} | {p95:.1f} | {np.median(measured.processor):.1f} "
            + "".join(f"| {part:.3f} " for part in found)
            + "|",
            flush=True,
        )


def write(index: InvertedIndex, generator: Generator, length: int, turns: int) -> None:
    """Print what adding and removing one picture at a time takes."""
    spent = dict[str, list[float]](add=[], remove=[])
    for key in range(10**9, 10**9 + turns):
        words = generator.pictures(1, length)
        start = time.perf_counter()
        index.add(np.array([key]), words, np.zeros((1, 2), np.uint16))
        added = time.perf_counter()
        index.remove(np.array([key - 10]))
        spent["add"].append((added - start) * 1e3)
        spent["remove"].append((time.perf_counter() - added) * 1e3)
    print("\n| write, one picture | p50 ms | p95 ms | most ms |\n|---|---:|---:|---:|")
    for name, times in spent.items():
        p50, p95, most = np.quantile(times, [0.5, 0.95, 1])
        print(f"| {name} | {p50:.2f} | {p95:.2f} | {most:.1f} |")


def drop(index: InvertedIndex, keys: Keys) -> None:
    """Print what removing many pictures takes."""
    wall, before = time.perf_counter(), resident()
    index.remove(keys)
    removed, processor = time.perf_counter(), time.process_time()
    index.settle()
    print(
        f"\nremove {len(keys)} pictures {(removed - wall) * 1e3:.0f} ms; dropped in the background "
        f"{time.perf_counter() - removed:.1f} s ({time.process_time() - processor:.1f} s of "
        f"processor) later, which freed {(before - resident()) / len(keys):.0f} B each"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=500_000)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--vocabulary", type=int, default=32_768)
    parser.add_argument("--exponent", type=float, default=0.4)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--portion", type=int, default=16_384, help="pictures a call of add")
    options = parser.parse_args()

    dice = np.random.default_rng(7)
    generator = Generator(options.vocabulary, options.exponent, dice)
    classes = classify(options.pictures, dice)
    print(f"{options.pictures} pictures of {options.words} words of {options.vocabulary}")
    index = InvertedIndex(options.vocabulary, affinities())
    sample = fill(index, generator, classes, options.words, options.portion)
    report(index, generator, sample, classes, options.queries)
    write(index, generator, options.words, 3000)
    lot: NDArray[np.bool_] = dice.random(options.pictures) < 0.5
    drop(index, np.flatnonzero(lot))
    index.close()


if __name__ == "__main__":
    main()
