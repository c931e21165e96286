import numpy as np
import pytest

from tusou.index.kmeans import nearest, train


def bundles(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Rows close to three axes in turn."""
    noise = np.random.default_rng(1).normal(0, 0.01, (count, 3))
    return (np.eye(3)[np.arange(count) % 3] + noise).astype(np.float32)


def test_each_bundle_gets_a_centroid_of_its_own() -> None:
    sample = np.concatenate([bundles(300), np.eye(3, dtype=np.float32)])
    groups = nearest(np.eye(3, dtype=np.float32), train(sample, 24))
    assert len(set(groups.tolist())) == 3


def test_centroids_have_unit_length_even_where_rows_repeat() -> None:
    centroids = train(np.tile(bundles(3), (20, 1)), 10)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_training_can_be_given_up() -> None:
    def give_up() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(bundles(30), 3, give_up)
