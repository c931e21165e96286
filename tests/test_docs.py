"""The pages made from tables say what the tables say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_pages_made_from_tables_are_fresh() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "tables", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
