"""What the tests of the web layer share."""

import pytest

# Not yet imported, so that its asserts can be made to show what they compared.
pytest.register_assert_rewrite("support.round_trip")
