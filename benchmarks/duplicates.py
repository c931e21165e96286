"""Planted copies, found as duplicates: precision and recall of the groups that a scan makes.

    scripts/bench duplicates --data /tmp/duplicates --show /tmp/duplicates.png

300 copies (crops, reductions, re-encodings, rotations, mirror images, lettering), two of each of
150 pictures, in a library of 5,000 of `shared/datasets/pool`. A pair is right if both come from one
picture. The pool has copies of its own: pairs that somebody looked at and found to be one picture
are in `duplicates.seen.txt` and count neither way; all others count as wrong. With --data the
library is kept: another run adds and deletes only what its draw has and has not, and compares only
what was not compared yet, unless --afresh.
"""

import argparse
import io
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sqlalchemy import delete

from copies import KINDS, choose, encode, read
from support.pictures import SHARED
from tusou.errors import Problem, TusouError
from tusou.images.decode import enlarge
from tusou.library.comparing import Comparing
from tusou.runtime import Runtime
from tusou.settings import Settings
from tusou.storage.items import Items
from tusou.storage.registry import LibraryRow
from tusou.storage.tables import same_pairs, scans
from tusou.types import Filter

PLANTED = (
    "crop to 50 %",
    "crop to 30 %",
    "half size",
    "quarter size",
    "JPEG 50",
    "JPEG 20",
    "rotation 5°",
    "rotation 30°",
    "rotation 90°",
    "rotation 180°",
    "mirror",
    "text and logo",
)
TILES = "game_textures/"
"""Tiles for the grounds of games: several are painted over one, so what is the same is moot."""
SEEN = Path(__file__).with_suffix(".seen.txt")
SIDE = 240

Pair = frozenset[str]
"""Briefs of two pictures."""


class Planted(NamedTuple):
    """A picture that goes into the library."""

    brief: str
    """`KIND of PATH`, or the path alone."""
    encoded: Callable[[], bytes]


class Score(NamedTuple):
    """How the pairs of a service's groups compare with those that were planted."""

    planted: set[Pair]
    right: set[Pair]
    wrong: set[Pair]
    seen: set[Pair]
    """Pairs of the pool's own copies."""

    @property
    def row(self) -> str:
        """Figures of a table."""
        tiles = {both for both in self.wrong if all(TILES in brief for brief in both)}
        right, wrong = len(self.right), len(self.wrong - tiles)
        recall = right / max(1, len(self.planted))
        return (
            f"{len(self.planted)} | {recall:.4f} | {right / max(1, right + wrong):.4f} | {wrong} "
            f"| {right / max(1, right + wrong + len(tiles)):.4f} | {len(tiles)} | {len(self.seen)}"
        )


