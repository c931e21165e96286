"""An import that is killed on the way and given again loses nothing and doubles nothing."""

import os
import subprocess
import sys
from pathlib import Path

from support.pictures import picture

ROOT = Path(__file__).parents[2]


def test_a_short_run_counts_what_is_there_double_and_refused(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(30):
        (pictures / f"{seed}.png").write_bytes(picture(seed))
    (pictures / "again.png").write_bytes(picture(7))
    (pictures / "broken.jpg").write_bytes(picture(8)[:100])
    command = [sys.executable, "benchmarks/import_kills.py", "--services", "similar"]
    done = subprocess.run(
        [*command, "--pictures", "0", "--kills", "1", "--datasets", str(pictures)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("| similar"))
    _, _, files, killed, *figures, _, _ = row.split("|")
    assert int(files) == 32
    assert int(killed) >= 15, "half of what can be decoded was there"
    taken, repeated, refused, missing, double, half = map(int, figures)
    assert (taken, repeated, refused, missing, double, half) == (30, 1, 1, 0, 0, 0)
