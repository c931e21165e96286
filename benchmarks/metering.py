"""What counting a call, asking for a count, and asking what an application may do cost."""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tusou.accounts.usage import Usage
from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings

CALL = ("similar", "search")


def main() -> None:
    """Time each, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200_000)
    times = parser.parse_args().times
    with (
        tempfile.TemporaryDirectory() as folder,
        Office(Settings.load({}, data=Path(folder))) as office,
    ):
        app = office.apps.create("bench", SERVICES)[0].id
        usage, standing = office.usage, office.billing.standing
        usage.start()
        report("record", times, lambda: usage.record(app, *CALL, None))
        report_threads(usage, app, times)
        report("counted", times, lambda: usage.counted(app, *CALL, 0))
        report("permit, no account", times // 100, lambda: standing.permit(app, *CALL))
        usage.flush()
        office.billing.ledger.open(app, "enterprise")
        report("permit, free account", times // 100, lambda: standing.permit(app, *CALL))
        office.billing.ledger.pay(app, [CALL])
        report("permit, paid account", times // 100, lambda: standing.permit(app, *CALL))
        report("look an application up", times // 100, lambda: office.apps.get(app))
        usage.close()


def report(name: str, times: int, act: Callable[[], object]) -> None:
    """Print the mean time of one act."""
    act()
    started = time.perf_counter()
    for _ in range(times):
        act()
    print(f"{name:<28} {(time.perf_counter() - started) / times * 1e6:8.1f} µs")


def report_threads(usage: Usage, app: int, times: int) -> None:
    """Print the mean time of one count when eight threads count at the same time."""

    def count() -> None:
        for _ in range(times // 8):
            usage.record(app, *CALL, None)

    threads = [threading.Thread(target=count) for _ in range(8)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = (time.perf_counter() - started) / times
    print(f"{'record, eight threads':<28} {took * 1e6:8.1f} µs")


if __name__ == "__main__":
    main()
