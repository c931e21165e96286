"""Processes that this one started, and the time they have of the processor; a part of others."""

import time
from collections.abc import Sequence
from pathlib import Path


def started(pid: int | str = "self") -> list[int]:
    """Numbers of all processes below one; Linux only."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    below = [int(child) for path in lists for child in path.read_text().split()]
    return below + [grandchild for child in below for grandchild in started(child)]


def busy(others: Sequence[int] = ()) -> float:
    """Seconds that this process and others have had of the processor; Linux only."""
    return time.process_time() + sum(time.clock_gettime(~pid << 3 | 2) for pid in others)
