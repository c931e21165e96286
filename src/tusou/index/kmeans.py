"""Centroids of points on the sphere, by k-means.

In numpy: its BLAS multiplies four times as fast as the one that FAISS brings (8192 × 384 by
2121 × 384 on an AVX-512 machine: 0.12 s against 0.51 s of processor time).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tusou.types import Vectors

_ROUNDS = 5
_SEED = 20240229
_BLOCK = 4096


def train(
    sample: NDArray[np.float32], count: int, between: Callable[[], None] = lambda: None
) -> Vectors:
    """Find `count` centroids [count × D] of `sample` [N × D] of about equal length, N ≥ count.

    `between` is called after each round, and may raise to give up.
    """
    dice = np.random.default_rng(_SEED)
    centroids = _unit(dice.choice(sample, count, replace=False))
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centroids)
        for start in range(0, len(sample), _BLOCK):
            block = sample[start : start + _BLOCK]
            np.add.at(sums, nearest(block, centroids), block)
        empty = ~sums.any(axis=1)
        sums[empty] = dice.choice(sample, int(empty.sum()))
        centroids = _unit(sums)
        between()
    return centroids


def nearest(points: NDArray[np.float32], centroids: Vectors) -> NDArray[np.int64]:
    """Choose the centroid of each of `points` [N × D] by inner product: [N]."""
    chosen = np.empty(len(points), np.int64)
    for start in range(0, len(points), _BLOCK):
        block = slice(start, start + _BLOCK)
        np.argmax(points[block] @ centroids.T, axis=1, out=chosen[block])
    return chosen


def _unit(vectors: NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), dtype=np.float32)
