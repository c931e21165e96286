"""Planted copies, found as duplicates: precision and recall of the groups that a scan makes."""

import argparse
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from copies import KINDS, choose, encode, read

from support.pictures import SHARED
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.settings import Settings

PLANTED = (
    "crop to 50 %",
    "crop to 30 %",
    "half size",
    "quarter size",
    "JPEG 50",
    "JPEG 20",
    "rotation 5°",
    "rotation 30°",
    "rotation 90°",
    "rotation 180°",
    "mirror",
    "text and logo",
)


class Planted(NamedTuple):
    """A picture that goes into the library."""

    brief: str
    """`KIND of PATH`, or the path alone."""
    data: bytes


def gallery(datasets: Path, copies: int, pictures: int) -> Iterator[Planted]:
    """Pictures of the pool, and two copies of different kinds of each of the first of them."""
    originals, others = choose(datasets, copies // 2, pictures - copies - copies // 2)
    for number, path in enumerate(originals):
        rgb, name = read(path), str(path.relative_to(datasets))
        yield Planted(name, encode(rgb, 95))
        turn, first = divmod(number, len(PLANTED))
        second = first + 1 + turn % (len(PLANTED) - 1)  # another pair of kinds each time
        for kind in (PLANTED[first], PLANTED[second % len(PLANTED)]):
            random = np.random.default_rng(number)
            yield Planted(f"{kind} of {name}", KINDS[kind](rgb, random))
    for path in others:
        yield Planted(str(path.relative_to(datasets)), encode(read(path), 95))
