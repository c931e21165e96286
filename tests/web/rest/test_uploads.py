"""Bodies that go to a file: how long they may take to come, and that nothing is left of the rest.

The loop's clock is moved by the sender, so that minutes pass at once.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import anyio
import pytest
from starlette.requests import Request
from starlette.types import Message

from tusou.errors import Problem, TusouError
from tusou.web.bodies import BODY_LIMIT, BODY_SECONDS
from tusou.web.rest import uploads

MOST = 20 * BODY_LIMIT


class Loop(asyncio.SelectorEventLoop):
    """Its clock can be set forward."""

    forward = 0.0

    def time(self) -> float:
        return time.monotonic() + self.forward


class Sender:
    """Sends pieces of a body, and takes so many seconds for each; then nothing more comes."""

    def __init__(self, loop: Loop, pieces: Iterable[bytes], seconds: float, *, ends: bool) -> None:
        self._loop, self._pieces, self._seconds = loop, iter(pieces), seconds
        self._ends = ends

    async def receive(self) -> Message:
        self._loop.forward += self._seconds
        await anyio.sleep(0)
        piece = next(self._pieces, None)
        if piece is None and not self._ends:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def save(
    loop: Loop, path: Path, pieces: Iterable[bytes], seconds: float = 0, *, ends: bool = True
) -> None:
    async def run() -> None:
        sender = Sender(loop, pieces, seconds, ends=ends)
        await uploads.save(Request({"type": "http", "headers": []}, sender.receive), path, MOST)

    loop.run_until_complete(run())


def test_a_long_body_may_take_its_time_if_it_keeps_coming(loop: Loop, tmp_path: Path) -> None:
    save(loop, tmp_path / "file", [bytes(BODY_LIMIT)] * 5, BODY_SECONDS - 10)
    assert (tmp_path / "file").stat().st_size == 5 * BODY_LIMIT
    assert loop.forward > 4 * BODY_SECONDS


@pytest.mark.parametrize("size", [1, BODY_LIMIT // 8])
def test_a_body_that_comes_in_drops_is_refused(loop: Loop, tmp_path: Path, size: int) -> None:
    with pytest.raises(TusouError) as refused:
        save(loop, tmp_path / "file", [bytes(size)] * 1000, BODY_SECONDS / 3)
    assert refused.value.problem is Problem.INVALID_PARAM
    assert "came to a halt" in refused.value.detail
    assert loop.forward < 2 * BODY_SECONDS
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pieces", [0, 3])
def test_a_body_that_stops_coming_is_refused(loop: Loop, tmp_path: Path, pieces: int) -> None:
    with pytest.raises(TusouError) as refused:
        save(loop, tmp_path / "file", [bytes(BODY_LIMIT)] * pieces, BODY_SECONDS - 0.05, ends=False)
    assert "came to a halt" in refused.value.detail
    assert not list(tmp_path.iterdir())


def test_a_body_that_is_too_long_or_empty_leaves_nothing(loop: Loop, tmp_path: Path) -> None:
    for pieces, problem in (
        ([bytes(BODY_LIMIT)] * 21, Problem.IMAGE_SIZE),
        ([], Problem.INVALID_PARAM),
    ):
        with pytest.raises(TusouError) as refused:
            save(loop, tmp_path / "file", pieces)
        assert refused.value.problem is problem
        assert not list(tmp_path.iterdir())
