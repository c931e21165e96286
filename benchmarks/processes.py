"""Other processes, and the time they have had of the processor; a part of other benchmarks."""

import time
from collections.abc import Sequence
from pathlib import Path


def started(pid: int | str = "self") -> list[int]:
    """Numbers of all processes below one; Linux only."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    below = [int(child) for path in lists for child in path.read_text().split()]
    return below + [grandchild for child in below for grandchild in started(child)]


def spent(pid: int) -> float:
    """Seconds that a process has had of the processor; Linux only."""
    return time.clock_gettime(~pid << 3 | 2)


def busy(others: Sequence[int] = ()) -> float:
    """Seconds that this process and others have had of the processor; Linux only."""
    return time.process_time() + sum(map(spent, others))
