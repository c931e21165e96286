"""The screen fits into its terminal, and says what is wrong."""

from dataclasses import replace

import pytest

from tusou.top.screen import draw
from tusou.top.view import Calls, Failure, Shelf, StageTime, View

_VIEW = View(
    version="1.2",
    seconds=10,
    up_seconds=7200,
    ready=True,
    database=True,
    cores=1.5,
    memory_bytes=3 << 30,
    open_files=20,
    disk_free_bytes=5 << 30,
    inside=4,
    running=3,
    threads=8,
    waiting=1,
    body_bytes=2048,
    encoder_waiting=2,
    pictures_a_run=1.5,
    calls=[Calls("similar", "search", 1234, 12.34, 5, 0.012, 1.5)],
    stages=[StageTime("encode", 0.6, 0.01, None), StageTime("sql", 0.1, 0.001, 0.002)],
    failures=[Failure(18, "Open api qps request limit reached", 5)],
    libraries=[Shelf(str(number), "similar", 1000 - number, 2000, None) for number in range(40)],
)


def test_everything_is_on_it() -> None:
    text = "\n".join(draw(_VIEW, "http://a", 120))
    for part in (
        *("tusou 1.2 at http://a: ready, up 2 h", "cores 1.50", "memory 3.0 GiB"),
        *("3 of 8 at work, 1 waiting", "1.5 pictures a run", "1,234", "12.3", "12.0 ms", "1.50 s"),
        *("encode", "60%", "–", "18", "qps request limit", "not loaded", "5.0 GiB"),
    ):
        assert part in text
    assert text.count("similar") == 41


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("height", [5, 20, 30, 200])
def test_it_has_as_many_and_as_long_lines_as_there_is_room_for(width: int, height: int) -> None:
    lines = draw(_VIEW, "http://127.0.0.1:8080", width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_the_smallest_libraries_are_left_out_and_counted() -> None:
    lines = draw(_VIEW, "a", 120, 30)
    assert len(lines) == 30
    shown = sum("not loaded" in line for line in lines)
    assert 3 <= shown < 40
    assert lines[-1] == f"… and {40 - shown} smaller ones"


def test_what_is_wrong_comes_first() -> None:
    ill = replace(_VIEW, ready=False, database=False, disk_free_bytes=None, calls=[], stages=[])
    lines = draw(ill, "a")
    assert ": STARTING, DATABASE DOWN, up" in lines[0]
    assert "no calls" in lines
