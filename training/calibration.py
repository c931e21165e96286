"""From cosines to scores: what every model pack's calibration is learned from."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

SEED = 20200301
BATCH = 16


def squares(
    files: Sequence[Path],
    fit: Callable[[np.ndarray], np.ndarray],
    change: Callable[[np.ndarray], np.ndarray] = lambda picture: picture,
) -> Iterator[np.ndarray]:
    """Each file's picture, changed and made a square."""

    def read(file: Path) -> np.ndarray:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise ValueError(f"{file} is no picture")
        return fit(change(picture))

    with ThreadPoolExecutor(2) as readers:
        for start in range(0, len(files), BATCH):
            yield from readers.map(read, files[start : start + BATCH])


def copy(picture: np.ndarray) -> np.ndarray:
    """A mild copy: the middle 95% of each side, at three quarters of the size, as JPEG 70."""
    height, width = picture.shape[:2]
    top, left = height // 40, width // 40
    middle = picture[top : height - top, left : width - left]
    small = cv2.resize(middle, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def learn_calibration(vectors: np.ndarray, copies: np.ndarray) -> dict[str, list[float]]:
    """Cosines and scores, from how unrelated pictures and mild copies compare.

    Args:
        vectors: [N × D] of varied pictures.
        copies: [M × D] of mild copies of the first M of them.
    """
    pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    middle, rare, rarer = np.quantile(pairs, [0.5, 0.95, 0.999])
    alike = np.median((vectors[: len(copies)] * copies).sum(axis=1))
    # 0.999 and not 1, because float rounding and an index's compressed vectors cost a little.
    cosines = [-1.0, middle, rare, rarer, alike, 0.999]
    return {
        "cosines": [round(float(cosine), 4) for cosine in cosines],
        "scores": [0.0, 0.05, 0.25, 0.5, 0.9, 1.0],
    }
