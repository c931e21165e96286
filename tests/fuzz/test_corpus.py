"""Seeds and inputs that once broke something, once more; and what the most costly ones take."""

import asyncio
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import Message

from fuzz.seeds import costly_bodies, seeds
from fuzz.targets import TARGETS
from tusou.errors import TusouError
from tusou.web import bodies

HERE = Path(__file__).parent
MOST_MEGABYTES = 300
"""For 4096 × 4096 pixels: 64 of RGBA, twice, the same on white, and a mask or a turned copy."""
MOST_SECONDS = 30
"""A hang is told from a slow machine: at rest the slowest takes one."""


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_known_breaks_nothing(target: str) -> None:
    known = [*seeds()[target].values()]
    known += [path.read_bytes() for path in sorted((HERE / "corpus" / target).glob("*"))]
    assert len(known) > 1
    for data in known:
        TARGETS[target](data)


def test_every_target_has_seeds_and_every_folder_its_target() -> None:
    assert set(seeds()) == set(TARGETS)
    assert {path.name for path in (HERE / "corpus").iterdir()} <= set(TARGETS)


def test_no_picture_takes_more_than_its_bound() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "fuzz.weigh"],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    weighed = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(weighed) > 10
    assert [row for row in weighed if row["megabytes"] > MOST_MEGABYTES] == []
    assert [row for row in weighed if row["seconds"] > MOST_SECONDS] == []


@pytest.mark.parametrize(("media", "body"), [row[1:] for row in costly_bodies()], ids=[
    row[0] for row in costly_bodies()
])  # fmt: skip
def test_no_body_becomes_many_times_its_size(media: str, body: bytes) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", media.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    tracemalloc.start()
    try:
        asyncio.run(bodies.read_fields(Request(scope, receive)))
    except TusouError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * len(body) + (8 << 20)
