#!/usr/bin/env python3
"""The manual's program for the feature service, for Python 3.

    classify.py HOST:PORT FILE [FEATUREIDS]

FEATUREIDS is 1 (embedding), 2 (visual words), 3 (keypoints) or several: 1,2,3. Prints how many
bytes each feature has. Needs the package `protobuf`, and imgfeature_pb2, which comes with tusou;
elsewhere make it with `protoc --python_out=. imgfeature.proto`.
"""

import base64
import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tusou.web.private import imgfeature_pb2


class CalFeatureError(Exception):
    """The server answered with an error."""


def features(
    address: str, image: bytes, infos: Mapping[str, str], logid: int = 0
) -> dict[int, bytes]:
    """Ask the feature service of HOST:PORT; returns the features by their ids."""
    request = imgfeature_pb2.FeatureRequest(image=image, query_sign="0,0")
    for key, value in infos.items():
        request.info.texts.add(key=key, value=value)
    body = {
        "appid": "123456",
        "logid": logid,
        "format": "json",
        "from": "test-python",
        "cmdid": "123",
        "clientip": "0.0.0.0",
        "data": base64.b64encode(request.SerializeToString()).decode(),
    }
    url = f"http://{address}/GeneralClassifyService/classify"
    with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=60) as answer:
        result = json.load(answer)
    if result["err_no"] != 0:
        raise CalFeatureError(f"{result['err_no']}:{result['err_msg']}")
    response = imgfeature_pb2.FeatureResponse.FromString(base64.b64decode(result["result"]))
    return {feature.fea_id: feature.fea_data for feature in response.features}


def main() -> None:
    """Ask for the features of a picture and say how long it took."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    asked = {"detect": "1", "usedb": "0", "featureids": "".join(sys.argv[3:])}
    start = time.perf_counter()
    found = features(sys.argv[1], Path(sys.argv[2]).read_bytes(), asked)
    print(f"time cost: {(time.perf_counter() - start) * 1000:.2f} ms")
    for number, data in found.items():
        print(number, len(data))


if __name__ == "__main__":
    main()
