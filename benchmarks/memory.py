"""The memory of processes, now and at its highest; a part of other benchmarks."""

import threading
from pathlib import Path


def resident(*others: int) -> int:
    """Bytes of this process, and of others, in memory."""
    paths = [Path(f"/proc/{pid}/statm") for pid in ("self", *others)]
    return sum(int(path.read_text().split()[1]) for path in paths) * 4096


class Peak:
    """Watches the highest memory of this process, and of others, while it is entered."""

    def __init__(self, *others: int) -> None:
        self._others = others

    def __enter__(self) -> "Peak":
        self.bytes, self._done = resident(*self._others), threading.Event()
        self._watch = threading.Thread(target=self._run)
        self._watch.start()
        return self

    def _run(self) -> None:
        while not self._done.wait(0.05):
            self.bytes = max(self.bytes, resident(*self._others))

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()
