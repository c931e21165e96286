"""What needs no network: perceptual hash and colour histogram, by the protocols of accuracy.

Prints the same columns as `tusou eval`, for the protocols of the services that rank by likeness.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from support.pictures import SHARED
from tusou.library.judging import Figures, Protocol, figures, judge, read
from tusou.types import Rgb

PROTOCOLS = ("similar_corel", "product_grocery", "materiel_batik", "materiel_dtd10")
BINS = (8, 12, 3)
"""Of brightness, hue and saturation in the histogram."""
MOST = 300
"""Results that are judged, as many as `materiel` gives at most."""

Features = NDArray[np.float32]


def phash(picture: Rgb) -> Features:
    """Signs of 8 × 8 frequencies: a product counts the bits that agree."""
    bits = imagehash.phash(Image.fromarray(picture)).hash.ravel()
    return np.where(bits, 1, -1).astype(np.float32) / np.float32(8)


def histogram(picture: Rgb) -> Features:
    """Square roots of shares, whose product is Bhattacharyya's coefficient."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    channels, ranges = [2, 0, 1], [0, 256, 0, 180, 0, 256]
    counts = cv2.calcHist([hsv], channels, None, list(BINS), ranges).ravel()
    return np.asarray(np.sqrt(counts / counts.sum()), np.float32)


METHODS: dict[str, Callable[[Rgb], Features]] = {"pHash": phash, "colour histogram": histogram}


def measure(protocol: Protocol, folder: Path, method: Callable[[Rgb], Features]) -> Figures:
    """Rank the gallery for each query; the picture itself does not count."""

    def see(paths: Sequence[str]) -> Features:
        return np.stack([method(_read(folder / path)) for path in paths])

    gallery = see(protocol.gallery)
    queries = see([query.path for query in protocol.queries])
    outcomes = []
    for query, row in zip(protocol.queries, queries, strict=True):
        started = time.perf_counter()
        order = np.argsort(-(gallery @ row), kind="stable")
        found = [protocol.gallery[number] for number in order]
        milliseconds = (time.perf_counter() - started) * 1000
        others = [path for path in found if path != query.path]
        outcomes.append(judge(query, others[:MOST], milliseconds))
    return figures(outcomes)[0]


def _read(file: Path) -> Rgb:
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise SystemExit(f"{file} is no picture")
    return np.asarray(picture, np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    print("| protocol | method | queries | recall@1 | recall@10 | P@10 | mAP |")
    print("|---|---|---|---|---|---|---|")
    for name in PROTOCOLS:
        protocol = read(options.datasets / "protocols" / f"{name}.json")
        for method, see in METHODS.items():
            row = measure(protocol, options.datasets, see)
            shares = (row.first, row.tenth, row.precision, row.average)
            cells = (name, method, str(row.queries), *(f"{share:.3f}" for share in shares))
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
