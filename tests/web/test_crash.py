"""A server killed under load keeps what it has promised; `make crash` does so at length."""

from pathlib import Path

import pytest

from support.crash.rounds import Plan, Run

KILLS = 3


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_kills_and_nothing_is_half_done(tmp_path: Path) -> None:
    plan = Plan(
        seed=7,
        services=("same_hq", "similar"),
        pictures=6,
        writers=3,
        calls=20,
        stops=0,
        starting=0,
        moves=0.5,
    )
    run = Run(tmp_path / "data", plan)
    try:
        for _ in range(KILLS):
            assert run.round() == []
        assert run.end() == []
    finally:
        run.close()
    assert run.kills == KILLS
    assert run.counts["acknowledged"] > KILLS
