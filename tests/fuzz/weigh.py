"""Prints what the decoding of each costly picture takes: PYTHONPATH=tests python -m fuzz.weigh.

A JSON line each: bytes, seconds of processor time, and megabytes at the peak.
"""

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fuzz.seeds import costly_pictures
from fuzz.targets import ANY_SERVICE
from tusou.errors import TusouError
from tusou.images.decode import decode


def _peak() -> int:
    """Kilobytes of this process at their most, as Linux counts them."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _weigh(file: Path) -> None:
    data = file.read_bytes()
    before, began = _peak(), time.process_time()
    try:
        told = decode(data, ANY_SERVICE).media_type
    except TusouError as error:
        told = error.message
    seconds, megabytes = time.process_time() - began, (_peak() - before) >> 10
    facts = {"picture": file.name, "bytes": len(data), "seconds": round(seconds, 2)}
    print(json.dumps(facts | {"megabytes": megabytes, "answer": told}), flush=True)


def main() -> None:
    """Make the files and weigh them, each in a process of its own, which inherits no peak."""
    with tempfile.TemporaryDirectory() as folder:
        _apart(lambda: _make(Path(folder)))
        for file in sorted(Path(folder).iterdir()):
            _apart(partial(_weigh, file))


def _make(folder: Path) -> None:
    for name, data in costly_pictures():
        (folder / name).write_bytes(data)


def _apart(work: Callable[[], None]) -> None:
    if os.fork() == 0:
        work()
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    main()
