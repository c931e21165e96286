"""The comparison of vector indexes works with what `scripts/install dev` installs, and Milvus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.milvus import require_milvus

ROOT = Path(__file__).parents[2]


def compare(*names: str) -> tuple[str, list[str], str]:
    """The table of what was built, those of searches by filter, and what was said besides."""
    command = [sys.executable, "benchmarks/index_peers.py", "--peers", *names]
    size = ["--vectors", "1500", "--dimension", "32", "--queries", "10"]
    environ = {**os.environ, "PYTHONPATH": "tests"}
    done = subprocess.run([*command, *size], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, built, *filters = done.stdout.split("\n\n")
    return built, filters, done.stderr


def written(built: str, name: str) -> tuple[str, str]:
    """How many of the rows added were found, and of those removed were not."""
    (row,) = (line for line in built.splitlines() if line.startswith(f"| {name} |"))
    cells = row.strip("| ").split(" | ")
    return cells[-3], cells[-1]


def test_each_index_that_is_there_gets_a_row_in_each_table() -> None:
    built, filters, said = compare("tusou", "flat", "milvus-ivf")
    assert "milvus-ivf: " in said, "built in so many seconds, or why it is passed over"
    for name in ("tusou", "flat"):
        assert written(built, name) == ("50 of 50", "50 of 50"), "what is written is seen at once"
    assert [table.splitlines()[0].split(" | ")[0] for table in filters] == [
        "| filter: none",
        "| filter: 1% by lot",
        "| filter: 20% by lot",
        "| filter: 20% by looks",
    ]
    for table in filters:
        ours, exact, *_ = table.splitlines()[2:]
        assert ours.startswith("| tusou |")
        assert float(ours.split(" | ")[4]) > 0.9, "recall at 10"
        assert exact.endswith(" 1.000 |")


@pytest.mark.cluster
def test_a_server_is_asked_as_the_others_are() -> None:
    require_milvus()
    built, filters, said = compare("milvus-ivf")
    assert written(built, "milvus-ivf") == ("50 of 50", "50 of 50"), said
    recalls = [float(table.splitlines()[2].split(" | ")[4]) for table in filters]
    assert recalls[0] > 0.9, "at 10, what its effort was chosen for"
    assert min(recalls) > 0.3, "fewer with a filter: it spends the same"
