"""The files for systemd, Docker and nginx name things that are there."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tusou.settings import Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "src" / "tusou" / "deploy" / "tusou.service"
FILES = [UNIT, *(path for path in (ROOT / "deploy").iterdir())]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_setting_that_a_file_names_is_one(file: Path) -> None:
    known = {f"TUSOU_{row.name.upper()}" for row in fields(Settings)}
    assert set(re.findall(r"TUSOU_[A-Z_]+[A-Z]", file.read_text())) <= known


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "tusou.service"
    text = UNIT.read_text()
    assert "/opt/tusou/bin/tusou" in text
    unit.write_text(text.replace("/opt/tusou/bin/tusou", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_built_from_files_that_are_there_and_not_kept_from_it() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--" not in line]
    sources = {source for copy in copies for source in copy}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    assert sources <= kept
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_does_not_run_as_root_and_says_how_it_is() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    last = text.rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]\d+$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "read_only: true" in (ROOT / "deploy" / "compose.yaml").read_text()
