"""OpenCV's own threads, which are in the way where requests run beside each other."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV do each call in the thread that made it; the setting is the whole process's.

    Its threads spin while they wait for work: keypoints cost a tenth more processor time with two
    of them (docs/decisions.md).
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
