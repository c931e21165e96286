"""GeneralClassifyService: pictures in, features out, laid out as documented."""

import base64
import struct
from typing import Any

import numpy as np
import pytest

from support.pictures import EXAMPLES, encoded, picture
from support.server import Answer, Server, b64
from tusou.vision import keypoints
from tusou.web.private.imgfeature_pb2 import FeatureRequest, FeatureResponse

CAT = (EXAMPLES / "cat.jpg").read_bytes()


def _ask(private: Server, serves: str = "same_hq", **fields: Any) -> Answer:
    url = f"{private.private[serves]}/GeneralClassifyService/classify"
    body = {"appid": "same", "from": "tests", "logid": 1, "format": "json", **fields}
    return dict(private.http.post(url, json=body).json())


def _request(image: bytes, **infos: str) -> bytes:
    request = FeatureRequest(image=image, query_sign="0,0")
    for key, value in infos.items():
        request.info.texts.add(key=key, value=value)
    return request.SerializeToString()


def _features(private: Server, image: bytes, featureids: str = "") -> dict[int, bytes]:
    answer = _ask(private, data=b64(_request(image, detect="1", usedb="0", featureids=featureids)))
    assert answer["err_no"] == 0, answer
    response = FeatureResponse.FromString(base64.b64decode(answer["result"]))
    return {feature.fea_id: feature.fea_data for feature in response.features}


def test_the_embedding_is_a_vector_of_unit_length_and_near_for_a_copy(private: Server) -> None:
    smaller = (EXAMPLES / "query" / "cat.jpg").read_bytes()
    others = [CAT, smaller, (EXAMPLES / "brick.jpg").read_bytes()]
    rows = []
    for image in others:
        found = _features(private, image)
        assert list(found) == [1]
        rows.append(np.frombuffer(found[1], "<f4"))
    cat, copy, brick = rows
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-3)
    assert cat @ copy > cat @ brick + 0.2


def test_words_and_keypoints_are_given_where_they_are_asked_for(private: Server) -> None:
    found = _features(private, CAT, "1,2,3")
    assert list(found) == [1, 2, 3]
    version, width, height, count = struct.unpack_from("<BIIH", found[3])
    assert (version, width, height) == (1, 451, 300)  # of the picture, in pixels
    assert len(found[3]) == 11 + 38 * count
    assert len(found[2]) == 6 * count
    x, y, scale, angle, first = struct.unpack_from("<HHBBB", found[3], 11)  # as docs/private.md
    points = keypoints.unpack(found[3])
    assert len(points) == count
    assert points.points[0] == pytest.approx([x / 65535 * 451 - 0.5, y / 65535 * 300 - 0.5])
    assert points.scales[0] == pytest.approx(451 * 2 ** (scale / 16 - 14))
    assert points.angles[0] == pytest.approx(angle * 2 * np.pi / 256)
    steps = keypoints.projection().steps
    assert points.descriptors[0, 0] == pytest.approx(((first >> 4) - 7.5) * steps[0])
    assert _features(private, CAT, " 3, 3") == {3: found[3]}


def test_the_data_can_be_sent_as_bytes(private: Server) -> None:
    data = _request(CAT).decode("latin-1")
    assert _ask(private, data=data, format="pb")["err_no"] == 0


def test_what_is_wrong_is_told_by_number(private: Server) -> None:
    flat = encoded(np.full((90, 90, 3), 128, np.uint8))
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 1),
        ({"data": "%"}, 1),
        ({"data": b64(b"\xff\xff")}, 1),
        ({"data": b64(_request(CAT)), "from": None}, 1),
        ({"data": b64(_request(CAT)), "appid": None}, 1),
        ({"data": b64(_request(CAT, featureids="4"))}, 1),
        ({"data": b64(_request(b""))}, 100),
        ({"data": b64(_request(b"no picture"))}, 100),
        ({"data": b64(_request(flat))}, 100),
    ]
    for fields, number in cases:
        answer = _ask(private, **fields)
        assert (answer["err_no"], set(answer)) == (number, {"err_no", "err_msg"}), fields


def test_a_service_without_local_features_says_so(private: Server) -> None:
    data = b64(_request(picture(1), featureids="2"))
    answer = _ask(private, "similar", data=data)
    assert answer["err_no"] == 1
    assert "similar" in answer["err_msg"]
