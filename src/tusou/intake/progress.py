"""How an import goes: counts, rate and remaining time, on a line that people watch."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Literal

Outcome = Literal["added", "there", "failed"]

_WATCHED_SECONDS = 0.2
_LOGGED_SECONDS = 10.0
_WINDOW_SECONDS = 30.0
"""The rate shown is that of so long; pictures differ."""


class Progress:
    """Counts what became of pictures; threads may share it."""

    def __init__(
        self,
        total: int | None,
        done_before: int,
        errors: IO[str],
        screen: IO[str] | None = sys.stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            total: Pictures of the source; None: not known.
            done_before: How many of them an earlier run brought in.
            errors: Gets a JSON line for each picture that failed.
            screen: Where the line is shown; None: nowhere.
            clock: Seconds.
        """
        self.counts: dict[Outcome, int] = {"added": 0, "there": 0, "failed": 0}
        self._total, self._before = total, done_before
        self._errors, self._screen = errors, screen
        self._clock = clock
        self._began = clock()
        self._watched = screen is not None and screen.isatty()
        self._shown = self._began
        self._recent = deque([(self._began, 0)])
        self._lock = threading.Lock()

    def note(self, outcome: Outcome, name: str = "", reason: str = "") -> None:
        """Count a picture; `reason` says why it failed."""
        with self._lock:
            self.counts[outcome] += 1
            if outcome == "failed":
                line = json.dumps({"picture": name, "reason": reason}, ensure_ascii=False)
                self._errors.write(line + "\n")
                self._errors.flush()
            now = self._clock()
            if now - self._shown >= (_WATCHED_SECONDS if self._watched else _LOGGED_SECONDS):
                self._show(now)

    @property
    def done(self) -> int:
        """Pictures of this run."""
        return sum(self.counts.values())

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._began

    def end(self) -> None:
        """Show the last of it."""
        with self._lock:
            if self._watched:
                self._show(self._clock())
                print(file=self._screen)

    def _show(self, now: float) -> None:
        if self._screen is None:
            return
        self._shown = now
        while len(self._recent) > 1 and self._recent[1][0] < now - _WINDOW_SECONDS:
            self._recent.popleft()
        at, count = self._recent[0]
        rate = (self.done - count) / max(now - at, 1e-3)
        self._recent.append((now, self.done))
        begin, end = ("\r", "\x1b[K") if self._watched else ("", "\n")
        print(f"{begin}{self._line(rate)}", end=end, file=self._screen, flush=True)

    def _line(self, rate: float) -> str:
        place = self._before + self.done
        parts = [f"{place:,}"]
        if self._total:
            parts = [f"{place:,} of {self._total:,}", f"{100 * place // self._total} %"]
        parts.append(f"{rate:.1f}/s")
        if self._total and rate > 0:
            parts.append(f"{duration((self._total - place) / rate)} left")
        if self.counts["failed"]:
            parts.append(f"{self.counts['failed']:,} failed")
        return "  ".join(parts)


def duration(seconds: float) -> str:
    """Such as `2h05m`, `1m40s`, `12s`."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole}s"
