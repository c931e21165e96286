"""OpenCV's threads while a server runs."""

import cv2

from tusou.vision.threads import one_thread


def test_opencv_has_one_thread_while_the_block_lasts() -> None:
    cv2.setNumThreads(2)
    try:
        with one_thread():
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(-1)
