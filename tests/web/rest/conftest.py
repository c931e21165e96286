"""What the tests of the native interface share."""

import pytest

from support.native import Ask, asking
from support.server import Caller


@pytest.fixture
def ask(caller: Caller) -> Ask:
    """Calls with the token in a header; paths begin below the libraries."""
    return asking(caller)
