"""Judging search results by protocols: files that say what to add, what to ask, what is right."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True, slots=True)
class Query:
    """One search: the picture, what it should find, and the group that it counts in."""

    path: str
    hits: frozenset[str]
    group: str
    """Empty: none."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What to add to a library, and what to ask it then."""

    name: str
    service: str
    """For which it is made; empty where the file does not say."""
    gallery: Sequence[str]
    """Paths of pictures, relative to the folder of all pictures."""
    queries: Sequence[Query]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one search went; shares of 1, except for the last."""

    group: str
    first: float
    """The first result is right."""
    tenth: float
    """One of the first ten is."""
    precision: float
    """Of ten results, how many are right."""
    average: float
    """The average precision; what did not come counts as missed."""
    milliseconds: float


class Figures(NamedTuple):
    """The means over a group of searches."""

    group: str
    """Empty: all searches."""
    queries: int
    first: float
    """recall@1"""
    tenth: float
    """recall@10"""
    precision: float
    """P@10"""
    average: float
    """mAP"""
    milliseconds: float
    """The median."""


def read(file: Path) -> Protocol:
    """Read a protocol: `{gallery: [path], queries: [{q, pos: [path]}]}` or `{labels: {path: …}}`.

    With labels every picture is asked for, less itself, and those of its label are right; one that
    is alone with its label is only added. `level` or `kind` of a query is its group.

    Raises:
        ValueError: it is none.
        OSError: it cannot be read.
    """
    try:
        table: dict[str, Any] = json.loads(file.read_text("utf-8"))
        gallery, queries = _labelled(table) if "labels" in table else _listed(table)
        return Protocol(file.stem, str(table.get("service", "")), gallery, queries)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{file} is not a protocol: {error!r}") from error


def judge(query: Query, found: Sequence[str], milliseconds: float) -> Outcome:
    """Compare what came, best first, with what should have come."""
    right = np.array([path in query.hits for path in found], dtype=bool)
    ranks = np.flatnonzero(right) + 1
    precisions = np.arange(1, len(ranks) + 1) / ranks if len(ranks) else np.zeros(1)
    return Outcome(
        query.group,
        first=float(right[:1].any()),
        tenth=float(right[:10].any()),
        precision=float(right[:10].sum()) / 10,
        average=float(precisions.sum()) / len(query.hits),
        milliseconds=milliseconds,
    )


def figures(outcomes: Sequence[Outcome]) -> list[Figures]:
    """Average over all searches, and then over each group."""
    groups = sorted({row.group for row in outcomes} - {""})
    return [
        _mean(group, [row for row in outcomes if group in ("", row.group)])
        for group in ("", *groups)
    ]


def _mean(group: str, rows: Sequence[Outcome]) -> Figures:
    return Figures(
        group,
        len(rows),
        first=float(np.mean([row.first for row in rows])),
        tenth=float(np.mean([row.tenth for row in rows])),
        precision=float(np.mean([row.precision for row in rows])),
        average=float(np.mean([row.average for row in rows])),
        milliseconds=float(np.median([row.milliseconds for row in rows])),
    )


def _listed(table: dict[str, Any]) -> tuple[list[str], list[Query]]:
    return list(table["gallery"]), [
        Query(row["q"], frozenset(row["pos"]), row.get("level") or row.get("kind") or "")
        for row in table["queries"]
        if row["pos"]
    ]


def _labelled(table: dict[str, Any]) -> tuple[list[str], list[Query]]:
    labels: dict[str, str] = table["labels"]
    members: dict[str, set[str]] = {}
    for path, label in labels.items():
        members.setdefault(label, set()).add(path)
    return list(labels), [
        Query(path, frozenset(members[label] - {path}), "")
        for path, label in labels.items()
        if len(members[label]) > 1
    ]