def main() -> None:
    """Fill, scan, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", nargs="+", default=["same_hq", "similar", "product"])
    parser.add_argument("--copies", type=int, default=300)
    parser.add_argument("--pictures", type=int, default=5000, help="copies included")
    parser.add_argument("--draw", type=int, default=0, help="another number: copies of others")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    parser.add_argument(
        "--embedding", action="store_true", help="no scan: what an embedding alone would find"
    )
    parser.add_argument("--data", type=Path, help="folder to keep the libraries in")
    parser.add_argument("--afresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--show", type=Path, help="write a sheet of the pairs that count as wrong")
    parser.add_argument("--list", action="store_true", help="print them, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = options.data or Path(temporary) / "data"
        with Runtime(Settings.load({}, data=data)) as runtime:
            rows = libraries(runtime, options.services)
            made = partial(
                gallery, options.datasets, options.copies, options.pictures, options.draw
            )
            for row in rows:
                fill(runtime, row, list(made()))
                if options.afresh:
                    forget(runtime, row)
            if options.embedding:
                for row in rows:
                    tell_embedding(runtime, row)
                return
            print(
                "| service | pictures | planted pairs | recall | precision without tiles | wrong "
                "| precision with tiles | wrong tiles | pool's own | pictures/s |\n|---|"
                + "---:|"
                * 9
            )
            scores = [measure(runtime, row) for row in rows]
            for row, score in zip(rows, scores, strict=True):
                tell_kinds(row.service, score)
            wrong = sorted({tuple(sorted(both)) for score in scores for both in score.wrong})
            if options.list:
                print("\n".join("\t".join(both) for both in wrong))
            if options.show:
                sheet(wrong, options.show, {planted.brief: planted for planted in made()})


def libraries(runtime: Runtime, services: Sequence[str]) -> list[LibraryRow]:
    """The libraries of the one application of the folder."""
    apps = runtime.apps.list()
    app = apps[0] if apps else runtime.apps.create("bench", services)[0]
    there = {row.service for row in runtime.registry.list(app.id)}
    for service in services:
        if service not in there:
            runtime.create_library(app.id, service)
    return [runtime.registry.get(app.id, service) for service in services]


def gallery(datasets: Path, copies: int, pictures: int, draw: int) -> Iterator[Planted]:
    """Pictures of the pool, and two copies of different kinds of each of some of them."""
    chosen, _ = choose(datasets, pictures - copies, 0)
    first = draw * (copies // 2)
    originals = chosen[first : first + copies // 2]
    for path in chosen:
        yield Planted(str(path.relative_to(datasets)), partial(whole, path))
    for number, path in enumerate(originals):
        turn, place = divmod(number, len(PLANTED))
        second = place + 1 + turn % (len(PLANTED) - 1)  # another pair of kinds each time
        for kind in (PLANTED[place], PLANTED[second % len(PLANTED)]):
            brief = f"{kind} of {path.relative_to(datasets)}"
            yield Planted(brief, partial(copied, path, kind, number))


def whole(path: Path) -> bytes:
    """A picture of the pool."""
    return encode(read(path), 95)


def copied(path: Path, kind: str, number: int) -> bytes:
    """A copy of a picture of the pool."""
    return KINDS[kind](read(path), np.random.default_rng(number))


def fill(runtime: Runtime, row: LibraryRow, pictures: Sequence[Planted]) -> None:
    """Make a library hold these pictures; what its service does not take is left out."""
    library, listing = (
        runtime.catalogue.open(row),
        runtime.catalogue.pictures(row.app_id, row.service),
    )
    there = briefs(runtime, row)
    wanted = {planted.brief for planted in pictures}
    signs = [listing.describe(key).sign for key, brief in there.items() if brief not in wanted]
    for sign in signs:
        library.delete((sign,))

    def add(planted: Planted) -> None:
        try:
            library.add(enlarge(planted.encoded(), library.service), planted.brief, (0, 0))
        except TusouError as error:
            if error.problem in (Problem.UNAVAILABLE, Problem.OVERLOADED):
                raise

    known = set(there.values())
    with ThreadPoolExecutor(2) as executor:
        list(executor.map(add, (planted for planted in pictures if planted.brief not in known)))


def forget(runtime: Runtime, row: LibraryRow) -> None:
    """Have a library looked through as if for the first time."""
    with runtime.database.write() as connection:
        for table in (same_pairs, scans):
            connection.execute(delete(table).where(table.c.library_id == row.id))


def measure(runtime: Runtime, row: LibraryRow) -> Score:
    """Look for duplicates in a library, and compare its groups with what was planted."""
    fresh = runtime.duplicates.fresh(row)
    started = time.monotonic()
    runtime.duplicates.ask(row)
    Comparing(runtime.database, runtime.catalogue, runtime.blobs, rest=0).run(row.id)
    rate = f"{fresh / (time.monotonic() - started):.1f}" if fresh else "scanned before"
    score = judge(grouped(runtime, row), list(briefs(runtime, row).values()))
    size = runtime.registry.get(row.app_id, row.service).size
    print(f"| {row.service} | {size} | {score.row} | {rate} |", flush=True)
    return score


def briefs(runtime: Runtime, row: LibraryRow) -> dict[int, str]:
    """Of all pictures of a library, by number."""
    listing = runtime.catalogue.pictures(row.app_id, row.service)
    found, after = dict[int, str](), None
    while True:
        page = listing.page(Filter(), 1000, after)
        found |= {item.key: item.brief for item in page.items}
        after = page.next
        if after is None:
            return found


def grouped(runtime: Runtime, row: LibraryRow) -> set[Pair]:
    """All pairs within groups, not only those with the best."""
    found, after = set[Pair](), None
    while True:
        page = runtime.duplicates.page(row, 100, after)
        for group in page.groups:
            names = [group.best.brief, *(twin.item.brief for twin in group.others)]
            found |= {frozenset(both) for both in combinations(names, 2)}
        after = page.next
        if after is None:
            return found


def judge(found: set[Pair], names: Sequence[str]) -> Score:
    """Tell right from wrong by what the pictures were made from."""
    families = defaultdict[str, list[str]](list)
    for name in names:
        families[source(name)].append(name)
    planted = {frozenset(both) for family in families.values() for both in combinations(family, 2)}
    known, strangers = seen_pairs(), found - planted
    seen = {both for both in strangers if frozenset(map(source, both)) in known}
    return Score(planted, found & planted, strangers - seen, seen)


def seen_pairs() -> set[Pair]:
    """The pool's own copies, by their paths."""
    lines = SEEN.read_text("utf-8").splitlines()
    return {frozenset(line.split("\t")) for line in lines if not line.startswith("#")}


