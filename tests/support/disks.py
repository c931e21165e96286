"""Disks of a server's own: small ones that fill up, and parts of them that take no writes.

They are mounted in a namespace that ends with the server, which only root can make.
"""

import os
import shutil
import subprocess
from pathlib import Path

from support.server import Server


def can_mount() -> bool:
    """Whether this process may make disks; root in a container often may not."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    attempt = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(attempt, capture_output=True).returncode == 0


class Disk:
    """A small disk at a server's data folder, seen by that server alone."""

    def __init__(self, data: Path, megabytes: int) -> None:
        """Bring what is in the folder onto a disk of so many megabytes."""
        self._data = data
        place = data.with_suffix(".disk")
        place.mkdir()
        self._mount = (
            f"mount -t tmpfs -o size={megabytes}m none {place} && cp -a {data}/. {place} && "
            f"mount --bind {place} {data}"
        )
        self._server: Server | None = None

    def start(self) -> Server:
        """Start the server on it."""
        within = ["unshare", "--mount", "sh", "-c", f'{self._mount} && exec "$@"', "sh"]
        self._server = Server(self._data, within=within)
        return self._server

    @property
    def seen(self) -> Path:
        """Where this process finds the disk; SQLite does not, as it takes links for their ends."""
        assert self._server is not None
        return Path(f"/proc/{self._server.process.pid}/root{self._data}")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the shell that sees the disk, in its folder."""
        assert self._server is not None
        enter = ["nsenter", f"--target={self._server.process.pid}", "--mount"]
        return subprocess.run(
            [*enter, f"--wd={self._data}", "sh", "-c", command],
            capture_output=True,
            text=True,
            check=True,
        )

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.seen / "filler").open("ab", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                return

    def empty(self) -> None:
        """Leave room again."""
        (self.seen / "filler").unlink()
