"""Make `src/tusou/vision/models/vocabulary.npz`: the visual words of `tusou.vision.words`.

    python training/train_vocabulary.py DATASETS

Takes the features of pictures of `protocols/pool.json`, half of them as in the mirror, finds 256
cells by k-means and 128 words in each cell by k-means, then lets every feature choose its word
from the neighbouring cells too, which makes the words nearly those of a flat k-means.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from tusou.vision import keypoints, words

CELLS = 256
ROUNDS = 8
"""Of k-means, for cells and for the words of a cell."""
REFINEMENTS = 3
BEAM = 8
BATCH = 16_384


def sample(datasets: Path, pictures: int, cache: Path | None, seed: int) -> np.ndarray:
    """Collect descriptors [N × 64] of `pictures` pictures drawn from the pool."""
    if cache and cache.exists():
        return np.asarray(np.load(cache))
    paths = json.loads((datasets / "protocols" / "pool.json").read_text())
    drawn = []
    for index in np.random.default_rng(seed).permutation(len(paths))[:pictures]:
        if (bgr := cv2.imread(str(datasets / paths[index]))) is not None:
            drawn.append(keypoints.extract(np.ascontiguousarray(bgr[:, :, ::-1])).descriptors)
    rows = np.concatenate(drawn)
    if cache:
        np.save(cache, rows)
    return rows


def kmeans(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Find `count` centres [count × 64]; an empty one starts again at a random row."""
    centres = rows[rng.choice(len(rows), count, replace=len(rows) < count)]
    for _ in range(ROUNDS):
        centres = means(rows, labels(rows, centres), centres, rng)
    return centres


def labels(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Number the nearest centre of each row."""
    lengths = (centres**2).sum(axis=1) / 2
    starts = range(0, len(rows), BATCH)
    parts = [(rows[start : start + BATCH] @ centres.T - lengths).argmax(axis=1) for start in starts]
    return np.concatenate(parts)


def means(
    rows: np.ndarray, numbers: np.ndarray, centres: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Move each centre to the mean of the rows that chose it."""
    counts = np.bincount(numbers, minlength=len(centres))
    order = np.argsort(numbers, kind="stable")
    filled = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[filled]
    moved = rows[rng.choice(len(rows), len(centres))]
    moved[filled] = np.add.reduceat(rows[order], starts, axis=0) / counts[filled, None]
    return moved


def train(rows: np.ndarray, seed: int) -> words.Vocabulary:
    """Find cells and their words."""
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((len(rows), 1)) < 0.5, rows, rows * keypoints.projection().parities)
    cells = kmeans(rows, CELLS, rng)
    members = labels(rows, cells)
    width = words.COUNT // CELLS
    found = np.stack([kmeans(rows[members == cell], width, rng) for cell in range(CELLS)])
    vocabulary = words.Vocabulary.of(cells, found)
    for _ in range(REFINEMENTS):
        starts = range(0, len(rows), BATCH)
        parts = [words.nearest(vocabulary, rows[at : at + BATCH], BEAM) for at in starts]
        flat = means(rows, np.concatenate(parts), vocabulary.words.reshape(words.COUNT, -1), rng)
        vocabulary = words.Vocabulary.of(cells, flat.reshape(found.shape))
    return vocabulary


def main() -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--cache", type=Path, help="where to keep the descriptors (.npy)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = sample(options.datasets, options.pictures, options.cache, options.seed)
    units = keypoints.projection().steps / words.FRACTION
    found = train(rows, options.seed)
    arrays = {"cells": np.rint(found.cells / units), "words": np.rint(found.words / units)}
    target = Path(words.__file__).parent / "models" / "vocabulary.npz"
    np.savez_compressed(
        target, **{name: values.clip(-127, 127).astype(np.int8) for name, values in arrays.items()}
    )
    print(f"{len(rows)} descriptors → {target}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
