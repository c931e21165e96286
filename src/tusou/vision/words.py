"""Visual words: each local feature becomes the number of the nearest of 32,768 typical features.

Pictures that share many words may show the same thing; a signature tells, within a word, which
features are close. `training/train_vocabulary.py` made the vocabulary.
"""

from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tusou.types import Words
from tusou.vision import keypoints

COUNT: Final = 32_768
"""Words in the vocabulary; a word is a number below it."""
BITS: Final = 32
"""Bits of a signature."""
TOLERANCE: Final = 12
"""Bits that may differ between two views of one feature."""
SPREAD: Final = 6.0
"""Differing bits at which a match's weight is 1/e of that of equal signatures."""
BEAM: Final = 12
"""Cells of the vocabulary, of 256, that are looked into for a feature."""
FRACTION: Final = 16
"""The bundled numbers are in 16ths of the distance between two levels of a stored descriptor."""
BATCH: Final = 2048
"""Features that are compared at a time, which bounds the memory (12 MiB)."""


class Vocabulary(NamedTuple):
    """Words in cells: a feature is compared with all cells, then with the best cells' words."""

    cells: NDArray[np.float32]
    """[C × 64]"""
    words: NDArray[np.float32]
    """[C × W × 64]"""
    squares: NDArray[np.float32]
    """[C × W] half the squared lengths of words."""

    @classmethod
    def of(cls, cells: NDArray[np.float32], words: NDArray[np.float32]) -> Self:
        """Cells and words, and what need not be computed for each picture."""
        return cls(cells, words, np.einsum("cwd,cwd->cw", words, words) / 2)


@cache
def vocabulary() -> Vocabulary:
    """Read the bundled vocabulary once."""
    source = resources.files("tusou.vision") / "models" / "vocabulary.npz"
    units = keypoints.projection().steps / FRACTION
    with source.open("rb") as file, np.load(file) as arrays:
        return Vocabulary.of(arrays["cells"] * units, arrays["words"] * units)


def assign(descriptors: NDArray[np.float32]) -> Words:
    """Give each descriptor [N × 64] its nearest word, and a signature within it.

    The same descriptor always gets the same word, whatever stands beside it.
    """
    starts = range(0, len(descriptors), BATCH)
    batches = [nearest(vocabulary(), descriptors[start : start + BATCH]) for start in starts]
    numbers = np.concatenate([np.empty(0, np.intp), *batches])
    return Words(numbers.astype(np.uint16), signatures(descriptors, numbers))


def nearest(
    vocabulary: Vocabulary, descriptors: NDArray[np.float32], beam: int = BEAM
) -> NDArray[np.intp]:
    """Return the nearest word [N] in the `beam` nearest cells."""
    cells, words, squares = vocabulary
    gains = descriptors @ cells.T - np.einsum("cd,cd->c", cells, cells) / 2
    chosen = np.argpartition(-gains, beam - 1, axis=1)[:, :beam]
    # Sorted by cell, so that what meets a cell's words lies together; 16 bits sort fastest.
    order = np.argsort(chosen.astype(np.uint16), axis=None, kind="stable")
    bounds = np.searchsorted(chosen.ravel()[order], np.arange(len(cells) + 1)).tolist()
    rows = descriptors[order // beam]
    scores = np.empty((len(rows), words.shape[1]), np.float32)
    for cell, (start, end) in enumerate(pairwise(bounds)):
        if start < end:
            np.matmul(rows[start:end], words[cell].T, out=scores[start:end])
            scores[start:end] -= squares[cell]
    places = np.empty(len(order), np.intp)
    places[order] = scores.argmax(axis=1)
    highest = np.empty(len(order), np.float32)
    highest[order] = scores.max(axis=1)
    best = np.arange(len(chosen)), highest.reshape(-1, beam).argmax(axis=1)
    return np.asarray(chosen[best] * words.shape[1] + places.reshape(-1, beam)[best])


def signatures(descriptors: NDArray[np.float32], words: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Tell on which side of its word [N] a descriptor [N × 64] lies.

    Returns:
        [N] numbers of `BITS` bits; `affinities` says what two of one word are worth
        (Hamming embedding: Jégou, Douze and Schmid 2008).
    """
    centres = vocabulary().words.reshape(COUNT, -1)[words, :BITS]
    bits = np.packbits(descriptors[:, :BITS] > centres, axis=1)
    return bits.view("<u4")[:, 0].astype(np.uint32)


def affinities() -> NDArray[np.float32]:
    """Give the weight of a match [`BITS` + 1] by how many bits of the signatures differ."""
    differing = np.arange(BITS + 1)
    weights = np.exp(-((differing / SPREAD) ** 2))
    return np.where(differing <= TOLERANCE, weights, 0).astype(np.float32)