def tell_embedding(runtime: Runtime, row: LibraryRow) -> None:
    """Print which planted pairs the likeness of embeddings finds, and how many others."""
    names, calibration = briefs(runtime, row), runtime.shelf.find(row.pack).calibration
    portions = list(Items(runtime.database, row.id).scan(row.pack))
    sources = np.array([source(names[key]) for keys, _, _ in portions for key in keys.tolist()])
    vectors = np.concatenate([rows for _, rows, _ in portions])
    planted = np.triu(sources[:, None] == sources, 1)
    likeness = vectors @ vectors.T
    places = {name: np.flatnonzero(sources == name) for name in set(sources.tolist())}
    nowhere = np.empty(0, np.intp)
    for both in seen_pairs():
        one, other = (places.get(name, nowhere) for name in both)
        likeness[np.ix_(one, other)] = likeness[np.ix_(other, one)] = -1  # these count neither way
    print(f"| {row.service}: likeness | precision | recall |\n|---:|---:|---:|")
    for least in (0.5, 0.8, 0.9, 0.95, 0.97, 0.99):
        cosines = np.linspace(-1, 1, 20_001)
        cosine = next(value for value in cosines if calibration.score(float(value)) >= least)
        found = np.triu(likeness >= cosine, 1)
        right = int((found & planted).sum())
        print(f"| {least} | {right / max(1, found.sum()):.3f} | {right / planted.sum():.3f} |")


def source(brief: str) -> str:
    """The picture that one was made from."""
    return brief.rpartition(" of ")[2]


def tell_kinds(service: str, score: Score) -> None:
    """Print what kinds of copies are missed."""
    kinds = Counter(
        " and ".join(sorted(brief.rpartition(" of ")[0] or "original" for brief in both))
        for both in score.planted - score.right
    )
    print(f"missed in {service}: " + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common()))


def sheet(pairs: Sequence[tuple[str, ...]], file: Path, pictures: dict[str, Planted]) -> None:
    """A picture of pairs, side by side, in the order of the list."""
    columns = 4
    rows = max(1, -(-len(pairs) // columns))
    canvas = Image.new("RGB", (columns * (2 * SIDE + 20), rows * (SIDE + 10)), "white")
    for place, both in enumerate(pairs):
        for side, brief in enumerate(both):
            with Image.open(io.BytesIO(pictures[brief].encoded())) as image:
                small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE))
            left = place % columns * (2 * SIDE + 20) + side * SIDE
            canvas.paste(small, (left, place // columns * (SIDE + 10)))
    canvas.save(file)


if __name__ == "__main__":
    main()
