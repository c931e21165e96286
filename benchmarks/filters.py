"""Lists and searches by filter expressions in a library of 500,000 pictures, and its statistics."""

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sqlalchemy import insert

from tusou.index.embedded import EmbeddedIndex
from tusou.library.sieve import Sieve
from tusou.storage.database import Database
from tusou.storage.listing import Listing
from tusou.storage.registry import Registry
from tusou.storage.tables import apps, items
from tusou.types import Filter

DIMENSION = 384
WORDS = ["cat", "dog", "shoe", "red", "blue", "silk", "lamp", "book"]
BEGIN = 1767225600  # 2026-01-01; a picture a second
LISTS = (
    'tags = 100 and brief contains "cat"',
    "created >= 2026-01-03",
    'brief contains "zebra"',
    "width = 1",
)
SEARCHES = (
    "",
    "tags = 100",
    'brief contains "cat"',
    "created < 2026-01-03",
    'brief contains "\\"1234"',
    'brief contains "\\"123456\\""',
    'brief contains "zebra"',
)


def fill(database: Database, count: int) -> int:
    """A library of so many rows; returns its number."""
    app = {"id": 1, "name": "a", "api_key": "k", "secret": b"", "services": "", "enabled": True}
    with database.write() as connection:
        connection.execute(insert(apps).values(**app, deleted=False, created=0))
    row, chance = Registry(database).create(1, "similar", "base@1", count), random.Random(1)
    for start in range(0, count, 20_000):
        rows = [
            {
                "library_id": row.id,
                "sign": number,
                "brief": f'{{"id": "{number}", "name": "{" ".join(chance.choices(WORDS, k=2))}"}}',
                "class1": number % 1000 + 1,
                "class2": number % 50 + 1,
                "blob": "x" * 32,
                "media_type": "image/jpeg",
                "bytes": 50_000,
                "width": 640,
                "height": 480,
                "created": BEGIN + number,
                "updated": BEGIN + number,
            }
            for number in range(start, min(count, start + 20_000))
        ]
        with database.write() as connection:
            connection.execute(insert(items), rows)
    return row.id


def index(count: int) -> EmbeddedIndex:
    """Vectors in all directions: the worst case, as nothing is near."""
    made, chance = EmbeddedIndex(DIMENSION), np.random.default_rng(1)
    for start in range(0, count, 20_000):
        keys = np.arange(start + 1, min(count, start + 20_000) + 1, dtype=np.int64)
        rows = chance.standard_normal((len(keys), DIMENSION), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        classes = np.stack([(keys - 1) % 1000 + 1, (keys - 1) % 50 + 1], 1).astype(np.uint16)
        made.add(keys, rows, classes)
    made.settle()
    return made


def shown(name: str, work: Callable[[], object]) -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    print(f"{name:60} {sorted(times)[2] * 1000:8.1f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500_000)
    count: int = parser.parse_args().pictures
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'tusou.db'}")
        database.migrate()
        listing = Listing(database, fill(database, count))
        vectors = index(count)
        query = np.random.default_rng(2).standard_normal(DIMENSION).astype(np.float32)
        query /= np.linalg.norm(query)

        def search(expression: str) -> object:
            sieve = Sieve.make(None, expression, listing.passing)
            return sieve.best(lambda most: vectors.search(query, most, sieve.classes), 20)

        print(f"median of 5, {count:,} pictures")
        shown("statistics", listing.stats)
        for text in LISTS:
            wanted = Filter(expression=text)
            shown(f"list of 100: {text}", lambda wanted=wanted: listing.page(wanted, 100))  # type: ignore[misc]
        for text in SEARCHES:
            shown(f"search for 20: {text or 'no filter'}", lambda text=text: search(text))  # type: ignore[misc]
        vectors.close()
        database.close()


if __name__ == "__main__":
    main()
