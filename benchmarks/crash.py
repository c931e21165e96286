"""Kills a server with -9 under mixed load, again and again, and checks what it has promised.

    scripts/bench crash --kills 200 --seed 1

Writers add, update, delete and search on all services, change many pictures at a time, and move
libraries to other model packs. After each kill a new server starts on the folder, and rows,
features, files, indexes and counts are compared with what was acknowledged. The models are tiny
ones made by the tests, so that time goes into changes; keypoints and words are the real ones. The
first thing that is wrong ends the run with status 1 and leaves the folder.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from support.crash.rounds import Plan, Run
from tusou.services import SERVICES


def main() -> int:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60, help="after which no kill follows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--services", nargs="+", default=list(SERVICES), choices=list(SERVICES))
    parser.add_argument("--pictures", type=int, default=16, help="of each service")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--calls", type=int, default=60, help="before a kill, at most")
    options = parser.parse_args()
    plan = Plan(
        seed=options.seed,
        services=options.services,
        pictures=options.pictures,
        writers=options.writers,
        calls=options.calls,
    )
    folder = Path(tempfile.mkdtemp(prefix="tusou-crash-"))
    started = time.monotonic()
    run = Run(folder / "data", plan)
    try:
        wrong: list[str] = []
        end = started + 60 * options.minutes
        while run.kills < options.kills and not wrong and time.monotonic() < end:
            wrong = run.round()
            print(f"\r{run.kills} kills, {time.monotonic() - started:.0f} s", end="", flush=True)
        print()
        wrong = wrong or run.end()
    finally:
        run.close()
    report(run, time.monotonic() - started)
    for line in wrong:
        print(f"WRONG: {line}")
    if wrong:
        print(f"the folder is left: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def report(run: Run, seconds: float) -> None:
    """What happened."""
    print(f"{run.kills} kills in {seconds:.0f} s, seed {run.plan.seed}")
    for name, count in sorted(run.counts.items()):
        print(f"  {name}: {count:,}")


if __name__ == "__main__":
    sys.exit(main())
