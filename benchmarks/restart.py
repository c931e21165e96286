"""Time from starting the server to its first answer, with a full library, and search times then.

Fills a database with made-up vectors (restart time does not depend on what they are), starts the
server on it, and searches over HTTP with drawn pictures.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sqlalchemy import insert, update

from index_search import unit
from support.pictures import picture
from support.server import Caller, Server
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage import tables
from tusou.types import Vectors
from tusou.vision import packs

PORTION = 10_000


def main() -> None:
    """Fill, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500_000)
    parser.add_argument("--searches", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with Office(Settings.load({}, data=data)) as office:
            app, secret = office.apps.create("bench", ["similar"])
            library = office.create_library(app.id, "similar")
            fill(office, library.id, vectors(options.pictures))
        size = (data / "tusou.db").stat().st_size
        started = time.perf_counter()
        server = Server(data)
        token = server.token(app.api_key, secret)
        caller = Caller(server.http, app.id, app.api_key, secret, token)
        answer = caller.call("similar", "search", image=picture(0), rn=10)
        first = time.perf_counter() - started
        assert answer["result_num"] == 10, answer
        print(f"{options.pictures:,} pictures, database {size / 1e9:.2f} GB")
        print(f"first answer {first:.1f} s after the start")
        report("searches while the index is being grouped", caller, options.searches)
        time.sleep(60)
        report("searches a minute later", caller, options.searches)
        server.stop()


def report(title: str, caller: Caller, searches: int) -> None:
    """Search and print the median and 95th percentile of whole requests."""
    times = []
    for seed in range(searches):
        data = picture(seed)
        started = time.perf_counter()
        caller.call("similar", "search", image=data, rn=10)
        times.append((time.perf_counter() - started) * 1000)
    print(
        f"{title}: p50 {np.median(times):.0f} ms, p95 {np.percentile(times, 95):.0f} ms a request"
    )


def vectors(pictures: int) -> Vectors:
    """Vectors in all directions alike: [pictures × D]."""
    dimension = packs.bundled()[SERVICES["similar"].pack].dimension
    rows = np.random.default_rng(0).standard_normal((pictures, dimension), np.float32)
    return unit(rows)


def fill(office: Office, library_id: int, rows: Vectors) -> None:
    """Write rows as adds would have, without computing features."""
    pack = office.shelf.find(SERVICES["similar"].pack).id
    for start in range(0, len(rows), PORTION):
        numbers = range(start + 1, min(start + PORTION, len(rows)) + 1)
        data = rows[start : start + PORTION].astype("<f2")
        with office.database.write() as connection:
            connection.execute(
                insert(tables.items),
                [
                    {
                        "id": number,
                        "library_id": library_id,
                        "sign": number,
                        "brief": f"picture {number}",
                        "class1": number % 100 + 1,
                        "class2": 0,
                        "blob": "",
                        "media_type": "image/jpeg",
                        "bytes": 0,
                        "width": 640,
                        "height": 480,
                        "created": 0,
                        "updated": 0,
                    }
                    for number in numbers
                ],
            )
            connection.execute(
                insert(tables.vectors),
                [
                    {
                        "item_id": number,
                        "pack": pack,
                        "library_id": library_id,
                        "vector": row.tobytes(),
                    }
                    for number, row in zip(numbers, data, strict=True)
                ],
            )
    with office.database.write() as connection:
        connection.execute(
            update(tables.libraries)
            .where(tables.libraries.c.id == library_id)
            .values(size=len(rows))
        )


if __name__ == "__main__":
    main()
