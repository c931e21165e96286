#!/usr/bin/env python3
"""The manual's program for adding, updating, searching and removing, for Python 3.

    rtsas.py SERVER CALL [--appid NAME] [--image FILE] [--brief TEXT] [--contsign A,B]

SERVER is http://127.0.0.1:8025 (similar), http://127.0.0.1:8027 (picturebook), or the main port
with /private/ and the name of a service. Begin with `signup`. Prints the answer.
"""

import argparse
import base64
import json
import struct
import urllib.request
from pathlib import Path
from typing import Any


def call(server: str, name: str, **params: Any) -> dict[str, Any]:
    """Post one call and return its answer."""
    params = {"format": "json", "from": "from_xx", "logid": 666, **params}
    url, body = f"{server}/RTSAsService/{name}", json.dumps(params).encode()
    with urllib.request.urlopen(url, data=body, timeout=60) as response:
        return dict(json.load(response))


def b64(data: bytes) -> str:
    """Bytes as the interface takes them where `format` is json."""
    return base64.b64encode(data).decode()


def signup(server: str, appid: str) -> dict[str, Any]:
    """Make a library."""
    return call(server, "signup", appid=appid)


def add(server: str, appid: str, image: Path, brief: str) -> dict[str, Any]:
    """Add a picture, with class 0 and subtype 4."""
    features = [
        {"fea_id": 1000, "fea_data": b64(brief.encode())},
        {"fea_id": 999, "fea_data": b64(struct.pack("<II", 0, 4))},
    ]
    return call(server, "add", appid=appid, image=b64(image.read_bytes()), features=features)


def update(server: str, appid: str, image: Path, brief: str) -> dict[str, Any]:
    """Give a picture another brief."""
    features = [{"fea_id": 1000, "fea_data": b64(brief.encode())}]
    return call(server, "update", appid=appid, image=b64(image.read_bytes()), features=features)


def search(server: str, appid: str, image: Path) -> dict[str, Any]:
    """Search by a picture."""
    return call(server, "search", appid=appid, image=b64(image.read_bytes()))


def remove(server: str, appid: str, contsign: str) -> dict[str, Any]:
    """Remove the picture that a search named."""
    sign1, sign2 = map(int, contsign.split(","))
    return call(server, "remove", appid=appid, contsign={"sign1": sign1, "sign2": sign2})


def snapshot(server: str, appid: str) -> dict[str, Any]:
    """How full the library is."""
    return call(server, "snapshot", appid=appid)


def main() -> None:
    """Make the call that the command line asks for."""
    parser = argparse.ArgumentParser(description="Calls of RTSAsService.")
    parser.add_argument("server")
    parser.add_argument("call", choices=["signup", "add", "update", "search", "remove", "snapshot"])
    parser.add_argument("--appid", default="test")
    parser.add_argument("--image", type=Path, default=Path("query.jpg"))
    parser.add_argument("--brief", default="addtest")
    parser.add_argument("--contsign", default="0,0")
    options = parser.parse_args()
    match options.call:
        case "signup":
            answer = signup(options.server, options.appid)
        case "add":
            answer = add(options.server, options.appid, options.image, options.brief)
        case "update":
            answer = update(options.server, options.appid, options.image, options.brief)
        case "search":
            answer = search(options.server, options.appid, options.image)
        case "remove":
            answer = remove(options.server, options.appid, options.contsign)
        case _:
            answer = snapshot(options.server, options.appid)
    print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    main()
