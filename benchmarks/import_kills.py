"""Imports killed with -9 on the way and resumed: what is missing afterwards, and what is double.

    scripts/bench import_kills --pictures 800 --kills 2

Each of the five libraries is filled by one `tusou import` from a folder with a part of all pictures
of the data sets, drawn by lot (`--pictures 0`: all of them). The process is killed at even shares
of the way, and the same command is given again. What ought to be there is found out without the
import: every file is decoded, and the signs of those that the service takes are compared with the
rows in SQL.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from support.pictures import SHARED
from tusou.errors import TusouError
from tusou.images.decode import decode
from tusou.runtime import Office
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.tables import items, vectors
from tusou.types import ContSign

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


class Wanted(NamedTuple):
    """What a folder ought to become."""

    signs: set[ContSign]
    refused: int
    """Files that the service does not take."""
    repeated: int
    """Files with the very pixels of another."""


class Found(NamedTuple):
    """What became of it."""

    signs: Counter[ContSign]
    vectors: int
    """Pictures without features would be half done."""
    files: int
    """Rows whose original and thumbnail are both there."""


def main() -> None:
    """Run, print; the exit status is 1 where something is missing or double."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=800, help="of each service; 0: all")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--services", nargs="+", default=list(SERVICES))
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    paths = sorted(path for path in options.datasets.rglob("*") if path.suffix.lower() in SUFFIXES)
    print(f"{len(paths):,} pictures in the data sets\n")
    print(
        "| service | files | killed at | taken | refused | repeated | missing | double "
        "| half done | seconds |\n|---|---:|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    flaws = 0
    for service in options.services:
        flaws += measure(service, paths, options)
    sys.exit(1 if flaws else 0)


def measure(service: str, paths: list[Path], options: argparse.Namespace) -> int:
    """Fill one library, print its row; returns how much is wrong."""
    count = options.pictures or len(paths)
    drawn = random.Random(service).sample(paths, min(count, len(paths)))
    wanted = judge(drawn, service)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "pictures"
        for path in drawn:
            link = folder / path.relative_to(options.datasets)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
        started = time.monotonic()
        with Office(Settings.load({}, data=Path(work) / "data")) as office:
            app, _ = office.apps.create("bench", [service])
            office.create_library(app.id, service)
            goals = [
                len(wanted.signs) * turn // (options.kills + 1)
                for turn in range(1, options.kills + 1)
            ]
            killed = fill(office, app.id, service, folder, goals)
            seconds = time.monotonic() - started
            found = look(office, app.id, service)
    missing = len(wanted.signs - set(found.signs))
    double = sum(found.signs.values()) - len(found.signs) + len(set(found.signs) - wanted.signs)
    total = sum(found.signs.values())
    half = 2 * total - found.vectors - found.files
    cells = (
        service,
        len(drawn),
        " and ".join(map(str, killed)),
        total,
        wanted.refused,
        wanted.repeated,
        missing,
        double,
        half,
        round(seconds),
    )
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return missing + double + abs(half)


def fill(office: Office, app_id: int, service: str, folder: Path, goals: list[int]) -> list[int]:
    """Import, killed when so many pictures are there; returns how many were."""
    words = ["import", folder, "--app", app_id, "--service", service, "--json"]
    run = [sys.executable, "-m", "tusou.cli", *map(str, words)]
    environ = {**os.environ, "TUSOU_DATA": str(office.settings.data)}
    killed, quiet = list[int](), subprocess.DEVNULL
    for goal in goals:
        process = subprocess.Popen(run, env=environ, stdout=quiet, stderr=quiet)
        while office.registry.get(app_id, service).size < goal:
            if process.poll() is not None:
                raise RuntimeError(f"the import ended by itself with {process.returncode}")
            time.sleep(0.05)
        process.kill()
        process.wait()
        killed.append(office.registry.get(app_id, service).size)
    done = subprocess.run(run, env=environ, capture_output=True, text=True)
    if done.returncode not in (0, 3):  # some pictures are refused
        raise RuntimeError(done.stderr)
    facts = json.loads(done.stdout)
    again = subprocess.run([*run, "--fresh"], env=environ, capture_output=True, text=True)
    repeat = json.loads(again.stdout)
    if repeat["added"]:
        raise RuntimeError(f"given once more, it added {repeat['added']} after {facts}")
    return killed


def look(office: Office, app_id: int, service: str) -> Found:
    """What SQL and the picture store hold."""
    library = office.registry.get(app_id, service)
    mine = items.c.library_id == library.id
    with office.database.read() as connection:
        rows = connection.execute(select(items.c.sign, items.c.blob, items.c.bytes).where(mine))
        held = rows.all()
        count = connection.scalar(
            select(func.count())
            .select_from(vectors)
            .where(vectors.c.library_id == library.id, vectors.c.pack == library.pack)
        )
    blobs = office.settings.data / "blobs"
    whole = 0
    for row in held:
        file = blobs / row.blob[:2] / row.blob
        thumbnail = file.with_name(f"{row.blob}.thumb")
        whole += file.stat().st_size == row.bytes and thumbnail.stat().st_size > 0
    return Found(Counter(ContSign.from_int(row.sign) for row in held), count or 0, whole)


def judge(paths: list[Path], service: str) -> Wanted:
    """What the service takes of some files, found out one by one."""
    signs, refused, repeated = set[ContSign](), 0, 0
    for path in paths:
        try:
            sign = decode(path.read_bytes(), SERVICES[service]).sign
        except TusouError:
            refused += 1
            continue
        repeated += sign in signs
        signs.add(sign)
    return Wanted(signs, refused, repeated)


if __name__ == "__main__":
    main()
