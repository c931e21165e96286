"""Baidu's own cloud library, `bce-python-sdk`, which signs every request, unmodified."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from baidubce import bce_client_configuration
from baidubce.auth import bce_v1_signer
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.http import bce_http_client

from support import round_trip
from support.host import PictureHost
from support.round_trip import Trip
from support.server import Answer, Caller, Server, b64
from tusou.services import OPERATIONS, SERVICES

_CALLS = {
    round_trip.method(service, family): (service, family)
    for service in SERVICES
    for family in round_trip.FAMILIES
}
# What it signs by default: host, length, type and MD5; and what a careful caller names.
SIGNED = {"by default": None, "named": {b"host", b"content-type", b"x-bce-date"}, "host": {b"host"}}


class BceClient:
    """The library's transport and its signer."""

    def __init__(self, caller: Caller, signed: set[bytes] | None = None) -> None:
        self._signed = signed
        self._config = BceClientConfiguration(
            credentials=BceCredentials(caller.api_key, caller.secret_key),
            endpoint=str(caller.http.base_url).rstrip("/"),
        )
        self._config.merge_non_none_values(bce_client_configuration.DEFAULT_CONFIG)

    def call(
        self, method: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        """It knows no image search: the calls have the names that other clients give them."""
        service, family = _CALLS[method]
        operation = next(word for word in OPERATIONS if family.lower().startswith(word))
        name = next(
            (name for end, name in (("Sign", "cont_sign"), ("Url", "url")) if family.endswith(end)),
            "image",
        )
        form = {name: b64(subject) if isinstance(subject, bytes) else subject, **options}
        if brief is not None:
            form["brief"] = brief
        return self.post(f"{SERVICES[service].prefix}/{operation}", form)

    def post(
        self, path: str, form: dict[str, Any], params: dict[bytes, bytes] | None = None
    ) -> Answer:
        """Send a form and read the answer."""

        def sign(*request: Any) -> Any:
            return bce_v1_signer.sign(*request, headers_to_sign=self._signed)

        def read(response: Any, answer: Any) -> bool:
            answer.body = response.read()
            return True

        sent = bce_http_client.send_request(
            self._config,
            sign,
            [read],
            b"POST",
            path.encode(),
            urlencode(form).encode(),
            # It leaves its connections open, which warnings as errors would hold against us.
            {b"Content-Type": b"application/x-www-form-urlencoded", b"Connection": b"close"},
            params or {},
        )
        return dict(json.loads(sent.body))


@pytest.mark.parametrize("service", SERVICES)
def test_a_library_is_filled_searched_changed_and_emptied(
    open_server: Server, service: str
) -> None:
    caller = open_server.caller(service)
    Trip(BceClient(caller), service).with_pictures()
    with PictureHost(round_trip.PICTURES) as host:
        urls = {name: host.url(name) for name in round_trip.PICTURES}
        Trip(BceClient(caller), service).with_urls(urls)
    lines = open_server.lines_of(caller.app_id, 20)
    assert {line["auth"] for line in lines} == {"signature"}


@pytest.mark.parametrize("signed", SIGNED.values(), ids=SIGNED)
def test_whatever_headers_and_query_are_signed(
    server: Server, caller: Caller, signed: set[bytes] | None
) -> None:
    client = BceClient(caller, signed)
    path, form = f"{SERVICES['similar'].prefix}/search", {"image": b64(round_trip.A)}
    for params in ({}, {b"b": "图 库&=+/~".encode(), b"a": b"", b"A": b"1"}):
        assert "result_num" in client.post(path, form, params)
    server.wait_until_ready()


def test_another_secret_does_not_do(caller: Caller) -> None:
    caller.secret_key += "x"
    answer = BceClient(caller).call("similarSearch", round_trip.A)
    assert answer["error_code"] == 14
