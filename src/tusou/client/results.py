"""What the native interface answers, as frozen values.

Each is made from the JSON object of its answer; fields that a newer server adds are passed over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

Facts = Mapping[str, Any]
Point = tuple[float, float]
"""x, y in pixels."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library."""

    service: str
    name: str
    """In Chinese."""
    finds: str
    size: int
    """Pictures in it."""
    capacity: int
    pack: str
    """The model pack that pictures are seen by."""
    created: datetime
    class_fields: tuple[str, ...]
    """How classes are given: `tags`, or `class_id1` and `class_id2`."""
    explains: bool
    """Whether it can show what two pictures have in common."""
    most_results: int

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(
            service=facts["service"],
            name=facts["name"],
            finds=facts["finds"],
            size=facts["size"],
            capacity=facts["capacity"],
            pack=facts["pack"],
            created=datetime.fromisoformat(facts["created"]),
            class_fields=tuple(facts["class_fields"]),
            explains=facts["explains"],
            most_results=facts["most_results"],
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A library, or more room in one, that an operator has to grant first."""

    service: str
    capacity: int
    """What it will have then."""

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(facts["service"], facts["capacity"])


@dataclass(frozen=True, slots=True)
class Called:
    """How often something was called in 30 days."""

    calls: int
    last: datetime | None

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from a part of an answer."""
        return cls(facts["calls"], moment(facts["last"]))


@dataclass(frozen=True, slots=True)
class Stats:
    """A library in figures."""

    service: str
    pack: str
    capacity: int
    pictures: int
    bytes: int
    """Of the pictures' files."""
    first_added: datetime | None
    last_added: datetime | None
    classes: Mapping[str, Mapping[int, int]]
    """Pictures by class, for each field that classes are given in."""
    calls: Mapping[str, Called]
    """By kind: add, search, delete, update."""

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(
            service=facts["service"],
            pack=facts["pack"],
            capacity=facts["capacity"],
            pictures=facts["pictures"],
            bytes=facts["bytes"],
            first_added=moment(facts["first_added"]),
            last_added=moment(facts["last_added"]),
            classes={
                field: {int(number): count for number, count in counts.items()}
                for field, counts in facts["classes"].items()
            },
            calls={kind: Called.read(row) for kind, row in facts["calls"].items()},
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored picture."""

    id: int
    cont_sign: str
    brief: str
    classes: tuple[int, int]
    """0 where there is none."""
    width: int
    height: int
    bytes: int
    media_type: str
    created: datetime
    updated: datetime
    has_file: bool
    """Whether the original and a thumbnail were kept."""

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        first, second = facts["classes"]
        return cls(
            id=facts["id"],
            cont_sign=facts["cont_sign"],
            brief=facts["brief"],
            classes=(first, second),
            width=facts["width"],
            height=facts["height"],
            bytes=facts["bytes"],
            media_type=facts["media_type"],
            created=datetime.fromisoformat(facts["created"]),
            updated=datetime.fromisoformat(facts["updated"]),
            has_file=facts["has_file"],
        )


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a library has a picture; true if it has."""

    cont_sign: str
    """Of the picture, whether it is there or not."""
    picture: Picture | None
    """As it is stored; None: it is not there."""

    def __bool__(self) -> bool:
        return self.picture is not None

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        there = facts["picture"]
        return cls(facts["cont_sign"], None if there is None else Picture.read(there))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list of pictures."""

    pictures: Sequence[Picture]
    next: str | None
    """The cursor of the page after it; None: this is the last."""

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(tuple(map(Picture.read, facts["pictures"])), facts["next"])


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that a search found."""

    score: float
    """0–1."""
    picture: Picture

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from a part of an answer."""
        return cls(facts["score"], Picture.read(facts))


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing that the searched picture is about, in its pixels."""

    left: int
    top: int
    width: int
    height: int
    share: float
    """How much of the picture it takes, 0–1."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; going through it goes through the hits."""

    hits: Sequence[Hit]
    """By falling score."""
    has_more: bool
    log_id: int
    """For `report` of the compatible interface."""
    subjects: Sequence[Subject] | None
    """Of the searched picture; None where the service looks for none."""
    next: str | None = None
    """The cursor of the page after it; None: this is the last."""

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        boxes = facts.get("subjects")
        return cls(
            hits=tuple(map(Hit.read, facts["results"])),
            has_more=facts["has_more"],
            log_id=facts["log_id"],
            subjects=None if boxes is None else tuple(map(_subject, boxes)),
            next=facts.get("next"),
        )


@dataclass(frozen=True, slots=True)
class Match:
    """Where a picture and a stored one agree."""

    score: float
    homography: tuple[tuple[float, ...], ...]
    """[3 × 3] pixels of the query → pixels of the stored picture."""
    query_points: Sequence[Point]
    """Points that agree, in pixels of the query."""
    stored_points: Sequence[Point]
    """The same points in pixels of the stored picture."""
    query_overlap: float
    """Share of the query that lies in the stored picture, 0–1."""
    stored_overlap: float
    """Share of the stored picture that lies in the query, 0–1."""
    mirrored: bool

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(
            score=facts["score"],
            homography=tuple(map(tuple, facts["homography"])),
            query_points=tuple((x, y) for x, y in facts["query_points"]),
            stored_points=tuple((x, y) for x, y in facts["stored_points"]),
            query_overlap=facts["query_overlap"],
            stored_overlap=facts["stored_overlap"],
            mirrored=facts["mirrored"],
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two pictures are."""

    score: float
    """0–1, as a search would give it."""
    match: Match | None
    """Where they agree; None where they don't, or the service compares whole pictures."""

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        found = facts["match"]
        return cls(facts["score"], None if found is None else Match.read(found))


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of where two pictures agree."""

    png: bytes = field(repr=False)
    score: float
    """0–1; 0: they do not."""


def moment(text: str | None) -> datetime | None:
    """A time as answers tell it, where there is one."""
    return None if text is None else datetime.fromisoformat(text)


def _subject(facts: Facts) -> Subject:
    return Subject(facts["left"], facts["top"], facts["width"], facts["height"], facts["share"])
