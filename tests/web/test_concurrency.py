"""Calls at the same time, through HTTP: none is lost, and none sees what is not true."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from support.pictures import encoded, picture, scene
from support.server import Answer, Caller
from tusou.errors import Problem

THREADS = 6


def at_once(function: Callable[[int], Answer], count: int = THREADS) -> list[Answer]:
    """Call in as many threads, all let go together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Answer:
        barrier.wait(60)
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.parametrize("service", ["similar", "same_hq"])
def test_of_equal_adds_at_once_one_succeeds(caller: Caller, service: str) -> None:
    image = picture(71)
    for turn in range(3):
        answers = at_once(
            lambda number, turn=turn: caller.call(  # type: ignore[misc]
                service, "add", image=image, brief=f"{turn}-{number}"
            )
        )
        (won,) = [answer for answer in answers if "error_code" not in answer]
        lost = [answer for answer in answers if "error_code" in answer]
        assert {answer["error_code"] for answer in lost} == {Problem.ITEM_EXISTS.code}
        assert {answer["cont_sign"] for answer in answers} == {won["cont_sign"]}
        found = caller.call(service, "search", image=image, rn=9)["result"]
        assert [hit["cont_sign"] for hit in found] == [won["cont_sign"]]
        assert found[0]["brief"] == f"{turn}-{answers.index(won)}"
        deleted = at_once(
            lambda _: caller.call(service, "delete", cont_sign=won["cont_sign"])  # noqa: B023
        )
        codes = sorted(answer.get("error_code", 0) for answer in deleted)
        assert codes == [0] + [Problem.ITEM_MISSING.code] * (THREADS - 1)


def test_adds_of_many_pictures_at_once_are_all_there(caller: Caller) -> None:
    answers = at_once(
        lambda number: caller.call(
            "similar", "add", image=picture(80 + number, 300, 200), brief=str(number)
        ),
        12,
    )
    signs = {answer["cont_sign"] for answer in answers}
    assert len(signs) == 12
    found = caller.call("similar", "search", image=picture(80, 300, 200))
    assert {hit["cont_sign"] for hit in found["result"]} == signs
    assert len({answer["log_id"] for answer in answers}) == 12


class Ledger:
    """What writers have been told: which pictures must be found, and which must not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: set[str] = set()
        self._gone: set[str] = set()

    def added(self, sign: str) -> None:
        with self._lock:
            self._there.add(sign)

    def leaving(self, sign: str) -> None:
        """Its delete is about to be sent: it may be found or not."""
        with self._lock:
            self._there.remove(sign)

    def gone(self, sign: str) -> None:
        with self._lock:
            self._gone.add(sign)

    def there(self) -> set[str]:
        """Signs that must be found now."""
        with self._lock:
            return set(self._there)

    def deleted(self) -> set[str]:
        with self._lock:
            return set(self._gone)


def _shade(writer: int, turn: int) -> bytes:
    """A picture of its own, hardly different from all others."""
    rgb = scene(90, 200, 160)
    rgb[writer, turn] ^= 255
    return encoded(np.ascontiguousarray(rgb))


@pytest.mark.parametrize("service", ["similar", "picturebook"])
def test_searches_beside_changes_see_what_was_acknowledged(caller: Caller, service: str) -> None:
    ledger, stopped = Ledger(), threading.Event()
    standing = caller.call(service, "add", image=_shade(150, 0), brief="standing")["cont_sign"]
    ledger.added(standing)

    def write(writer: int) -> None:
        held: list[str] = []
        for turn in range(6):
            answer = caller.call(service, "add", image=_shade(writer, turn), brief=f"{turn}")
            assert "error_code" not in answer, answer
            held.append(answer["cont_sign"])
            ledger.added(held[-1])
            if turn % 2:
                sign = held.pop(0)
                ledger.leaving(sign)
                answer = caller.call(service, "delete", cont_sign=sign)
                assert "error_code" not in answer, answer
                ledger.gone(sign)

    def search(_: int) -> int:
        count = 0
        while not stopped.is_set() or not count:
            deleted, there = ledger.deleted(), ledger.there()
            answer = caller.call(service, "search", image=_shade(150, 0), rn=100)
            assert "error_code" not in answer, answer
            signs = [hit["cont_sign"] for hit in answer["result"]]
            assert len(signs) == len(set(signs))
            assert not deleted & set(signs)
            # What was there before, and is not being deleted even now, must have been found.
            assert there & ledger.there() <= set(signs)
            assert signs[0] == standing
            count += 1
        return count

    with ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        searchers = [pool.submit(search, number) for number in range(2)]
        try:
            for writer in writers:
                writer.result(200)
        finally:
            stopped.set()
        assert all(searcher.result(60) for searcher in searchers)
    final = caller.call(service, "search", image=_shade(150, 0), rn=100)["result"]
    assert {hit["cont_sign"] for hit in final} == ledger.there()
