"""Which server holds a data folder: two on it would each miss what the other adds."""

import fcntl
from typing import IO

from tusou.settings import Settings


def is_served(settings: Settings) -> bool:
    """Whether a server holds the folder."""
    try:
        with (settings.data / "server.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def hold(settings: Settings) -> IO[str]:
    """Hold the folder until the file is closed.

    Raises:
        RuntimeError: another server holds it.
    """
    file = (settings.data / "server.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeError(
            f"another tusou server is running on {settings.data.absolute()}; "
            "stop it, or give this one a folder of its own with --data"
        ) from None
    return file
