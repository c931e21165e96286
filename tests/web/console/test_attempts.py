"""Tries to sign in run out and come back, and no number of names takes much memory."""

from support.clock import Clock
from tusou.web.console import attempts
from tusou.web.console.attempts import Attempts, network


def test_tries_run_out_and_come_back_one_by_one() -> None:
    clock = Clock()
    tries = Attempts(tries=3, seconds=10, clock=clock)
    for _ in range(3):
        assert tries.wait("lin") == 0
        tries.take("lin")
    assert tries.wait("lin") == 10
    assert tries.wait("wang") == 0
    clock.now += 10
    assert tries.wait("lin") == 0
    tries.take("lin")
    assert tries.wait("lin") == 10
    clock.now += 30
    tries.take("lin")
    assert tries.wait("lin") == 0


def test_a_try_that_did_not_fail_is_given_back() -> None:
    tries = Attempts(tries=1, seconds=10, clock=Clock())
    for _ in range(5):
        tries.take("lin")
        tries.give_back("lin")
    assert tries.wait("lin") == 0


def test_only_so_many_names_are_remembered() -> None:
    tries = Attempts(tries=1, seconds=10, clock=Clock())
    for number in range(3 * attempts._REMEMBERED):
        tries.take(f"name {number}")
    assert len(tries._full_at) == attempts._REMEMBERED


def test_one_person_has_half_an_ipv6_address() -> None:
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2:ffff::1")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:10.0.0.1") == network("10.0.0.1")
    assert network("testclient") == "testclient"
