"""Imports killed with -9 on the way and resumed: what is missing afterwards, and what is double.

    scripts/bench import_kills --pictures 1000 --kills 2

Each of the five libraries is filled by one `tusou import` from a folder with a part of all pictures
of the data sets, drawn by lot (`--pictures 0`: all of them). The process is killed at even shares
of the way, and the same command is given again. What ought to be there is found out without the
import: every file is decoded, and the signs of those that the service takes are compared with the
rows in SQL. Pictures that can be decoded and were refused all the same are told with the reason.
"""

import argparse
import json
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
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.tables import items, vectors
from tusou.types import ContSign

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
COLUMNS = (
    *("service", "files", "killed at", "taken", "repeated", "refused", "missing", "double"),
    *("half done", "seconds"),
)


class Found(NamedTuple):
    """What became of a folder."""

    signs: Counter[ContSign]
    vectors: int
    """Pictures without features would be half done."""
    files: int
    """Rows whose original and thumbnail are both there."""


class Filling:
    """One library, filled by a command that is killed and given again."""

    def __init__(self, office: Office, service: str, folder: Path) -> None:
        self._office, self._service = office, service
        app, _ = office.apps.create("bench", [service])
        office.create_library(app.id, service)
        self._app_id = app.id
        self._errors = office.settings.data / "errors.jsonl"
        self._failed = False
        words: list[object] = ["import", folder, "--app", app.id, "--service", service, "--json"]
        words += ["--errors", self._errors, "--data", office.settings.data]
        self._command = [sys.executable, "-m", "tusou.cli", *map(str, words)]

    @property
    def size(self) -> int:
        """Pictures that are there."""
        return self._office.registry.get(self._app_id, self._service).size

    def kill_at(self, goal: int) -> int:
        """Begin or go on, and kill it when so many are there; returns how many were."""
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)
        while self.size < goal:
            if process.poll() is not None:
                raise RuntimeError(f"the import ended by itself with {process.returncode}")
            time.sleep(0.05)
        process.kill()
        process.wait()
        return self.size

    def finish(self) -> dict[str, str]:
        """Go on to the end; returns the files that were refused, and why."""
        self._run()
        told = map(json.loads, self._errors.read_text().splitlines()) if self._failed else ()
        return {row["picture"]: row["reason"] for row in told}

    def repeat(self) -> int:
        """Look at everything again; returns how many were added, which ought to be none."""
        return int(self._run("--fresh")["added"])

    def look(self) -> Found:
        """What SQL and the picture store hold."""
        library = self._office.registry.get(self._app_id, self._service)
        mine = items.c.library_id == library.id
        own = vectors.c.library_id == library.id, vectors.c.pack == library.pack
        with self._office.database.read() as connection:
            held = connection.execute(
                select(items.c.sign, items.c.blob, items.c.bytes).where(mine)
            ).all()
            count = connection.scalar(select(func.count()).select_from(vectors).where(*own))
        blobs, whole = self._office.settings.data / "blobs", 0
        for row in held:
            file = blobs / row.blob[:2] / row.blob
            thumbnail = file.with_name(f"{row.blob}.thumb")
            whole += file.stat().st_size == row.bytes and thumbnail.stat().st_size > 0
        return Found(Counter(ContSign.from_int(row.sign) for row in held), count or 0, whole)

    def _run(self, *more: str) -> dict[str, int]:
        done = subprocess.run([*self._command, *more], capture_output=True, text=True)
        if done.returncode not in (0, 3):  # some pictures are refused
            raise RuntimeError(done.stderr)
        self._failed = done.returncode == 3
        facts: dict[str, int] = json.loads(done.stdout)
        return facts


def main() -> None:
    """Run, print; the exit status is 1 where something is missing or double."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000, help="of each service; 0: all")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--services", nargs="+", default=list(SERVICES))
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    paths = sorted(path for path in options.datasets.rglob("*") if path.suffix.lower() in SUFFIXES)
    count = min(options.pictures or len(paths), len(paths))
    print(f"{len(paths):,} pictures in the data sets\n")
    print(f"| {' | '.join(COLUMNS)} |\n|---|---:|---|{'---:|' * (len(COLUMNS) - 3)}")
    flaws, reasons = 0, Counter[str]()
    for service in options.services:
        drawn = random.Random(service).sample(paths, count)
        with tempfile.TemporaryDirectory() as work:
            flaws += measure(service, drawn, options, Path(work), reasons)
    for reason, times in reasons.most_common():
        print(f"\n{times} × {reason}", end="")
    print()
    sys.exit(1 if flaws else 0)


def measure(
    service: str,
    drawn: list[Path],
    options: argparse.Namespace,
    work: Path,
    reasons: Counter[str],
) -> int:
    """Fill one library, print its row, count reasons; returns how much is wrong."""
    folder = work / "pictures"
    for path in drawn:
        link = folder / path.relative_to(options.datasets)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    signs = {path.relative_to(options.datasets).as_posix(): sign(path, service) for path in drawn}
    decoded = {found for found in signs.values() if found is not None}
    started = time.monotonic()
    with Office(Settings.load({}, data=work / "data")) as office:
        filling = Filling(office, service, folder)
        goals = [len(decoded) * turn // (options.kills + 1) for turn in range(1, options.kills + 1)]
        killed = [filling.kill_at(goal) for goal in goals]
        refused = filling.finish()
        seconds = time.monotonic() - started
        double = filling.repeat()
        found = filling.look()
    reasons.update(refused[name] for name in refused if signs[name] is not None)
    wanted = {found for name, found in signs.items() if found and name not in refused}
    taken = found.signs.total()
    missing = len(wanted - set(found.signs))
    double += taken - len(found.signs) + len(set(found.signs) - wanted)
    half = 2 * taken - found.vectors - found.files
    repeated = len(drawn) - len(refused) - len(wanted)
    cells: list[object] = [service, len(drawn), " and ".join(map(str, killed)), taken, repeated]
    cells += [len(refused), missing, double, half, round(seconds)]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return missing + double + abs(half)


def sign(path: Path, service: str) -> ContSign | None:
    """The sign that a picture gets; None: it cannot be decoded, or its sides do not fit."""
    try:
        return decode(path.read_bytes(), SERVICES[service]).sign
    except TusouError:
        return None


if __name__ == "__main__":
    main()
