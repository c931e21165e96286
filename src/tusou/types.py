"""The nouns that every layer shares: pictures, signs, classes, features, hits."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, NewType, Self

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""[H × W × 3] red, green, blue, 0–255."""
Vector = NDArray[np.float32]
"""[D] of unit length."""
Vectors = NDArray[np.float32]
"""[N × D] rows of unit length."""
Keys = NDArray[np.int64]
"""[N] numbers of stored pictures (SQL item ids)."""
Classes = NDArray[np.uint16]
"""[N × 2] class ids of stored pictures, 0 where there is none."""


UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that terminals and pages obey and do not show: control sequences, ends of lines,
writing backwards, halves of characters."""


class Words(NamedTuple):
    """Visual words of one picture, one for each local feature."""

    numbers: NDArray[np.uint16]
    """[W] below the size of the vocabulary."""
    signatures: NDArray[np.uint32]
    """[W] where in its word a feature lies: few bits differ between near ones."""

    @classmethod
    def join(cls, parts: Iterable[Self]) -> Self:
        """Put words one after the other."""
        pairs = [(np.empty(0, np.uint16), np.empty(0, np.uint32)), *parts]
        return cls(*map(np.concatenate, zip(*pairs, strict=True)))


Url = NewType("Url", str)
"""Where a picture can be fetched."""


class ContSign(NamedTuple):
    """A picture's signature: two unsigned 32-bit numbers taken from its decoded pixels."""

    high: int
    low: int

    def __str__(self) -> str:
        return f"{self.high},{self.low}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `"a,b"`.

        Raises:
            ValueError: the text is not two unsigned 32-bit numbers.
        """
        match = re.fullmatch(r"\s*(\d{1,10})\s*,\s*(\d{1,10})\s*", text, re.ASCII)
        if match is None or not all(int(part) < 1 << 32 for part in match.groups()):
            raise ValueError(f"{text[:40]!r} is not two unsigned 32-bit numbers a,b")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def from_int(cls, number: int) -> Self:
        """Undo `int`; takes the signed 64-bit number that SQL keeps."""
        return cls(number >> 32 & 0xFFFFFFFF, number & 0xFFFFFFFF)

    def __int__(self) -> int:
        """The sign as one signed 64-bit number, which every SQL database can hold."""
        number = self.high << 32 | self.low
        return number - (1 << 64) if number >> 63 else number


Source = bytes | Url | tuple[ContSign, ...]
"""How a caller names a picture: its file, where to fetch it, or signs of stored ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture, upright, without transparency."""

    rgb: Rgb
    sign: ContSign
    data: bytes
    """The file as it came."""
    media_type: str
    """`image/jpeg`, `image/png` or `image/bmp`."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.rgb.shape[0])


class ClassTerm(NamedTuple):
    """One condition on a picture's classes."""

    value: int
    dimension: Literal[0, 1] | None
    """Which of the two classes must be `value`; None: either may."""


@dataclass(frozen=True, slots=True)
class ClassFilter:
    """Conditions on a picture's two classes, all of which must hold, or any."""

    terms: tuple[ClassTerm, ...]
    match: Literal["all", "any"] = "all"

    def mask(self, classes: Classes) -> NDArray[np.bool_]:
        """Tell which rows of `classes` [N × 2] pass: [N] booleans."""
        rows = [
            (classes == term.value).any(axis=1)
            if term.dimension is None
            else classes[:, term.dimension] == term.value
            for term in self.terms
        ]
        combine = np.logical_and if self.match == "all" else np.logical_or
        return np.asarray(combine.reduce(rows), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which pictures of a library are meant; all conditions must hold, none means all."""

    brief: str = ""
    """Words of which each is part of the brief; for ASCII letters, capitals are no difference."""
    classes: ClassFilter | None = None
    sign: ContSign | None = None
    keys: tuple[int, ...] | None = None
    """Only these numbers."""
    without: tuple[int, ...] = ()
    """Not these numbers."""
    expression: str = ""
    """And what this says; see `expressions`."""

    @property
    def is_all(self) -> bool:
        """Whether every picture is meant."""
        return self == Filter()


class Item(NamedTuple):
    """What is known of a stored picture, its features aside."""

    key: int
    sign: ContSign
    brief: str
    classes: tuple[int, int]
    blob: str
    """Name in the blob store; empty: the file was not kept."""
    media_type: str
    length: int
    """Bytes of the file."""
    width: int
    height: int
    created: int
    updated: int


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """Local features of one picture, strongest first."""

    points: NDArray[np.float32]
    """[N × 2] x, y in pixels of the original picture."""
    scales: NDArray[np.float32]
    """[N] in pixels of the original picture."""
    angles: NDArray[np.float32]
    """[N] radians, from the x axis towards the y axis, which points down."""
    descriptors: NDArray[np.float32]
    """[N × 64] RootSIFT on principal axes, near when alike; see `vision.keypoints`."""
    size: tuple[int, int]
    """Width and height of the original picture."""

    def __len__(self) -> int:
        return len(self.points)


class Sketch(NamedTuple):
    """A whole picture at a glance; see `vision.sketch`."""

    grey: NDArray[np.uint8]
    """[32 × 32]"""
    tints: NDArray[np.int8]
    """[4 × 4 × 3] how far red, green and blue lie from grey, in steps of two levels."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing that a picture is about, in pixels of it."""

    left: int
    top: int
    right: int
    """The first column beyond it."""
    bottom: int
    """The first row beyond it."""
    share: float
    """How much of the picture it takes, what stands out less counting less, 0–1."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What a pipeline keeps of a picture."""

    vector: Vector
    keypoints: Keypoints | None = None
    words: Words | None = None
    """One for each keypoint."""
    sketch: Sketch | None = None
    subjects: Sequence[Subject] | None = None
    """The most salient first; None where none were looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What two pictures have in common."""

    homography: NDArray[np.float64]
    """[3 × 3] pixels of the query → pixels of the stored picture."""
    query_points: NDArray[np.float32]
    """[M × 2] x, y of the confirmed points in pixels of the query."""
    stored_points: NDArray[np.float32]
    """[M × 2] x, y of the same points in pixels of the stored picture."""
    query_overlap: float
    """Share of the query's area that lies in the stored picture, 0–1."""
    stored_overlap: float
    """Share of the stored picture's area that lies in the query, 0–1."""
    mirrored: bool
    """One is a mirror image of the other."""
    score: float
    """.5–1; 1 for the identical picture, .5 for as likely as not the same."""


class Region(NamedTuple):
    """A rectangle in pixels of a picture that stands upright."""

    left: int
    top: int
    width: int
    height: int


class Hit(NamedTuple):
    """One search result."""

    sign: ContSign
    score: float
    """0–1."""
    brief: str
    key: int = 0
    """The picture's number."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of search results, by falling score."""

    hits: Sequence[Hit]
    has_more: bool
    subjects: Sequence[Subject] | None = None
    """Of the query, the most salient first; None where the service looks for none."""
    end: int = 0
    """How many come before the next page."""
