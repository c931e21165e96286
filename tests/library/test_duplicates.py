"""Pictures that show the same, planted among others: found, decided, beside everything else."""

import threading
from collections.abc import Callable, Iterator
from itertools import count

import cv2
import numpy as np
import pytest

from support.pictures import encoded, scene
from tusou.errors import Problem, TusouError
from tusou.library.comparing import Comparing
from tusou.library.duplicates import Duplicates, stars
from tusou.library.library import Library
from tusou.library.likeness import Comparison
from tusou.library.pictures import Pictures
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.duplicates import Contender, Pairs
from tusou.storage.registry import LibraryRow
from tusou.types import Filter, Rgb

_SEEDS = count(9000)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """Not started: scans are made when a test says so."""
    with Runtime(Settings.load({}, data=tmp_path_factory.mktemp("duplicates"))) as made:
        yield made


@pytest.fixture
def make(runtime: Runtime) -> Callable[[str], LibraryRow]:
    """Makes a library of a new application."""

    def make(service: str) -> LibraryRow:
        app, _ = runtime.apps.create("test", SERVICES)
        return runtime.create_library(app.id, service)

    return make


@pytest.fixture
def row(make: Callable[[str], LibraryRow]) -> LibraryRow:
    return make("same_hq")


def fresh() -> Rgb:
    """A scene that no other test has."""
    return scene(next(_SEEDS))


def opened(runtime: Runtime, row: LibraryRow) -> Library:
    return runtime.catalogue.open(row)


def add(runtime: Runtime, row: LibraryRow, brief: str, rgb: Rgb, quality: int = 90) -> int:
    """Add; returns its number."""
    sign = opened(runtime, row).add(encoded(rgb, "JPEG", quality=quality), brief, (0, 0))
    return pictures(runtime, row).by_sign([sign])[sign].key


def pictures(runtime: Runtime, row: LibraryRow) -> Pictures:
    return runtime.catalogue.pictures(row.app_id, row.service)


def half(rgb: Rgb) -> Rgb:
    return np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def mirror(rgb: Rgb) -> Rgb:
    return np.ascontiguousarray(rgb[:, ::-1])


def scan(runtime: Runtime, row: LibraryRow) -> None:
    runtime.duplicates.ask(row)
    Comparing(runtime.database, runtime.catalogue, runtime.blobs, rest=0).run()
    assert runtime.duplicates.scan(row).state == "done"


def grouped(runtime: Runtime, row: LibraryRow) -> list[list[str]]:
    """Briefs of the groups, the best first."""
    found = runtime.duplicates.page(row, 100)
    return sorted(
        [group.best.brief, *(twin.item.brief for twin in group.others)] for group in found.groups
    )


COPIES: dict[str, Callable[[Rgb], Rgb]] = {
    "half": half,
    "mirror": mirror,
    "turned": lambda rgb: np.ascontiguousarray(np.rot90(rgb)),
    "crop": lambda rgb: np.ascontiguousarray(rgb[:220, 60:330]),
    "lettering": lambda rgb: np.asarray(
        cv2.putText(rgb.copy(), "SALE", (40, 200), cv2.FONT_HERSHEY_DUPLEX, 2, (255, 0, 0), 3)
    ),
    "dark": lambda rgb: (rgb * 0.7).astype(np.uint8),
}


@pytest.mark.parametrize("service", ["same_hq", "similar"])
def test_planted_copies_are_found_and_nothing_else(
    runtime: Runtime, make: Callable[[str], LibraryRow], service: str
) -> None:
    row = make(service)
    wanted = []
    for kinds in (["half", "mirror"], ["turned", "crop"], ["lettering", "dark"]):
        rgb, whole = fresh(), f"whole of {kinds}"
        add(runtime, row, whole, rgb, 95)
        for kind in kinds:
            add(runtime, row, kind, COPIES[kind](rgb), 80)
        wanted.append({whole, *kinds})
    add(runtime, row, "stranger", fresh())
    scan(runtime, row)
    found = list(map(set, grouped(runtime, row)))
    assert len(found) == len(wanted)
    assert all(group in found for group in wanted)


def test_a_group_is_a_star_and_not_a_chain() -> None:
    sizes = {1: 100, 2: 90, 3: 80, 4: 70, 5: 60}
    contenders = {key: Contender(key, pixels, 1, False) for key, pixels in sizes.items()}
    chain = {(1, 2): 1.0, (2, 3): 1.0, (3, 4): 1.0, (4, 5): 1.0}
    found = [(star.best, list(star.others)) for star in stars(chain, contenders)]
    assert found == [(1, [2]), (3, [4])]
    contenders[4] = Contender(4, 70, 1, kept=True)  # somebody would rather keep it
    found = [(star.best, list(star.others)) for star in stars(chain, contenders)]
    assert found == [(4, [3, 5]), (1, [2])]


