"""Rates and quantiles from what a server tells at two moments."""

import pytest

from tusou.top.readings import Reading
from tusou.top.view import view


def _reading(
    calls: int = 0, failed: int = 0, buckets: tuple[int, int, int] = (0, 0, 0), start: float = 100
) -> Reading:
    """Of one service; buckets up to 0.1 s, to 1 s, and beyond."""
    call = 'service="similar",operation="search"'
    return Reading.parse(
        f"""# TYPE tusou_build gauge
tusou_build_info{{version="1.2"}} 1
process_start_time_seconds {start}
process_cpu_seconds_total {calls / 10}
tusou_ready 1
tusou_calls_total{{interface="cloud",{call},code="0"}} {calls}
tusou_calls_total{{interface="cloud",{call},code="18"}} {failed}
# TYPE tusou_call_seconds histogram
tusou_call_seconds_bucket{{{call},le="0.1"}} {buckets[0]}
tusou_call_seconds_bucket{{{call},le="1.0"}} {buckets[1]}
tusou_call_seconds_bucket{{{call},le="+Inf"}} {buckets[2]}
tusou_call_seconds_sum{{{call}}} {calls}
tusou_stage_seconds_count{{{call},stage="encode"}} {calls}
tusou_stage_seconds_sum{{{call},stage="encode"}} {calls / 4}
tusou_library_pictures{{app_id="1",service="similar"}} 5
tusou_library_pictures{{app_id="2",service="similar"}} 7
tusou_library_capacity{{app_id="2",service="similar"}} 10
tusou_index_rows{{app_id="2",service="similar"}} 7
"""
    )


def test_of_two_readings_what_came_in_between_is_shown() -> None:
    shown = view(_reading(60, 6), _reading(40, 2), seconds=10, clock=160)
    (row,) = shown.calls
    assert (row.service, row.operation, row.calls, row.failed, row.rate) == (
        *("similar", "search"),
        *(24, 4, 2.4),
    )
    assert [(each.code, each.calls) for each in shown.failures] == [(18, 4)]
    assert shown.failures[0].message
    assert (shown.cores, shown.up_seconds, shown.version) == (0.2, 60, "1.2")
    (stage,) = shown.stages
    assert (stage.stage, stage.share) == ("encode", 0.25)


def test_of_one_reading_all_since_the_start_is_shown() -> None:
    shown = view(_reading(60), None, seconds=0, clock=160)
    assert (shown.seconds, shown.calls[0].rate) == (60, 1)


def test_a_server_that_began_anew_is_not_shown_with_less_than_nothing() -> None:
    shown = view(_reading(3, start=200), _reading(60, 6), seconds=10, clock=206)
    assert (shown.calls[0].calls, shown.seconds, shown.failures) == (3, 6, [])


def test_what_stood_still_is_not_shown() -> None:
    shown = view(_reading(60, 6), _reading(60, 6), seconds=10, clock=160)
    assert (shown.calls, shown.stages, shown.failures) == ([], [], [])


def test_libraries_come_largest_first_and_an_index_may_not_be_loaded() -> None:
    first, second = view(_reading(), None, 0, 160).libraries
    assert (first.app_id, first.pictures, first.capacity, first.indexed) == ("2", 7, 10, 7)
    assert (second.app_id, second.indexed) == ("1", None)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ((10, 10, 10), 0.5, 0.05),
        ((0, 10, 10), 0.5, 0.55),
        ((5, 10, 10), 0.5, 0.1),
        ((5, 10, 10), 0.75, 0.55),
        ((0, 0, 10), 0.5, 1.0),
        ((9, 9, 10), 0.95, 1.0),
        ((9, 9, 10), 0.9, 0.1),
        ((0, 0, 0), 0.5, None),
    ],
)
def test_quantiles_are_those_of_prometheus(
    buckets: tuple[int, int, int], share: float, expected: float | None
) -> None:
    found = _reading(buckets=buckets).quantile(share, "tusou_call_seconds", service="similar")
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("text", ["", "<html>", "up 1\n", "a b c d\n"])
def test_what_is_no_server_of_ours_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"tusou|could not|invalid|Invalid|string"):
        Reading.parse(text)
