"""Speed, memory and recall of the embedded vector index.

    python benchmarks/index_search.py --vectors 500000 --dimension 384 [--input real.npy] [--whole]

Recall is the part of the 10, 300 or 1000 rows returned that are no further than the last row of an
exact float32 search for as many. Queries are not in the index. Vectors come from one of two
generators:

- Real embeddings [N × D], given as a file, are multiplied: a new vector lies between one of them
  and one of its ten nearest, moved by the difference of another pair of neighbours, which keeps
  the shape of the neighbourhoods that the encoder makes.
- Without a file they are drawn around 20,000 centres of very different size (Zipf), half of the
  variance between centres and half within, both with the spectrum i^-0.85 that EfficientNet-Lite0
  embeddings of the project's pictures were found to have. Plain Gaussian mixtures are far too
  easy.

A picture's first class is 1 in 1% of rows and 2 in 20%, by lot. Its second class is 3 in the 20%
furthest along the strongest direction of the data: a filter that goes with the looks, so that for
many queries all that passes is far away.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory import Peak, resident
from tusou.index.embedded import EmbeddedIndex
from tusou.types import Classes, ClassFilter, ClassTerm, Keys, Vector, Vectors

LIMITS = (10, 300, 1000)
FILTERS: dict[str, ClassFilter | None] = {
    "none": None,
    "1% by lot": ClassFilter((ClassTerm(1, None),)),
    "20% by lot": ClassFilter((ClassTerm(2, 0),)),
    "20% by looks": ClassFilter((ClassTerm(3, 1),)),
}
BLOCK = 10_000

Ask = Callable[[Vector, int, ClassFilter | None], Keys]
"""Searches for one query: as many of the nearest rows that pass."""


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Scale rows to unit length."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


def multiply(real: Vectors, count: int, dice: np.random.Generator) -> Vectors:
    """Draw vectors that lie among real ones [N × D]: [count × D]."""
    near = np.concatenate(
        [np.argsort(-(block @ real.T), axis=1)[:, 1:11] for block in np.array_split(real, 20)]
    )
    made = np.empty((count, real.shape[1]), np.float32)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        one, other = dice.integers(len(real), size=(2, size))
        beside, apart = near[[one, other], dice.integers(10, size=(2, size))]
        share = dice.random((size, 1), dtype=np.float32)
        vectors = real[one] * (1 - share) + real[beside] * share
        made[start : start + size] = unit(vectors + 0.5 * (real[other] - real[apart]))
    return made


def draw(count: int, dimension: int, dice: np.random.Generator) -> Vectors:
    """Draw vectors without any real ones: [count × D]."""
    spread = np.arange(1, dimension + 1, dtype=np.float32) ** -0.425
    centres = dice.standard_normal((20_000, dimension), dtype=np.float32) * spread
    weights = np.arange(1, len(centres) + 1) ** -0.7
    made = np.empty((count, dimension), np.float32)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        chosen = dice.choice(len(centres), size, p=weights / weights.sum())
        noise = dice.standard_normal((size, dimension), dtype=np.float32) * spread
        made[start : start + size] = unit(centres[chosen] + noise)
    return made


def classify(vectors: Vectors, dice: np.random.Generator) -> Classes:
    """Give each vector its two classes (see the module's docstring)."""
    lot = dice.random(len(vectors))
    sample = vectors[:20_000]
    strongest = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][0]
    along = vectors @ strongest
    looks = along > np.quantile(along, 0.8)
    return np.stack([np.select([lot < 0.01, lot < 0.21], [1, 2]), looks * 3], axis=1).astype(
        np.uint16
    )


class Material(NamedTuple):
    """What is put into an index and asked of it."""

    vectors: Vectors
    """[N × D]"""
    classes: Classes
    """[N × 2]"""
    queries: Vectors
    """[Q × D] that are not among them."""


def material(count: int, queries: int, dimension: int, source: Path | None) -> Material:
    """Make vectors from the real ones of a file, or without any (see the module's docstring)."""
    dice = np.random.default_rng(7)
    if source:
        made = multiply(unit(np.load(source)), count + queries, dice)
    else:
        made = draw(count + queries, dimension, dice)
    return Material(made[queries:], classify(made[queries:], dice), made[:queries])


