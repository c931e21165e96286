"""Candidates of several sources take turns; what a move embeds is what an add embeds."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pictures import encoded, goods, picture
from tusou.errors import Problem, TusouError
from tusou.images.decode import decode
from tusou.library.pipelines import EmbeddingPipeline, SubjectPipeline, _in_turns
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.types import Picture, Rgb
from tusou.vision import packs
from tusou.vision.embed import Embedder
from tusou.vision.subject import Finder

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
    pipeline, shown = base.pipelines[service.pipeline], decode(picture(1), service)
    alone, whole = pipeline.embed(shown), pipeline.features(shown).vector
    np.testing.assert_allclose(alone, whole, atol=1e-6)


@pytest.fixture(scope="module")
def sight() -> Iterator[tuple[Embedder, Finder]]:
    """A model of embeddings and one of subjects."""
    with Embedder(packs.bundled()["base"]) as embedder:
        finder = Finder()
        yield embedder, finder
        finder.close()


def seen(rgb: Rgb) -> Picture:
    return decode(encoded(rgb), SERVICES["product"])


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_small_subject_is_looked_at_closely(sight: tuple[Embedder, Finder], kind: int) -> None:
    embedder, finder = sight
    near, far = seen(goods((240, 160), seed=kind, radius=140)), seen(goods((90, 90), seed=kind))
    whole, both = EmbeddingPipeline(embedder), SubjectPipeline(embedder, finder)
    assert both.embed(near) @ both.embed(far) > whole.embed(near) @ whole.embed(far) + 0.05


def test_a_scene_without_a_subject_is_seen_whole(sight: tuple[Embedder, Finder]) -> None:
    embedder, finder = sight
    empty = seen(goods())
    vector = SubjectPipeline(embedder, finder).embed(empty)
    np.testing.assert_allclose(vector, EmbeddingPipeline(embedder).embed(empty), atol=1e-5)


@pytest.mark.parametrize(
    ("places", "reason"), [((), "no subject"), (((110, 160), (370, 160)), "2 subjects")]
)
def test_none_or_too_many_subjects_can_be_refused(
    sight: tuple[Embedder, Finder], places: tuple[tuple[int, int], ...], reason: str
) -> None:
    strict = SubjectPipeline(*sight, most=1)
    strict.embed(seen(goods((240, 160))))
    with pytest.raises(TusouError, match=reason) as caught:
        strict.embed(seen(goods(*places)))
    assert caught.value.problem is Problem.IMAGE_UNUSABLE
