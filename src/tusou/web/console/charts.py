"""Charts as numbers that a template draws: bars by day, successful calls below failed ones."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 360, 120
_LEFT, _TOP, _BOTTOM = 38, 8, 18
_FLOOR = HEIGHT - _BOTTOM
_GAP = 0.25  # of a day's width


class Bar(NamedTuple):
    """One day, in the chart's own units."""

    day: int
    """Of the month, from 1."""
    succeeded: int
    failed: int
    left: float
    width: float
    good_top: float
    good_height: float
    bad_top: float
    bad_height: float


class Mark(NamedTuple):
    """A number beside an axis."""

    place: float
    text: str


class Chart(NamedTuple):
    """Bars and what stands beside them."""

    bars: tuple[Bar, ...]
    rows: tuple[Mark, ...]
    days: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    floor: int = _FLOOR
    left: int = _LEFT


def draw(succeeded: Sequence[int], failed: Sequence[int]) -> Chart:
    """The chart of a month.

    Args:
        succeeded: Calls of each day.
        failed: As many numbers, of calls that failed.
    """
    top = ceiling(max(map(sum, zip(succeeded, failed, strict=True)), default=0))
    step = (WIDTH - _LEFT) / max(1, len(succeeded))
    scale = (_FLOOR - _TOP) / top
    bars = []
    for day, (good, bad) in enumerate(zip(succeeded, failed, strict=True)):
        # A single failure among a million calls is still to be seen.
        good_height = good * scale
        bad_height = max(bad * scale, 1.5) if bad else 0.0
        good_top = _FLOOR - good_height
        bar = (good_top, good_height, good_top - bad_height, bad_height)
        left = _LEFT + (day + _GAP / 2) * step
        place = (left, step * (1 - _GAP), *bar)
        bars.append(Bar(day + 1, good, bad, *(round(number, 2) for number in place)))
    rows = tuple(Mark(round(_FLOOR - part * scale, 2), short(part)) for part in _parts(top))
    days = tuple(
        Mark(round(_LEFT + (day - 0.5) * step, 2), str(day))
        for day in range(1, len(succeeded) + 1, 7)
    )
    return Chart(tuple(bars), rows, days)


def ceiling(most: int) -> int:
    """The least round number that is not below `most`: 1, 2, 4, 6, 8 or 10 of a power of ten."""
    power: int = 10 ** (len(str(most)) - 1)
    return next(part * power for part in (1, 2, 4, 6, 8, 10) if part * power >= most)


def short(number: int) -> str:
    """A number in little room: 1500 is 1.5k."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return str(number)


def _parts(top: int) -> tuple[int, ...]:
    return (0, top) if top % 2 else (0, top // 2, top)
