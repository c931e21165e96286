"""The comparison of vector indexes works with what `scripts/install dev` installs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_index_chosen_gets_a_row_in_each_table() -> None:
    command = [sys.executable, "benchmarks/index_peers.py", "--peers", "tusou", "flat"]
    size = ["--vectors", "1500", "--dimension", "32", "--queries", "10"]
    done = subprocess.run([*command, *size], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, built, *filters = done.stdout.split("\n\n")
    rows = {line.split(" | ")[0]: line.split(" | ") for line in built.splitlines()}
    for row in (rows["| tusou"], rows["| flat"]):
        assert (row[-3], row[-1]) == ("50 of 50", "50 of 50 |"), "what is written is seen at once"
    assert [table.splitlines()[0].split(" | ")[0] for table in filters] == [
        "| filter: none",
        "| filter: 1% by lot",
        "| filter: 20% by lot",
        "| filter: 20% by looks",
    ]
    for table in filters:
        ours, exact = table.splitlines()[2:]
        assert ours.startswith("| tusou |")
        assert float(ours.split(" | ")[4]) > 0.9, "recall at 10"
        assert exact.endswith(" 1.000 |")
