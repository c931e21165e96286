"""Where the time of a request goes: stages, timed where they happen, kept for who watches.

A context variable goes with a request into the threads that work for it, so no layer hands anything
on. Where nobody watches, a stage costs a look at that variable.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Literal, NamedTuple, get_args

Stage = Literal[
    "read",  # the body
    "queue",  # waiting for a turn
    "fetch",  # a picture by its URL
    "decode",  # bytes to pixels, and their sign
    "encode",  # embedding and finding subjects, waiting for a batch included
    "keypoints",  # local features, their words, a sketch
    "candidates",  # asking the indexes
    "verify",  # comparing with candidates, point by point
    "thumbnail",
    "sql",  # waiting for the one writer included
    "blob",  # pictures' files
    "render",  # the answer
]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Lap(NamedTuple):
    """One time that a stage took, in seconds of `time.perf_counter`."""

    stage: Stage
    started: float
    ended: float


_laps: ContextVar[list[Lap] | None] = ContextVar("laps", default=None)


@contextmanager
def watching() -> Iterator[list[Lap]]:
    """Keep the laps of this request, also of threads that are started for it by anyio."""
    laps = list[Lap]()
    token = _laps.set(laps)
    try:
        yield laps
    finally:
        _laps.reset(token)


class timed:
    """`with timed("decode"):` times a block; a stage inside another counts in both."""

    __slots__ = ("_laps", "_stage", "_started")

    def __init__(self, stage: Stage) -> None:
        self._stage: Stage = stage

    def __enter__(self) -> None:
        self._laps = _laps.get()
        if self._laps is not None:
            self._started = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._laps is not None:
            # Threads may end laps at once: appending is one step.
            self._laps.append(Lap(self._stage, self._started, time.perf_counter()))
