"""Whether this machine and this folder are fit for the server, and what to do where they are not.

Each check looks at one thing, changes nothing that lasts, and says what it found in English and
Chinese. It may run beside a server.
"""

from collections.abc import Iterator

from tusou.doctor.finding import Finding as Finding
from tusou.doctor.finding import Words as Words
from tusou.doctor.host import certificate, clock, disk, memory, ports, processor
from tusou.doctor.stores import blobs, database, indexes, models, owner, task_files
from tusou.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, one after the other."""
    for check in (ports, certificate, disk, memory, processor, models):
        yield from check(settings)
    strangers = list(owner(settings))
    yield from strangers
    # Whatever another user's process makes there, the server could not change.
    for check in () if strangers else (database, blobs, indexes, task_files):
        yield from check(settings)
    yield from clock(settings)
