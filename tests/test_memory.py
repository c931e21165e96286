"""What was freed goes back to the system, also from between what is still used."""

import os
import platform

import pytest

from support.pressure import held
from tusou.memory import give_back


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc alone does")
def test_freed_memory_goes_back() -> None:
    pieces = [bytes([1]) * (32 << 10) for _ in range(3000)]
    del pieces[:-1]  # the last one holds the heap's end
    before = held(os.getpid()).bytes
    give_back()
    assert before - held(os.getpid()).bytes > 60 << 20
    assert pieces == [bytes([1]) * (32 << 10)]
