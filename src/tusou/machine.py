"""What Linux says of this machine: its ports, memory, processor and clock."""

import ctypes
import errno
import socket
from pathlib import Path
from typing import Final

_CLOCK_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)


def bind(host: str, port: int) -> int | None:
    """The error number of listening there; None where it works."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EINVAL
    return None


def available_memory() -> int:
    """Bytes that a new process can have: of the machine, or less where a control group says so."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (free,) = (int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # What files are read through is given back when it is needed.
        used = int((group / "memory.current").read_text()) - int(stat["inactive_file"])
    except (OSError, ValueError):  # there is none, or it is "max"
        return free
    return min(free, limit - used)


def processor_flags() -> set[str]:
    """Names of instruction sets; x86 calls the line flags, ARM calls it Features."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def clock_is_unsynchronised() -> bool:
    """What the kernel says of its clock; reading it needs no rights."""
    room = ctypes.create_string_buffer(256)  # struct timex, modes 0: only read
    return bool(ctypes.CDLL(None).adjtimex(room) == _CLOCK_UNSYNCHRONISED)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
