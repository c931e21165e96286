"""Measuring a model pack: a protocol's pictures go through a library as a client's would."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.images.decode import decode, enlarge
from tusou.library.judging import Figures, Outcome, Protocol, Query, figures, judge
from tusou.library.library import Library
from tusou.library.models import Model

_SAMPLE = 50
"""Pictures to take the model's time of."""
_NO_FAULT = (Problem.ITEM_EXISTS, Problem.IMAGE_UNUSABLE)
"""Protocols hold a few pictures twice; those in which nothing can be seen are misses."""

_Row = TypeVar("_Row")
_Result = TypeVar("_Result")


class Evaluation(NamedTuple):
    """What a protocol says of a pack."""

    figures: list[Figures]
    """Of all searches first, then by group."""
    milliseconds: float
    """Median time in which the pack sees a picture, one after the other, decoding not counted."""


def evaluate(
    library: Library, model: Model, protocol: Protocol, pictures: Path, threads: int = 2
) -> Evaluation:
    """Add a protocol's gallery to an empty library and search with all its queries.

    Args:
        library: An empty library of the service that the protocol is for.
        model: The library's.
        protocol: What to add and to ask.
        pictures: The folder that the protocol's paths start from.
        threads: Clients at the same time.

    Raises:
        OSError: a picture cannot be read.
        TusouError: a picture is refused.
    """
    service = library.service

    def add(path: str) -> None:
        data = enlarge((pictures / path).read_bytes(), service)
        try:
            library.add(data, path, (0, 0))
        except TusouError as error:
            if error.problem not in _NO_FAULT:
                raise

    def search(query: Query) -> Outcome:
        data = enlarge((pictures / query.path).read_bytes(), service)
        started = time.perf_counter()
        found = _search(library, data)
        milliseconds = (time.perf_counter() - started) * 1000
        return judge(query, [path for path in found if path != query.path], milliseconds)

    _parallel(add, protocol.gallery, threads)
    outcomes = _parallel(search, protocol.queries, threads)
    return Evaluation(figures(outcomes), _see(library, model, protocol, pictures))


def _search(library: Library, data: bytes) -> list[str]:
    try:
        page = library.search(data, None, 0, library.service.most_results)
    except TusouError as error:
        if error.problem is Problem.IMAGE_UNUSABLE:
            return []
        raise
    return [hit.brief for hit in page.hits]


def _see(library: Library, model: Model, protocol: Protocol, pictures: Path) -> float:
    service = library.service
    times = []
    for path in protocol.gallery[:_SAMPLE]:
        picture = decode(enlarge((pictures / path).read_bytes(), service), service)
        started = time.perf_counter()
        try:
            model.pipelines[service.pipeline].embed(picture)
        except TusouError as error:
            if error.problem is not Problem.IMAGE_UNUSABLE:
                raise
        times.append((time.perf_counter() - started) * 1000)
    return float(np.median(times))


def _parallel(
    function: Callable[[_Row], _Result], rows: Sequence[_Row], threads: int
) -> list[_Result]:
    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(function, rows))
