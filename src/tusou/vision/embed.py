"""Embeddings: a picture becomes one vector of unit length; what looks alike lies close by."""

from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np

from tusou.errors import Problem, TusouError
from tusou.types import Rgb, Vector
from tusou.vision.packs import Pack
from tusou.vision.session import Load, Session

GREY = 127
"""Margins have the colour that image models take for zero."""


class Embedder:
    """One model pack at work; many threads may embed at once, and share the model's runs."""

    def __init__(
        self,
        pack: Pack,
        *,
        threads: int | None = None,
        provider: str = "",
        waiting: int = 64,
    ) -> None:
        """Load the pack's model.

        Args:
            pack: the model and what it takes and gives.
            threads: cores for one run, by default all that the process may use.
            provider: what runs the model, see `Session`.
            waiting: most pictures that may wait before more are refused.

        Raises:
            TusouError: INTERNAL_BACKEND, the model does not load.
        """
        self.pack = pack
        self._batcher = Session(pack.model, threads, provider).shared(waiting)

    @property
    def id(self) -> str:
        """The pack, `name@version`."""
        return self.pack.id

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return self.pack.dimension

    def embed(self, picture: Rgb) -> Vector:
        """Return the vector of `picture` [H × W × 3], of any size and aspect.

        Raises:
            TusouError: RECOGNIZE, the model failed on this picture; OVERLOADED, too many
                pictures wait; UNAVAILABLE, closed.
        """
        shown = stack(picture) if self.pack.stacks else picture
        vector = self._batcher.encode(square(shown, self.pack.size, self.pack.stretch))
        if not np.isfinite(vector).all():
            raise TusouError(Problem.RECOGNIZE, "the model gave no vector for this picture")
        return vector

    @property
    def load(self) -> Load:
        """How busy it is."""
        return self._batcher.load

    def try_out(self) -> None:
        """Embed a picture of no importance.

        Raises:
            TusouError: as `embed` does.
        """
        self.embed(np.full((64, 64, 3), GREY, np.uint8))

    def score(self, cosine: float) -> float:
        """Return how alike two pictures are, 0–1, from the cosine of their vectors."""
        return self.pack.calibration.score(cosine)

    def score_all(self, cosines: Sequence[float]) -> list[float]:
        """Return how alike pairs of pictures are, see `score`."""
        return self.pack.calibration.score_all(cosines)

    def close(self) -> None:
        """Stop; requests that wait are answered with UNAVAILABLE."""
        self._batcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def resize(picture: Rgb, width: int, height: int) -> Rgb:
    """Resize without moiré: average over an axis that shrinks, interpolate one that grows."""
    rows, columns = picture.shape[:2]
    shrunk = (min(width, columns), min(height, rows))
    if shrunk != (columns, rows):
        picture = np.asarray(cv2.resize(picture, shrunk, interpolation=cv2.INTER_AREA), np.uint8)
    if shrunk != (width, height):
        # Cubic would overshoot; the model has seen smooth enlargements.
        picture = np.asarray(
            cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8
        )
    return picture


def resize_fast(picture: Rgb, width: int, height: int) -> Rgb:
    """Resize in a fifth of the time: average whole blocks of pixels, interpolate what that gives.

    Models see the same in it: vectors have a cosine of .998 with those by `resize`, and searches
    find as much (docs/decisions.md). What shrinks much more along one axis is left to `resize`.
    """
    rows, columns = picture.shape[:2]
    block = max(1, min(rows // height, columns // width))
    if max(rows / height, columns / width) >= 3 * block:
        return resize(picture, width, height)
    if block > 1:
        down, across = rows // block, columns // block
        picture = resize(picture[: down * block, : across * block], across, down)
    shown = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(shown, np.uint8)


def stack(picture: Rgb) -> Rgb:
    """Cut a strip [H × W × 3] into pieces and lay them side by side, about as wide as long.

    A picture of an aspect below 2.25 stays as it is.
    """
    height, width = picture.shape[:2]
    pieces = round((max(height, width) / min(height, width)) ** 0.5)
    if pieces == 1:
        return picture
    along, across = (0, 1) if height > width else (1, 0)
    length = picture.shape[along] // pieces
    cuts = np.split(picture.take(range(length * pieces), axis=along), pieces, axis=along)
    return np.concatenate(cuts, axis=across)


def square(picture: Rgb, size: int, stretch: float) -> Rgb:
    """Make `picture` a square [S × S × 3] that shows all of it.

    It is distorted by a factor of up to `stretch`; what that leaves open becomes grey margins.
    """
    height, width = picture.shape[:2]
    margin = max(1.0, max(height, width) / min(height, width) / stretch)
    short = max(1, round(size / margin))
    wide, high = (size, short) if width > height else (short, size)
    canvas = np.full((size, size, 3), GREY, np.uint8)
    top, left = (size - high) // 2, (size - wide) // 2
    canvas[top : top + high, left : left + wide] = resize_fast(picture, wide, high)
    return canvas
