"""Memory that pictures have taken, given back to the system."""

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Return what the C library keeps of freed memory; elsewhere than with glibc, do nothing.

    Threads that see pictures leave hundreds of megabytes in the holes between what is still used,
    and glibc by itself returns only what lies at the end of its heaps. Telling it to use no heap
    for large blocks would do likewise, at a quarter more processor time for a search.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
        return None
    return trim
