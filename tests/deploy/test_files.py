"""The files for systemd, Docker and nginx name things that are there."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]

from tusou.settings import Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "src" / "tusou" / "deploy" / "tusou.service"
COMPOSE = sorted((ROOT / "deploy").glob("compose*.yaml"))
# Of those that Compose knows, what is used here: it refuses a file with another.
_KEYS = {
    *("build", "cap_drop", "command", "configs", "depends_on", "entrypoint", "environment"),
    *("healthcheck", "image", "ports", "read_only", "restart", "security_opt"),
    *("stop_grace_period", "tmpfs", "volumes"),
}
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
    assert f"http://127.0.0.1:{Settings().port}/readyz" in last.partition("HEALTHCHECK")[2]
    assert "read_only: true" in (ROOT / "deploy" / "compose.yaml").read_text()


def _compose(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text("utf-8")))


@pytest.mark.parametrize("file", COMPOSE, ids=lambda path: path.name)
def test_what_a_compose_file_names_is_in_it_or_in_the_tree(file: Path) -> None:
    whole = _compose(file)
    services = whole["services"]
    for name, service in services.items():
        assert not service.keys() - _KEYS, name
        build = service.get("build")
        if build is None:
            assert re.fullmatch(r"[a-z0-9./-]+(:[\w.-]+)?", service["image"])
        else:
            context = (file.parent / build["context"]).resolve()
            assert (context / build["dockerfile"]).is_file()
            lock = build.get("args", {}).get("LOCK", "run")
            assert (context / "requirements" / f"{lock}.txt").is_file()
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in whole["volumes"]
        for config in service.get("configs", []):
            assert config["source"] in whole["configs"]
        for other, condition in _depends(service):
            assert other in services
            if condition == "service_healthy":
                assert services[other]["healthcheck"]["test"][0] == "CMD"
            if condition == "service_completed_successfully":
                assert "restart" not in services[other]  # it is to end, once


def _depends(service: dict[str, Any]) -> list[tuple[str, str]]:
    depends = service.get("depends_on", {})
    if isinstance(depends, list):
        return [(name, "service_started") for name in depends]
    return [(name, row["condition"]) for name, row in depends.items()]


@pytest.mark.parametrize("file", COMPOSE, ids=lambda path: path.name)
def test_settings_of_a_compose_file_are_read_and_name_its_services(file: Path) -> None:
    whole = _compose(file)
    for service in whole["services"].values():
        environ = {
            name: re.sub(r"\$\{\w+:\?\}", "word", str(value))
            for name, value in service.get("environment", {}).items()
        }
        if "build" not in service:
            continue
        settings = Settings.load(environ, data=Path("/data"))
        urls = settings.database, settings.s3_endpoint, settings.milvus, settings.redis
        hosts = {urlsplit(url).hostname for url in urls if url}
        assert hosts <= whole["services"].keys()
        waits = {name for name, _ in _depends(service)}
        # For the store it waits by the bucket.
        further = {name for wait in waits for name, _ in _depends(whole["services"][wait])}
        assert hosts <= waits | further
        # A cluster's servers may be several only by what the settings say.
        several = [one for one in whole["services"].values() if one.get("build")]
        assert settings.is_shared or len(several) == 1
        assert "data:/data" in service["volumes"]


def test_the_proxy_of_the_cluster_knows_its_servers() -> None:
    whole = _compose(ROOT / "deploy" / "compose.cluster.yaml")
    servers = {name for name, service in whole["services"].items() if "build" in service}
    named = set(re.findall(r"server (\w+):8080;", whole["configs"]["nginx"]["content"]))
    assert named == servers == {"tusou1", "tusou2"}
