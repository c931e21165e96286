"""Calls of the native interface."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from support.server import Answer, Caller, b64

PICTURE = {
    *("id", "cont_sign", "brief", "classes", "width", "height", "bytes", "media_type"),
    *("created", "updated", "has_file"),
}
PROBLEM = {"type", "title", "status", "detail", "error_code", "log_id"}
Ask = Callable[..., httpx.Response]


def asking(caller: Caller) -> Ask:
    """Calls of an application with its token in a header; paths begin below the libraries."""

    def ask(method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {caller.token}", **options.pop("headers", {})}
        return caller.http.request(method, f"/v1/libraries{path}", headers=headers, **options)

    return ask


def added(ask: Ask, service: str, image: bytes, brief: str, **classes: Any) -> int:
    """Add a picture; returns its id."""
    sent = {"image": b64(image), "brief": brief, **classes}
    response = ask("POST", f"/{service}/pictures", json=sent)
    assert response.status_code == 201, response.text
    return int(response.json()["id"])


def ended(ask: Ask, accepted: httpx.Response) -> Answer:
    """A task that was asked for, once it is over."""
    assert accepted.status_code == 202, accepted.text
    path = accepted.headers["location"].removeprefix("/v1/libraries")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        task: Answer = ask("GET", path).json()
        if task["state"] not in ("waiting", "running"):
            return task
        time.sleep(0.05)
    raise AssertionError(f"{path} takes too long")
