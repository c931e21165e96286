"""The offline package: everything that installs this server on a machine without a network."""

import base64
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import Distribution, distribution
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from tusou import __version__

_SOURCE = Path(__file__).parents[2]
"""The checkout, where this is one."""
_GLIBC = 28
"""Wheels for glibc 2.28 and newer are taken, which Debian 10, Ubuntu 20.04 and RHEL 8 have."""
_OLDEST_GLIBC = (2, 17)
# What an installer writes beside a package and is not part of it.
_INSTALLED = {"INSTALLER", "REQUESTED", "direct_url.json", "RECORD"}


class Variant(StrEnum):
    """What runs the models; each has a lock file."""

    CPU = "run"
    NVIDIA = "nvidia"


def name(variant: Variant = Variant.CPU) -> str:
    """What the package is called: version, system, machine, Python, and the variant."""
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    suffix = "" if variant is Variant.CPU else f"-{variant}"
    return f"tusou-{__version__}-linux-{platform.machine()}-{python}{suffix}"


def make(
    target: Path,
    packs: Sequence[Path] = (),
    variant: Variant = Variant.CPU,
    requirements: Path | None = None,
) -> Path:
    """Make the package for this kind of machine and this version of Python.

    Args:
        target: The folder to write it to.
        packs: Folders of model packs to take along, beside the bundled ones.
        variant: For processors, or with the libraries for NVIDIA's graphics cards.
        requirements: The lock file, by default that of this version and variant.

    Returns:
        The package, a tar file.

    Raises:
        RuntimeError: a wheel is not to be had; or this is no Linux.
    """
    if sys.platform != "linux":
        raise RuntimeError("the offline package is made on Linux, for Linux")
    if find_spec("pip") is None:
        raise RuntimeError(f"this needs pip: {sys.executable} -m ensurepip")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=target) as work:
        root = Path(work) / name(variant)
        wheels = root / "wheels"
        wheels.mkdir(parents=True)
        _copy_lock(requirements, variant, root / "requirements.txt")
        platforms = [word for tag in _platforms() for word in ("--platform", tag)]
        _pip("download", "--quiet", "--only-binary", ":all:", *platforms, "--require-hashes",
             "--dest", wheels, "--requirement", root / "requirements.txt")  # fmt: skip
        repack(distribution("pip"), wheels)
        _own_wheel(wheels)
        for pack in packs:
            shutil.copytree(pack, root / "packs" / pack.name)
        _copy_scripts(root)
        _write_platform(root)
        _write_sums(root)
        return _archive(root, target)


def repack(found: Distribution, folder: Path) -> Path:
    """Make the wheel again from which a package was installed.

    Raises:
        RuntimeError: it was not installed from a wheel.
    """
    listed = [file for file in found.files or () if ".." not in file.parts]
    listed = [file for file in listed if file.suffix != ".pyc" and file.name not in _INSTALLED]
    about = [file for file in listed if file.name == "WHEEL" and len(file.parts) == 2]
    if not about:
        raise RuntimeError(f"{found.name} was not installed from a wheel")
    info = about[0].parent
    tags = re.findall(r"^Tag: (\S+)$", about[0].read_text(), re.MULTILINE)
    stem = info.name.removesuffix(".dist-info")
    wheel = folder / f"{stem}-{_compressed(tags)}.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in listed:
            data = file.read_binary()
            archive.writestr(file.as_posix(), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f'"{file.as_posix()}",sha256={digest},{len(data)}')
        record.append(f"{info}/RECORD,,")
        archive.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    return wheel


def _platforms() -> list[str]:
    """What wheels may ask for, newest first."""
    machine = platform.machine()
    numbered = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, 4, -1)]
    return [*numbered, *(f"{old}_{machine}" for old in ("manylinux2014", "manylinux1"))]


def _compressed(tags: Sequence[str]) -> str:
    """Tags as a file name has them: each part's values once, joined by dots."""
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(values)) for values in parts)


def _copy_lock(requirements: Path | None, variant: Variant, target: Path) -> None:
    own = _SOURCE / "requirements" / f"{variant}.txt"
    if requirements is None and own.exists():
        requirements = own
    if requirements is not None:
        shutil.copyfile(requirements, target)
        return
    target.write_bytes((files("tusou.deploy") / "requirements" / f"{variant}.txt").read_bytes())


def _own_wheel(wheels: Path) -> None:
    if (_SOURCE / "pyproject.toml").exists():
        _pip(
            "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, _SOURCE
        )
    else:
        repack(distribution("tusou"), wheels)


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - all words are ours
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise RuntimeError("\n".join(lines) or done.stderr or "pip failed")


def _copy_scripts(root: Path) -> None:
    with as_file(files("tusou") / "deploy") as folder:
        for file in ("install.sh", "tusou.service"):
            shutil.copy(folder / file, root)
    (root / "install.sh").chmod(0o755)


def _write_platform(root: Path) -> None:
    """Say what the wheels need, for `install.sh`."""
    needed = [_OLDEST_GLIBC]
    for wheel in (root / "wheels").iterdir():
        # Of several platforms of one wheel, any will do: the oldest counts.
        found = re.findall(r"manylinux_(\d+)_(\d+)_", wheel.name)
        if found:
            needed.append(min((int(major), int(minor)) for major, minor in found))
    major, minor = max(needed)
    lines = (
        f"PYTHON={sys.version_info[0]}.{sys.version_info[1]}",
        f"MACHINE={platform.machine()}",
        f"GLIBC={major}.{minor}",
    )
    (root / "platform").write_text("\n".join(lines) + "\n")


def _write_sums(root: Path) -> None:
    (root / "SHA256SUMS").unlink(missing_ok=True)
    lines = []
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        with file.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        lines.append(f"{digest}  {file.relative_to(root)}\n")
    (root / "SHA256SUMS").write_text("".join(lines))


def _archive(root: Path, target: Path) -> Path:
    made = root.parent / f"{root.name}.tar"
    with tarfile.open(made, "w") as archive:  # not compressed: wheels are
        archive.add(root, root.name, filter=_of_nobody)
    final = target / made.name
    return made.replace(final)


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
