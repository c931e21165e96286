"""A real server whose clock is set while it runs, by Debian's libfaketime."""

from collections import Counter
from pathlib import Path

import pytest

from support.pictures import picture
from support.server import Caller, Server
from tusou.errors import Problem

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")

A_SECOND = 3
"""Searches that are allowed."""


def _codes(caller: Caller, calls: int) -> Counter[int]:
    answers = [caller.call("similar", "search", image=picture(0, 160, 160)) for _ in range(calls)]
    return Counter(answer.get("error_code", 0) for answer in answers)


def test_callers_go_on_whatever_the_clock_does(tmp_path: Path) -> None:
    shift = tmp_path / "shift"
    shift.write_text("+0s\n")
    server = Server(
        tmp_path / "data",
        {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(shift),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )
    try:
        caller = server.caller("similar")
        with server.office() as office:
            office.apps.set_limits(caller.app_id, "similar", "search", {"qps": A_SECOND})
        assert "cont_sign" in caller.call(
            "similar", "add", image=picture(0, 160, 160), brief="a picture"
        )
        _codes(caller, 2 * A_SECOND)
        for seconds in (-3600, 86_400, -3600, 0):
            shift.write_text(f"{seconds:+d}s\n")
            answered = _codes(caller, 2 * A_SECOND)
            assert answered[0] >= A_SECOND
            assert set(answered) <= {0, Problem.QPS_LIMIT.code}
        shift.write_text("+31d\n")
        assert _codes(caller, 1) == {Problem.TOKEN_EXPIRED.code: 1}
        shift.write_text("+0s\n")
        assert Problem.TOKEN_EXPIRED.code not in _codes(caller, 1)
    finally:
        assert server.stop() == 0
