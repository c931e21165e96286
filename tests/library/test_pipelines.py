"""Candidates of several sources take turns; what a move embeds is what an add embeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pictures import picture
from tusou.images.decode import decode
from tusou.library.pipelines import _in_turns
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service

KEYS = st.lists(st.integers(0, 50), unique=True, max_size=20)


def test_sources_take_turns() -> None:
    assert _in_turns([1, 2, 3, 4, 5], [9, 1, 8]) == [1, 9, 2, 3, 8, 4, 5]


def test_no_source_holds_another_up() -> None:
    assert _in_turns([], [1, 2, 0]) == [1, 2, 0]
    assert _in_turns([], []) == []


@given(KEYS, KEYS)
def test_every_candidate_comes_once(first: list[int], second: list[int]) -> None:
    merged = _in_turns(first, second)
    assert len(merged) == len(set(merged))
    assert set(merged) == set(first) | set(second)


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_the_vector_alone_is_the_vector_of_the_features(runtime: Runtime, service: Service) -> None:
    base = runtime.models.get(runtime.shelf.find("base").id)
    pipeline, seen = base.pipelines[service.pipeline], decode(picture(1), service)
    alone, whole = pipeline.embed(seen), pipeline.features(seen).vector
    np.testing.assert_allclose(alone, whole, atol=1e-6)
