"""Pictures of a library that show the same: groups around their best, and what people decide.

Groups are made from pairs when they are looked at, so that they are true whatever was added,
deleted or decided meanwhile. Each is a star: every member was found to show the same as its best.
Chains are not followed, for at the end of a chain is another picture.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from tusou.errors import Problem, TusouError
from tusou.storage.database import Also, Database
from tusou.storage.duplicates import Contender, Mark, Pair, Pairs, Scans, pair
from tusou.storage.duplicates import Scan as Scan  # for those who ask
from tusou.storage.listing import Listing
from tusou.storage.registry import LibraryRow
from tusou.types import Filter, Item

Reason = Literal["chosen", "larger", "heavier", "older"]
"""Why a picture is the best of its group: somebody said so; it has more pixels than any other;
of those with as many, its file has the most bytes; it was added first."""


class Twin(NamedTuple):
    """A picture that shows the same as the best of its group."""

    item: Item
    score: float
    """How sure that is, 0–1."""


class Group(NamedTuple):
    """Pictures that show the same."""

    best: Item
    reason: Reason
    others: list[Twin]
    """In the order in which they would come best."""

    @property
    def keys(self) -> list[int]:
        """The numbers of all, the best first."""
        return [self.best.key, *(twin.item.key for twin in self.others)]


class Groups(NamedTuple):
    """A page of groups."""

    groups: list[Group]
    next: int | None
    """Where the next page begins; None: this is the last."""
    total: int
    """Groups of all pages."""
    spare: int
    """Pictures that would go if only the best stayed."""


class Star(NamedTuple):
    """A group before its pictures are described: numbers, the best first."""

    best: int
    others: dict[int, float]


class Duplicates:
    """Groups and decisions of all libraries; needs no index and no model."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._scans = Scans(database)
        self._known: dict[int, tuple[Mark, list[Star]]] = {}

    def scan(self, library: LibraryRow) -> Scan:
        """How far a library was looked through."""
        return self._scans.get(library.id)

    def ask(self, library: LibraryRow, also: Also = lambda _: None) -> Scan:
        """Have the pictures compared that were not yet; a scan that is under way goes on."""
        return self._scans.ask(library.id, also)

    def fresh(self, library: LibraryRow) -> int:
        """How many pictures no scan has compared yet."""
        return self._scans.fresh(library.id)

    def page(self, library: LibraryRow, count: int, after: int | None = None) -> Groups:
        """Up to `count` groups, those of the newest best pictures first.

        Args:
            library: Whose.
            count: How many.
            after: Where the last page said that this one begins.
        """
        pairs = Pairs(self._database, library.id)
        found = self._stars(library, pairs)
        rest = [star for star in found if after is None or star.best < after]
        shown = rest[:count]
        groups = self._described(library, pairs, shown)
        following = shown[-1].best if len(rest) > count else None
        return Groups(groups, following, len(found), sum(len(star.others) for star in found))

    def group_of(self, library: LibraryRow, key: int) -> Group | None:
        """The group that a picture is in."""
        pairs = Pairs(self._database, library.id)
        star = _star_of(pairs, key)
        groups = [] if star is None else self._described(library, pairs, [star])
        return groups[0] if groups else None

    def keep(self, library: LibraryRow, key: int, also: Also = lambda _: None) -> Group:
        """Say which picture of its group is the one to keep.

        Raises:
            TusouError: ITEM_MISSING, it is in no group.
        """
        others = [other for other in self._group(library, key).keys if other != key]
        Pairs(self._database, library.id).keep(key, others, also)
        return self._group(library, key)

    def part(
        self,
        library: LibraryRow,
        key: int,
        others: Sequence[int] | None = None,
        also: Also = lambda _: None,
    ) -> None:
        """Say that a picture does not show the same as others, by default all of its group.

        They are never grouped again.

        Raises:
            TusouError: ITEM_MISSING, it is in no group, or one of the others is not in it.
        """
        meant = self._others(library, key, others)
        Pairs(self._database, library.id).part([pair(key, other) for other in meant], also)

    def others(self, library: LibraryRow, key: int, wanted: Sequence[int]) -> list[Item]:
        """The pictures to delete so that of a group one stays; all must be of its group.

        Raises:
            TusouError: ITEM_MISSING, they are not, or no longer.
        """
        meant = self._others(library, key, wanted)
        return Listing(self._database, library.id).page(Filter(keys=tuple(meant)), len(meant))

    def _stars(self, library: LibraryRow, pairs: Pairs) -> list[Star]:
        """All groups, those of the newest best pictures first; made anew only after a change."""
        mark = pairs.mark()  # before the pairs are read: what changes meanwhile is seen next time
        known = self._known.get(library.id)
        if known is None or known[0] != mark:
            found = stars(*_pairs_and_contenders(pairs))
            known = mark, sorted(found, key=lambda star: -star.best)
            self._known[library.id] = known
        return known[1]

    def _others(self, library: LibraryRow, key: int, wanted: Sequence[int] | None) -> Sequence[int]:
        there = {other for other in self._group(library, key).keys if other != key}
        strangers = set(wanted or ()) - there
        if strangers:
            raise TusouError(
                Problem.ITEM_MISSING, f"picture {min(strangers)} is not in the group of {key}"
            )
        return sorted(there if wanted is None else set(wanted))

    def _group(self, library: LibraryRow, key: int) -> Group:
        group = self.group_of(library, key)
        if group is None:
            raise TusouError(Problem.ITEM_MISSING, f"picture {key} is in no group of duplicates")
        return group

    def _described(self, library: LibraryRow, pairs: Pairs, found: Sequence[Star]) -> list[Group]:
        keys = [key for star in found for key in (star.best, *star.others)]
        listed = Listing(self._database, library.id).page(Filter(keys=tuple(keys)), len(keys) + 1)
        items = {item.key: item for item in listed}
        contenders = pairs.contenders(keys)
        groups = []
        for star in found:
            twins = [Twin(items[key], score) for key, score in star.others.items() if key in items]
            if star.best in items and twins:  # others were deleted at this moment
                keys = [star.best, *(twin.item.key for twin in twins)]
                reason = _reason([contenders[key] for key in keys if key in contenders])
                groups.append(Group(items[star.best], reason, twins))
        return groups