def ask_for_material(parser: argparse.ArgumentParser) -> None:
    """Let the command line say what `material` makes."""
    parser.add_argument("--vectors", type=int, default=500_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--input", type=Path, help="real embeddings, [N × D] in a .npy file")


def exact(vectors: Vectors, passing: NDArray[np.bool_], queries: Vectors) -> Vectors:
    """Search in float32: [queries × ≤ 1000] inner products, falling."""
    depth = min(max(LIMITS), int(passing.sum()))
    best = [
        np.sort(np.partition(scores[passing], -depth)[-depth:])[::-1]
        for some in np.array_split(queries, -(-len(queries) // 20))
        for scores in some @ vectors.T
    ]
    return np.stack(best)


class Measured(NamedTuple):
    """One search for each query."""

    wall: list[float]
    """Milliseconds."""
    processor: list[float]
    """Milliseconds of all threads: what counts on a busy machine."""
    found: list[Keys]


def measure(
    ask: Ask,
    queries: Vectors,
    limit: int,
    classes: ClassFilter | None,
    seconds: float = float("inf"),
    busy: Callable[[], float] = time.process_time,
) -> Measured:
    """Search for each query, or for the first ones only when it would take longer than that.

    `busy` tells the seconds of processor so far.
    """
    measured = Measured([], [], [])
    end = time.perf_counter() + seconds
    for query in queries:
        wall, processor = time.perf_counter(), busy()
        keys = ask(query, limit, classes)
        measured.wall.append((time.perf_counter() - wall) * 1e3)
        measured.processor.append((busy() - processor) * 1e3)
        measured.found.append(keys)
        if time.perf_counter() > end:
            break
    return measured


def recall(
    found: list[Keys], truth: Vectors, limit: int, vectors: Vectors, queries: Vectors
) -> float:
    """Mean part of the rows found that belong among the first `limit`."""
    parts = []
    for keys, scores, query in zip(found, truth, queries, strict=False):  # where time was up
        wanted = scores[:limit]
        right = vectors[keys] @ query >= wanted[-1] - 1e-6
        parts.append(np.count_nonzero(right) / len(wanted))
    return min(1.0, float(np.mean(parts)))


def fill(index: EmbeddedIndex, vectors: Vectors, classes: Classes) -> None:
    """Add all vectors, keyed by their row, and print what it took."""
    before, count = resident(), len(vectors)
    start, used = time.perf_counter(), time.process_time()
    with Peak() as peak:
        for first in range(0, count, BLOCK):
            keys = np.arange(first, min(first + BLOCK, count))
            index.add(keys, vectors[keys], classes[keys])
        filled = time.perf_counter()
        index.settle()
    print(f"fill {filled - start:.1f} s, groups ready {time.perf_counter() - filled:.1f} s later")
    print(f"{time.process_time() - used:.0f} s of processor for both")
    memory, most = ((size - before) / count for size in (resident(), peak.bytes))
    print(f"memory a picture {memory:.0f} B, at most {most:.0f} B meanwhile")


def report(index: EmbeddedIndex, vectors: Vectors, classes: Classes, queries: Vectors) -> None:
    """Print a table of times and recalls."""

    def ask(query: Vector, limit: int, wanted: ClassFilter | None) -> Keys:
        return index.search(query, limit, wanted)[0]

    print("\n| filter | limit | p50 ms | p95 ms | p50 ms of processor | recall |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, wanted in FILTERS.items():
        passing = np.ones(len(vectors), np.bool_) if wanted is None else wanted.mask(classes)
        truth = exact(vectors, passing, queries)
        for limit in LIMITS:
            measured = measure(ask, queries, limit, wanted)
            p50, p95 = np.quantile(measured.wall, [0.5, 0.95])
            busy = np.median(measured.processor)
            score = recall(measured.found, truth, limit, vectors, queries)
            print(
                f"| {name} | {limit} | {p50:.1f} | {p95:.1f} | {busy:.1f} | {score:.4f} |",
                flush=True,
            )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    ask_for_material(parser)
    parser.add_argument("--whole", action="store_true", help="scan all rows, for comparison")
    options = parser.parse_args()

    vectors, classes, queries = material(
        options.vectors, options.queries, options.dimension, options.input
    )
    print(f"{len(vectors)} vectors of {vectors.shape[1]}")
    index = EmbeddedIndex(
        vectors.shape[1], group_rows=len(vectors) + 1 if options.whole else 50_000
    )
    fill(index, vectors, classes)
    report(index, vectors, classes, queries)
    index.close()


if __name__ == "__main__":
    main()
