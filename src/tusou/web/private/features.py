"""GeneralClassifyService: a picture in, its features out, both as protobuf in JSON."""

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import Service
from tusou.web.private import inputs
from tusou.web.private.imgfeature_pb2 import Feature, FeatureRequest, FeatureResponse

EMBEDDING, WORDS, KEYPOINTS = 1, 2, 3


def classify(runtime: Runtime, service: Service, message: inputs.Message) -> Mapping[str, Any]:
    """See the picture of a FeatureRequest.

    Raises:
        TusouError: MISSING_PARAM, INVALID_PARAM, BASE64, or what is wrong with the picture.
    """
    inputs.name(message)
    request = request_of(message)
    asked = {text.key: text.value for text in request.info.texts}
    numbers = inputs.feature_numbers(asked.get("featureids", ""), (EMBEDDING, WORDS, KEYPOINTS))
    if not request.image:
        raise TusouError(Problem.IMAGE_EMPTY)
    seen = runtime.describe(request.image, service, local=numbers != [EMBEDDING])
    found = {EMBEDDING: seen.vector, WORDS: seen.words, KEYPOINTS: seen.keypoints}
    features = [Feature(fea_id=number, fea_data=found[number]) for number in numbers]
    result = FeatureResponse(features=features).SerializeToString()
    return {"result": base64.b64encode(result).decode()}


def request_of(message: inputs.Message) -> FeatureRequest:
    """The FeatureRequest in the field `data`.

    Raises:
        TusouError: MISSING_PARAM, INVALID_PARAM or BASE64.
    """
    data = message.data("data")
    if data is None:
        raise TusouError(Problem.MISSING_PARAM, "param data not exist")
    try:
        return FeatureRequest.FromString(data)
    except DecodeError:
        raise TusouError(Problem.INVALID_PARAM, "param data is not a FeatureRequest") from None
