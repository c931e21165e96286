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
from tusou.library.duplicates import stars
from tusou.library.library import Library
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.duplicates import Contender
from tusou.storage.items import LibraryRow
from tusou.types import Rgb

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


def pictures(runtime: Runtime, row: LibraryRow):  # type: ignore[no-untyped-def]
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
    return sorted([group.best.brief, *(twin.item.brief for twin in group.others)]
                  for group in found.groups)


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
    for number, (kind, derive) in enumerate(COPIES.items()):
        rgb = fresh()
        add(runtime, row, f"{number}", rgb, 95)
        add(runtime, row, f"{number} {kind}", derive(rgb), 80)
        add(runtime, row, f"stranger {number}", fresh())
        wanted.append({f"{number}", f"{number} {kind}"})
    scan(runtime, row)
    assert list(map(set, grouped(runtime, row))) == wanted
