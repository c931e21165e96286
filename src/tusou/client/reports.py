"""What the native interface tells of its work in the background, as frozen values.

Made as those of `results` are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from tusou.client.results import Facts, Hit, Picture, moment

_GOES_ON = ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Task:
    """Something that takes long: an import, an export, a change of many pictures."""

    id: int
    kind: str
    """import, export, delete, retag, release, rebuild or move."""
    state: str
    """waiting, running, done, canceled or failed."""
    done: int
    """Pictures that it is through with."""
    total: int
    failed: int
    """Pictures of which nothing came; `task_errors` tells of an import's."""
    problem: str | None
    """Why it failed."""
    asked: datetime
    began: datetime | None
    ended: datetime | None
    has_file: bool
    """Whether there is one to `download`."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens: it is done, canceled or failed."""
        return self.state not in _GOES_ON

    def released(self) -> Self:
        """A release that is done, of which nobody tells any more as the library is gone."""
        return replace(self, state="done")

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer, or from what a webhook was sent."""
        return cls(
            id=facts["id"],
            kind=facts["kind"],
            state=facts["state"],
            done=facts["done"],
            total=facts["total"],
            failed=facts["failed"],
            problem=facts["problem"],
            asked=datetime.fromisoformat(facts["asked"]),
            began=moment(facts["began"]),
            ended=moment(facts["ended"]),
            has_file=facts["has_file"],
        )


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of a library's tasks."""

    tasks: Sequence[Task]
    next: str | None
    """The cursor of the page after it; None: this is the last."""

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(tuple(map(Task.read, facts["tasks"])), facts["next"])


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A picture that an import did not take."""

    picture: str
    """Its path or address, or which row it was."""
    reason: str

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from a line."""
        return cls(facts["picture"], facts["reason"])


@dataclass(frozen=True, slots=True)
class Scan:
    """How far a library was looked through for duplicates."""

    state: str
    """none (nobody has asked for one), waiting, running or done."""
    total: int
    done: int
    not_compared: int
    """Pictures that no scan has compared yet."""
    asked: datetime | None
    ended: datetime | None
    problem: str | None
    """Why it does not go on just now; the server tries again."""

    @property
    def is_over(self) -> bool:
        """Whether none is under way."""
        return self.state not in _GOES_ON

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        return cls(
            state=facts["state"],
            total=facts["total"],
            done=facts["done"],
            not_compared=facts["not_compared"],
            asked=moment(facts["asked"]),
            ended=moment(facts["ended"]),
            problem=facts["problem"],
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that show the same."""

    best: Picture
    reason: str
    """Why it is the best."""
    others: Sequence[Hit]
    """How like the best each is."""

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        best, others = Picture.read(facts["best"]), tuple(map(Hit.read, facts["others"]))
        return cls(best, facts["reason"], others)


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A page of groups."""

    groups: Sequence[Group]
    next: str | None
    """The cursor of the page after it; None: this is the last."""
    total: int
    """Groups in all."""
    spare: int
    """Pictures in all that are not the best of their group."""

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    @classmethod
    def read(cls, facts: Facts) -> Self:
        """Make it from an answer."""
        groups = tuple(map(Group.read, facts["groups"]))
        return cls(groups, facts["next"], facts["total"], facts["spare"])