def test_the_best_has_most_pixels_then_most_bytes_then_came_first() -> None:
    contenders = {
        1: Contender(1, 100, 9, False),
        2: Contender(2, 100, 10, False),
        3: Contender(3, 100, 10, False),
        4: Contender(4, 99, 99, False),
    }
    every = {(one, other): 1.0 for one in contenders for other in contenders if one < other}
    (star,) = stars(every, contenders)
    assert (star.best, list(star.others)) == (2, [3, 1, 4])


def test_a_scan_compares_only_what_came_since_and_goes_on_where_it_stopped(
    runtime: Runtime, row: LibraryRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    honest = Comparison.same_as

    def noting(self: Comparison, key: int) -> dict[int, float]:
        compared.append(key)
        return honest(self, key)

    monkeypatch.setattr(Comparison, "same_as", noting)
    rgb = fresh()
    keys = [add(runtime, row, str(number), fresh()) for number in range(3)]
    keys.append(add(runtime, row, "whole", rgb))
    runtime.duplicates.ask(row)
    stopped = Comparing(runtime.database, runtime.catalogue, runtime.blobs)
    stopped.stop()
    stopped.run()
    assert compared == []  # it was stopped before it began
    broken_off = Comparing(runtime.database, runtime.catalogue, runtime.blobs, rest=1e-9)
    monkeypatch.setattr(broken_off, "_stopping", _Stop(after=2))
    broken_off.run()
    assert (compared, runtime.duplicates.scan(row).state) == (keys[:2], "running")
    scan(runtime, row)
    assert compared == keys
    keys.append(add(runtime, row, "half", half(rgb)))
    assert runtime.duplicates.fresh(row) == 1
    scan(runtime, row)
    assert compared == keys
    assert grouped(runtime, row) == [["whole", "half"]]


class _Stop:
    """Says that it is time to stop after so many waits."""

    def __init__(self, after: int) -> None:
        self._left = after

    def is_set(self) -> bool:
        return False

    def wait(self, _: float) -> bool:
        self._left -= 1
        return self._left == 0


def test_what_is_deleted_leaves_its_group_and_the_next_is_best(
    runtime: Runtime, row: LibraryRow
) -> None:
    rgb = fresh()
    for brief, copy in (("whole", rgb), ("half", half(rgb)), ("mirror", half(mirror(rgb)))):
        add(runtime, row, brief, copy)
    scan(runtime, row)
    ((best, *others),) = grouped(runtime, row)
    assert (best, set(others)) == ("whole", {"half", "mirror"})
    whole = runtime.duplicates.page(row, 1).groups[0].best
    opened(runtime, row).delete((whole.sign,))
    assert set(grouped(runtime, row)[0]) == {"half", "mirror"}
    add(runtime, row, "whole again", rgb)
    scan(runtime, row)
    assert grouped(runtime, row)[0][0] == "whole again"


def test_decisions_outlast_later_scans(runtime: Runtime, row: LibraryRow) -> None:
    rgb = fresh()
    whole = add(runtime, row, "whole", rgb)
    small = add(runtime, row, "half", half(rgb))
    other = add(runtime, row, "mirror", mirror(half(rgb)))
    scan(runtime, row)
    assert runtime.duplicates.keep(row, small).reason == "chosen"
    runtime.duplicates.part(row, whole)
    add(runtime, row, "turned", np.ascontiguousarray(np.rot90(rgb)))
    scan(runtime, row)
    found = runtime.duplicates.page(row, 9).groups
    assert found[0].best.key == small
    assert whole not in {key for group in found if small in group.keys for key in group.keys}
    runtime.duplicates.keep(row, other)  # minds change
    assert runtime.duplicates.group_of(row, small).best.key == other  # type: ignore[union-attr]


def test_adds_deletes_and_a_second_wish_meet_a_scan_under_way(
    runtime: Runtime, row: LibraryRow
) -> None:
    scenes = [fresh() for _ in range(4)]
    keys = [add(runtime, row, f"{n}", rgb) for n, rgb in enumerate(scenes)]
    keys += [add(runtime, row, f"{n} half", half(rgb)) for n, rgb in enumerate(scenes)]
    asked = runtime.duplicates.ask(row)
    comparing = Comparing(runtime.database, runtime.catalogue, runtime.blobs, rest=0)
    work = threading.Thread(target=comparing.run)
    work.start()
    items = pictures(runtime, row)
    for key in (keys[0], keys[5]):  # of two pairs the whole, and the half
        opened(runtime, row).delete_found((items.describe(key).sign,))
    add(runtime, row, "2 mirror", mirror(half(scenes[2])))
    again = runtime.duplicates.ask(row)
    work.join()
    # Either it was still under way, and goes on; or it is over, and the next waits.
    assert again.until >= asked.until
    scan(runtime, row)
    assert list(map(set, grouped(runtime, row))) == [
        {"2", "2 half", "2 mirror"},
        {"3", "3 half"},
    ]


def test_two_who_ask_at_once_get_one_scan(runtime: Runtime, row: LibraryRow) -> None:
    add(runtime, row, "whole", fresh())
    start = threading.Barrier(4)
    asked: list[int] = []

    def ask() -> None:
        start.wait()
        asked.append(runtime.duplicates.ask(row).total)

    people = [threading.Thread(target=ask) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert asked == [1] * 4
    scan(runtime, row)
    assert runtime.duplicates.scan(row).done == 1


@pytest.mark.parametrize(("service", "groups"), [("same_hq", 1), ("similar", 0)])
def test_where_no_file_was_kept_only_stored_keypoints_count(
    tmp_path_factory: pytest.TempPathFactory, service: str, groups: int
) -> None:
    data = tmp_path_factory.mktemp("bare")
    with Runtime(Settings.load({"TUSOU_STORE_ORIGINALS": "false"}, data=data)) as runtime:
        app, _ = runtime.apps.create("test", SERVICES)
        row = runtime.create_library(app.id, service)
        rgb = fresh()
        add(runtime, row, "whole", rgb)
        add(runtime, row, "again", rgb, 85)
        add(runtime, row, "stranger", fresh())
        scan(runtime, row)
        assert grouped(runtime, row) == [["whole", "again"]][:groups]


def test_what_is_in_no_group_cannot_be_decided(runtime: Runtime, row: LibraryRow) -> None:
    key = add(runtime, row, "alone", fresh())
    scan(runtime, row)
    for decide in (runtime.duplicates.keep, runtime.duplicates.part):
        with pytest.raises(TusouError) as caught:
            decide(row, key)
        assert caught.value.problem is Problem.ITEM_MISSING


def test_a_released_library_takes_its_groups_and_scan_with_it(
    runtime: Runtime, row: LibraryRow
) -> None:
    rgb = fresh()
    add(runtime, row, "whole", rgb)
    key = add(runtime, row, "half", half(rgb))
    scan(runtime, row)
    runtime.duplicates.keep(row, key)
    runtime.bulk.ask(row, "release", Filter())
    runtime.bulk.run()
    again = runtime.create_library(row.app_id, row.service)
    assert runtime.duplicates.scan(again).state == "none"
    assert runtime.duplicates.page(again, 9).total == 0
    assert Pairs(runtime.database, row.id).same() == {}


def test_a_picture_that_cannot_be_compared_is_passed_over(
    runtime: Runtime, row: LibraryRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Comparison.same_as
    rgb = fresh()
    bad = add(runtime, row, "bad", fresh())
    add(runtime, row, "whole", rgb)
    add(runtime, row, "half", half(rgb))

    def stumbling(self: Comparison, key: int) -> dict[int, float]:
        if key == bad:
            raise ZeroDivisionError
        return honest(self, key)

    monkeypatch.setattr(Comparison, "same_as", stumbling)
    scan(runtime, row)
    assert grouped(runtime, row) == [["whole", "half"]]


def test_a_scan_whose_library_cannot_be_opened_says_why_and_is_tried_again(
    runtime: Runtime, row: LibraryRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(runtime, row, "whole", fresh())
    runtime.duplicates.ask(row)
    away = TusouError(Problem.UNAVAILABLE, "the model pack is not installed")

    def refuse(_: LibraryRow) -> Library:
        raise away

    with monkeypatch.context() as patch:
        patch.setattr(runtime.catalogue, "open", refuse)
        Comparing(runtime.database, runtime.catalogue, runtime.blobs).run()
        held = runtime.duplicates.scan(row)
        assert held.is_open
        assert "not installed" in held.problem
    scan(runtime, row)
    assert runtime.duplicates.scan(row).problem == ""


def test_groups_of_one_who_looked_before_are_those_of_one_who_did_not(
    runtime: Runtime, row: LibraryRow
) -> None:
    """What is remembered between looks is forgotten with every change."""
    rgb = fresh()
    keys = [add(runtime, row, "whole", rgb), add(runtime, row, "half", half(rgb))]
    keys.append(add(runtime, row, "mirror", mirror(rgb)))

    def check() -> list[list[str]]:
        mine = grouped(runtime, row)
        other = Duplicates(runtime.database).page(row, 9)
        assert len(other.groups) == len(mine)
        assert [[g.best.key, *(t.item.key for t in g.others)] for g in other.groups] == [
            g.keys for g in runtime.duplicates.page(row, 9).groups
        ]
        return mine

    assert check() == []
    scan(runtime, row)
    assert check()[0][0] == "whole"
    runtime.duplicates.keep(row, keys[1])
    assert check()[0][0] == "half"
    runtime.duplicates.part(row, keys[2])
    assert check() == [["half", "whole"]]
    opened(runtime, row).delete((pictures(runtime, row).describe(keys[0]).sign,))
    assert check() == []
