"""The offline package: made small here, and whole by `make bundle-test`; wheel and sdist."""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest

from support.offline import offline
from support.pictures import EXAMPLES
from tusou import bundle

ROOT = Path(__file__).parents[1]
# What an empty environment has; the Python is the one that runs the tests.
_EMPTY = {
    "PATH": f"{Path(sys._base_executable).parent}:/usr/bin:/bin",  # type: ignore[attr-defined]
    "HOME": "/nonexistent",
}


def _run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    environ = {**_EMPTY, **variables}
    return subprocess.run(words, capture_output=True, encoding="utf-8", env=environ)


def _install(root: Path, prefix: Path, *options: object) -> subprocess.CompletedProcess[str]:
    script = root / "install.sh"
    return _run(*offline(script, "--prefix", prefix, "--data", prefix / "data", *options))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with one dependency and one model pack, unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    wheel = bundle.repack(distribution("click"), folder)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = folder / "lock.txt"
    lock.write_text(f"click=={distribution('click').version} --hash=sha256:{digest}\n")
    pack = folder / "mine@1"
    pack.mkdir()
    (pack / "pack.toml").write_text("a model pack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        made = bundle.make(folder / "made", [pack], requirements=lock)
    assert list((folder / "made").iterdir()) == [made]
    with tarfile.open(made) as archive:
        archive.extractall(folder, filter="data")
    return folder / bundle.name()


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It installed where there is nothing, with the other dependencies lent to it."""
    prefix = tmp_path_factory.mktemp("installed") / "tusou"
    done = _install(package, prefix)
    assert (done.returncode, done.stderr) == (0, "")
    (site,) = prefix.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"])
    return prefix


def test_it_installs_into_an_empty_environment_and_serves(installed: Path) -> None:
    code = "import tusou, click; print(tusou.__file__, click.__file__)"
    places = _run(installed / "bin" / "python", "-c", code).stdout.split()
    assert all(place.startswith(str(installed)) for place in places)
    (site,) = installed.glob("lib/python*/site-packages")
    assert (site / "tusou" / "deploy" / "requirements" / "run.txt").read_bytes() == (
        ROOT / "requirements" / "run.txt"
    ).read_bytes()
    program = [installed / "bin" / "tusou", "serve", "--data", installed / "data", "--port", "0"]
    with subprocess.Popen(
        list(map(str, program)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_EMPTY,
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[4]
        assert httpx.get(f"{address}/healthz", trust_env=False).json()["status"] == "ok"
        server.terminate()


def test_model_packs_come_along_and_those_that_are_there_stay(
    package: Path, installed: Path
) -> None:
    pack = installed / "data" / "packs" / "mine@1" / "pack.toml"
    assert pack.read_text() == "a model pack"
    pack.write_text("changed here")
    assert _install(package, installed).returncode == 0  # again: an upgrade
    assert pack.read_text() == "changed here"


def test_a_damaged_package_installs_nothing(package: Path, tmp_path: Path) -> None:
    wheel = next((package / "wheels").glob("click-*.whl"))
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1] + b"x")
    try:
        done = _install(package, tmp_path / "tusou")
    finally:
        wheel.write_bytes(whole)
    assert done.returncode == 1
    assert "a file of this package is damaged" in done.stderr
    assert not (tmp_path / "tusou").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("PYTHON=3.99", "this package needs Python 3.99; name it with --python"),
        ("MACHINE=sparc", "this package is for sparc"),
        ("GLIBC=2.999", "this package needs glibc 2.999 or newer"),
    ],
)
def test_a_package_for_another_machine_says_so(
    package: Path, tmp_path: Path, line: str, said: str
) -> None:
    file, sums = package / "platform", package / "SHA256SUMS"
    before = file.read_text(), sums.read_text()
    file.write_text(re.sub(f"{line.partition('=')[0]}=.*", line, before[0]))
    bundle._write_sums(package)
    try:
        done = _install(package, tmp_path / "tusou")
    finally:
        file.write_text(before[0])
        sums.write_text(before[1])
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "tusou").exists()


def test_another_python_than_the_packages_is_refused(package: Path, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.10\n")
    other.chmod(0o755)
    done = _install(package, tmp_path / "tusou", "--python", other)
    assert f"{other} is another" in done.stderr
    assert _install(package, tmp_path / "tusou", "--unknown").returncode == 2


def test_what_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"none-such-package==1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RuntimeError, match="none-such-package"):
        bundle.make(tmp_path / "made", requirements=lock)
    assert not list((tmp_path / "made").iterdir())


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(package: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("tusou-*.tar.gz")
    bundle._pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, sdist)
    (made,) = tmp_path.glob("tusou-*.whl")
    (own,) = (package / "wheels").glob("tusou-*.whl")
    with zipfile.ZipFile(made) as one, zipfile.ZipFile(own) as other:
        sums = [{file.filename: file.CRC for file in wheel.infolist()} for wheel in (one, other)]
    assert sums[0] == sums[1]


def test_the_nvidia_variant_differs_by_what_runs_the_models_alone() -> None:
    cpu, nvidia = (
        set(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==(\S+)", file.read_text(), re.MULTILINE))
        for file in (ROOT / "requirements" / f"{variant}.txt" for variant in bundle.Variant)
    )
    assert {name for name, _ in cpu - nvidia} == {"onnxruntime"}
    added = {name for name, _ in nvidia - cpu}
    assert "onnxruntime-gpu" in added
    assert all(name.startswith("nvidia-") for name in added - {"onnxruntime-gpu"})
    assert bundle.name(bundle.Variant.NVIDIA) == f"{bundle.name()}-nvidia"


@pytest.mark.bundle
@pytest.mark.timeout(1800)
def test_the_nvidia_package_serves_on_the_processor_where_there_is_no_card(tmp_path: Path) -> None:
    made = bundle.make(tmp_path, variant=bundle.Variant.NVIDIA)
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path, filter="data")
    made.unlink()
    prefix = tmp_path / "tusou"
    done = _install(tmp_path / bundle.name(bundle.Variant.NVIDIA), prefix)
    assert (done.returncode, done.stderr) == (0, "")
    program, data = prefix / "bin" / "tusou", prefix / "data"
    trial = Path(__file__).parent / "support" / "trial.py"
    tried = _run(*offline(sys.executable, trial, program, data, EXAMPLES))
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout)["result"][0]["brief"] == "cat.jpg"
    if not Path("/dev/nvidia0").exists():
        refused = _run(program, "serve", "--data", data, "--port", "0", TUSOU_PROVIDER="cuda")
        assert refused.returncode == 1
        assert "no driver for it: libcuda.so.1 is missing" in refused.stderr


@pytest.mark.bundle
@pytest.mark.timeout(900)
def test_the_whole_package_installs_and_serves_without_a_network(tmp_path: Path) -> None:
    """Makes it from the registry, with everything that the server needs."""
    subprocess.run(
        [sys.executable, "-m", "tusou.cli", "bundle", "--data", tmp_path, tmp_path], check=True
    )
    with tarfile.open(tmp_path / f"{bundle.name()}.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    prefix = tmp_path / "tusou"
    done = _install(tmp_path / bundle.name(), prefix)
    assert (done.returncode, done.stderr) == (0, "")
    trial = Path(__file__).parent / "support" / "trial.py"
    program, data = prefix / "bin" / "tusou", prefix / "data"
    tried = _run(*offline(sys.executable, trial, program, data, EXAMPLES))
    assert tried.returncode == 0, tried.stderr
    answer = json.loads(tried.stdout)
    assert answer["result"][0]["brief"] == "cat.jpg"
    found = _run(prefix / "bin" / "python", "-c", _REPACK, str(tmp_path))
    assert found.returncode == 0, found.stderr
    (again,) = tmp_path.glob("tusou-*.whl")
    assert (tmp_path / bundle.name() / "wheels" / again.name).exists()


_REPACK = """
import sys, pathlib, importlib.metadata, tusou.bundle
tusou.bundle.repack(importlib.metadata.distribution("tusou"), pathlib.Path(sys.argv[1]))
"""
