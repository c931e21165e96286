"""The memory of this process, now and at its highest; a part of other benchmarks."""

import threading
from pathlib import Path


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


class Peak:
    """Watches the highest memory while it is entered."""

    def __enter__(self) -> "Peak":
        self.bytes, self._done = resident(), threading.Event()
        self._watch = threading.Thread(target=self._run)
        self._watch.start()
        return self

    def _run(self) -> None:
        while not self._done.wait(0.05):
            self.bytes = max(self.bytes, resident())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()