def stars(pairs: Mapping[Pair, float], contenders: Mapping[int, Contender]) -> list[Star]:
    """Group pictures: the best of all takes those that match it, then the best that is left."""
    near = defaultdict[int, dict[int, float]](dict)
    for (one, other), score in pairs.items():
        if one in contenders and other in contenders:
            near[one][other] = near[other][one] = score
    order = sorted(near, key=lambda key: _merit(contenders[key]))
    places = {key: place for place, key in enumerate(order)}
    left, found = set(order), list[Star]()
    for key in order:
        if key in left:
            others = sorted(near[key].keys() & left, key=places.__getitem__)
            left -= {key, *others}
            if others:
                found.append(Star(key, {other: near[key][other] for other in others}))
    return found


def _merit(picture: Contender) -> tuple[bool, int, int, int]:
    """Sorts the best first."""
    return not picture.kept, -picture.pixels, -picture.length, picture.key


def _reason(pictures: Sequence[Contender]) -> Reason:
    """Why the first is the best."""
    best, *others = pictures
    if best.kept:
        return "chosen"
    if all(best.pixels > other.pixels for other in others):
        return "larger"
    if all((best.pixels, best.length) > (other.pixels, other.length) for other in others):
        return "heavier"
    return "older"


def _pairs_and_contenders(
    pairs: Pairs, of: Iterable[int] | None = None
) -> tuple[dict[Pair, float], dict[int, Contender]]:
    found = pairs.same() if of is None else _connected(pairs, of)
    return found, pairs.contenders({key for both in found for key in both})


def _star_of(pairs: Pairs, key: int) -> Star | None:
    """The star of a picture: only what is connected with it needs to be looked at."""
    found = stars(*_pairs_and_contenders(pairs, [key]))
    return next((star for star in found if key == star.best or key in star.others), None)


def _connected(pairs: Pairs, keys: Iterable[int]) -> dict[Pair, float]:
    found: dict[Pair, float] = {}
    fresh, known = set(keys), set[int]()
    while fresh:
        found |= pairs.same(sorted(fresh))
        known |= fresh
        fresh = {key for both in found for key in both} - known
    return found
