"""Escapes of forms, against the standard library's reading of them."""

from urllib.parse import quote_plus, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tusou.web.escapes import unquote

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.text(alphabet="%%%2BbFf3Dd+x5eGg", max_size=40), st.sampled_from([3, 5, 1 << 16]))
@PATIENT
def test_escapes_are_undone_as_the_standard_library_does_it(text: str, block: int) -> None:
    data = text.encode()
    assert unquote(data, block) == unquote_to_bytes(data.replace(b"+", b" "))


@given(st.binary(max_size=400), st.sampled_from([3, 7, 1 << 16]))
@PATIENT
def test_what_was_quoted_comes_back(data: bytes, block: int) -> None:
    assert unquote(quote_plus(data).encode(), block) == data


@pytest.mark.parametrize("data", [b"", b"%", b"%4", b"%%", b"%41%", b"%4%41", b"%G1", b"\xff%fF"])
def test_half_an_escape_stays_as_it_is(data: bytes) -> None:
    assert unquote(data) == unquote_to_bytes(data)
