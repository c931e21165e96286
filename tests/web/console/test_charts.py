"""Charts: bars that add up, round axes, failures that can be seen."""

import pytest

from tusou.web.console.charts import ceiling, draw, short


def test_a_bar_stands_on_the_floor_and_failures_on_top() -> None:
    chart = draw([0, 30, 10], [0, 10, 0])
    empty, high, low = chart.bars
    assert empty.good_height == empty.bad_height == 0
    assert high.good_top + high.good_height == pytest.approx(chart.floor)
    assert high.bad_top + high.bad_height == pytest.approx(high.good_top)
    assert high.good_height == pytest.approx(3 * low.good_height, abs=0.1)
    assert all(0 <= bar.bad_top <= chart.floor for bar in chart.bars)
    assert [bar.left for bar in chart.bars] == sorted(bar.left for bar in chart.bars)
    assert chart.bars[-1].left + chart.bars[-1].width <= chart.width


def test_one_failure_among_a_million_calls_is_seen() -> None:
    (bar,) = draw([1_000_000], [1]).bars
    assert bar.bad_height >= 1


def test_a_month_without_calls_has_axes() -> None:
    chart = draw([0] * 31, [0] * 31)
    assert [mark.text for mark in chart.rows] == ["0", "1"]
    assert [mark.text for mark in chart.days] == ["1", "8", "15", "22", "29"]


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 4), (10, 10), (11, 20), (61, 80), (999, 1000)]
)
def test_axes_end_at_round_numbers(most: int, top: int) -> None:
    assert ceiling(most) == top


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1500, "1.5k"), (2_000_000, "2M"), (10**10, "10G")]
)
def test_numbers_beside_an_axis_are_short(number: int, text: str) -> None:
    assert short(number) == text
