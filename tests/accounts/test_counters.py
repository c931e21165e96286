"""Counters in this process: what has expired goes, what has not stays, and no thread of its own."""

import threading
import time

import pytest
from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

from tusou.accounts import counters
from tusou.accounts.counters import Memory, in_redis


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Swept at every call."""
    monkeypatch.setattr(counters, "_SWEEP_SECONDS", 0.0)
    return Memory()


def test_what_has_expired_is_dropped_and_nothing_else(memory: Memory) -> None:
    rates, item = MovingWindowRateLimiter(memory), RateLimitItemPerSecond(3)
    for number in range(50):
        rates.hit(item, f"gone {number}")
        memory.incr(f"gone {number}", 1)
    time.sleep(0.6)
    assert [rates.hit(item, "stays") for _ in range(2)] == [True, True]
    memory.incr("stays", 60, 7)
    time.sleep(0.6)
    memory.sweep()
    assert rates.hit(item, "stays")
    assert not rates.hit(item, "stays")
    assert memory.incr("stays", 60) == 8
    assert len(memory.events) == len(memory.expirations) == len(memory.storage) == 1
    time.sleep(1.1)
    memory.sweep()
    assert not memory.events
    assert memory.get("stays") == 8


def test_it_sweeps_no_more_often_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    memory.incr("a", 0)
    memory.sweep()
    assert memory.expirations
    monkeypatch.setattr(counters, "_SWEEP_SECONDS", 0.0)
    memory.sweep()
    assert not memory.expirations


def test_it_has_no_thread_of_its_own() -> None:
    memory = Memory()
    time.sleep(0.1)
    before = threading.active_count()
    for number in range(100):
        memory.incr(str(number), 60)
        memory.acquire_entry(str(number), 5, 60)
    assert threading.active_count() == before
    time.sleep(0.1)
    assert len(memory.events) == 100


@pytest.mark.parametrize("url", ["localhost:6379", "carrier-pigeon://:word@x", "redis://host:port"])
def test_a_url_that_makes_no_sense_is_told_without_its_password(url: str) -> None:
    with pytest.raises(RuntimeError, match="redis setting must be a URL") as caught:
        in_redis(url)
    assert url not in str(caught.value)
