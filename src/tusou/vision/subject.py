"""Subjects: where in a picture the things are that it is about, by what stands out."""

import threading
from importlib import resources
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tusou.types import Rgb, Subject
from tusou.vision.embed import resize
from tusou.vision.session import Batcher, Session

SIZE: Final = 128
"""Side in pixels of the square that the model sees."""
STANDS_OUT: Final = 0.5
"""Saliency from which a point belongs to a subject."""
LEAST: Final = 0.02
"""Share of the picture that a subject covers at least."""
MARGIN: Final = 0.08
"""What is left around a subject, as a share of its longer side."""


class Finder:
    """Finds subjects; many threads may ask at once. The model loads when it is first needed."""

    def __init__(self, threads: int | None = None, provider: str = "") -> None:
        """Prepare; see `Session` for what the arguments mean."""
        self._threads = threads
        self._provider = provider
        self._batcher: Batcher | None = None
        self._opening = threading.Lock()

    def find(self, picture: Rgb) -> list[Subject]:
        """The subjects of `picture` [H × W × 3], the most salient first; none in a mere scene.

        Raises:
            TusouError: RECOGNIZE, the model failed; OVERLOADED, too many pictures wait;
                UNAVAILABLE, closed; INTERNAL_BACKEND, the model does not load.
        """
        seen = self._open().encode(resize(picture, SIZE, SIZE))
        return subjects(np.asarray(seen[0], np.float32), picture.shape[1], picture.shape[0])

    def close(self) -> None:
        """Stop; requests that wait are answered with UNAVAILABLE."""
        if self._batcher is not None:
            self._batcher.close()

    def _open(self) -> Batcher:
        with self._opening:
            if self._batcher is None:
                source = resources.files("tusou.vision") / "models" / "subject.onnx"
                with resources.as_file(source) as file:
                    session = Session(Path(file), self._threads, self._provider)
                self._batcher = session.shared()
            return self._batcher


def subjects(saliency: NDArray[np.float32], width: int, height: int) -> list[Subject]:
    """Read subjects off a map of saliency [S × S], 0–1, of a picture of width × height pixels."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(
        (saliency > STANDS_OUT).astype(np.uint8)
    )
    rows, columns = saliency.shape
    across, down = width / columns, height / rows
    mass = np.bincount(labels.ravel(), saliency.ravel(), count) / saliency.size
    found = []
    for label in range(1, count):
        left, top, wide, high, area = (int(value) for value in boxes[label])
        if area < LEAST * saliency.size:
            continue
        edge = MARGIN * max(wide * across, high * down)
        found.append(
            Subject(
                left=max(0, round(left * across - edge)),
                top=max(0, round(top * down - edge)),
                right=min(width, round((left + wide) * across + edge)),
                bottom=min(height, round((top + high) * down + edge)),
                share=float(mass[label]),
            )
        )
    return sorted(found, key=lambda subject: -subject.share)
