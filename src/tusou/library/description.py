"""What a pipeline sees in a picture, as bytes that other programs can read."""

from typing import NamedTuple

from tusou.errors import Problem, TusouError
from tusou.images.decode import decode
from tusou.library.models import Model
from tusou.services import Service
from tusou.storage.items import word_bytes
from tusou.vision import keypoints


class Description(NamedTuple):
    """The features of one picture."""

    vector: bytes
    """D little-endian float32 numbers, a vector of unit length."""
    words: bytes | None
    """W little-endian uint16 numbers of visual words, and then W uint32 signatures."""
    keypoints: bytes | None
    """As `vision.keypoints.pack` writes them."""


def describe(data: bytes, service: Service, model: Model, *, local: bool) -> Description:
    """See a picture as a service does that stores it.

    Args:
        data: The picture file.
        service: Its limits hold, and its pipeline sees.
        model: The pack to see by.
        local: Whether words and keypoints are wanted, which take longer.

    Raises:
        TusouError: INVALID_PARAM, the service has no words and keypoints; or what is wrong with the
            picture.
    """
    pipeline, picture = model.pipelines[service.pipeline], decode(data, service)
    if not local:
        vector = pipeline.embed(picture)
        return Description(vector.astype("<f4").tobytes(), None, None)
    features = pipeline.features(picture)
    if features.words is None or features.keypoints is None:
        raise TusouError(
            Problem.INVALID_PARAM, f"{service.name} compares pictures by their embedding alone"
        )
    return Description(
        features.vector.astype("<f4").tobytes(),
        word_bytes(features.words),
        keypoints.pack(features.keypoints),
    )
