"""One application's way to a server: tokens, signatures, timeouts, and answers as they come."""

import base64
import threading
import time
from collections.abc import Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx

from tusou import __version__
from tusou.client import pictures, signing
from tusou.client.pictures import Refused
from tusou.errors import LocalProblem, Problem
from tusou.services import SERVICES

Answer = dict[str, Any]
Fields = Mapping[str, Any]

_SCOPE = "brain_all_scope"
_STALE = (Problem.TOKEN_INVALID.code, Problem.TOKEN_EXPIRED.code)
_EARLY = 30
"""Seconds before its end that a token is renewed."""


class Connection:
    """Calls as the vendor's clients make them; threads may share it.

    What the server says is an answer and never an exception, errors too.
    """

    def __init__(
        self,
        appId: str,
        apiKey: str,
        secretKey: str,
        host: str = "http://127.0.0.1:8080",
        *,
        verify: bool | SSLContext = True,
    ) -> None:
        """Ask for nothing yet; the first call gets a token.

        Args:
            appId: The application's AppID, which no call needs.
            apiKey: Its API Key.
            secretKey: Its Secret Key.
            host: The server's address, with http:// or https://.
            verify: Whether the server must show a certificate that this machine trusts, or one
                that a context does.

        Raises:
            ValueError: `host` is no such address.
        """
        parts = urlsplit(host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"host must begin with http:// or https://, not {host!r}")
        self._host = host.rstrip("/")
        self._app_id, self._keys = appId.strip(), (apiKey.strip(), secretKey.strip())
        self._verify = verify
        self._connect_seconds = self._answer_seconds = 60.0
        self._proxies: Mapping[str, str] = {}
        self._token = ""
        self._renewal = 0.0
        self._signs = False
        self._asking = threading.Lock()
        self._http = self._open()

    def getVersion(self) -> str:
        """The version of this client."""
        return __version__

    def setConnectionTimeoutInMillis(self, ms: float) -> None:
        """How long to wait for a connection."""
        self._connect_seconds = ms / 1000
        self._http.timeout = self._timeout()

    def setSocketTimeoutInMillis(self, ms: float) -> None:
        """How long to wait for an answer."""
        self._answer_seconds = ms / 1000
        self._http.timeout = self._timeout()

    def setProxies(self, proxies: Mapping[str, str]) -> None:
        """Go by proxies, such as `{"https": "http://10.0.0.1:3128"}`."""
        self._proxies = proxies
        self._http.close()
        self._http = self._open()

    def report(self, feedback: str) -> Answer:
        """Say whether results were right: JSON, or plain words."""
        return self.post("/rpc/2.0/feedback/v1/report", {"feedback": feedback})

    def call(self, service: str, operation: str, fields: Fields) -> Answer:
        """Make a call of a service; `image` is a picture's bytes or the path of its file.

        Raises:
            ConnectionError: the server cannot be reached.
            ValueError: what answered is no server of this kind.
        """
        row, data = SERVICES[service], dict(fields)
        try:
            if not isinstance(data.get("image", ""), str):  # text is base64 already
                image = pictures.read(data["image"])
                if image:  # what is not there, the server says in its own words
                    pictures.check(image, row)
                data["image"] = base64.b64encode(image).decode()
        except Refused as refusal:
            return _local(refusal.problem)
        return self.post(f"{row.prefix}/{operation}", data)

    def post(self, url: str, data: Fields, headers: Mapping[str, str] | None = None) -> Answer:
        """Post fields to a path of the server, as they are; raises what `call` does."""
        path, body = url.removeprefix(self._host), _form(data)
        try:
            answer, token = self._send(path, body, headers or {})
            if answer.get("error_code") in _STALE and token:
                self._renew(token)
                answer, _ = self._send(path, body, headers or {})
        except httpx.TimeoutException:
            return _local(LocalProblem.TIMEOUT)
        except httpx.TransportError as error:
            raise ConnectionError(f"{self._host}: {error}") from error
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, path: str, body: bytes, extra: Mapping[str, str]) -> tuple[Answer, str]:
        """The answer, and the token by which it was asked for; empty: by signature."""
        if not self._signs and time.monotonic() > self._renewal:
            self._renew(self._token)
        token = "" if self._signs else self._token
        query = {"aipSdk": "tusou", "aipVersion": __version__}
        headers = {"content-type": "application/x-www-form-urlencoded", **extra}
        if token:
            query["access_token"] = token
        else:
            headers |= signing.headers(self._host + path, query, *self._keys)
        response = self._http.post(
            f"{self._host}{path}?{urlencode(query)}", content=body, headers=headers
        )
        return _object(response), token

    def _renew(self, stale: str) -> None:
        """Get a token instead of `stale`, once for all threads that hold it.

        Where there is none to be had, all requests are signed from then on, as the official client
        does it; so wrong keys are told by the calls themselves.
        """
        with self._asking:
            if self._signs or self._token != stale:
                return
            api_key, secret_key = self._keys
            query = {
                "grant_type": "client_credentials",
                "client_id": api_key,
                "client_secret": secret_key,
            }
            # By form: a query is written into logs.
            grant = _object(self._http.post(f"{self._host}/oauth/2.0/token", data=query))
            self._signs = _SCOPE not in str(grant.get("scope", "")).split()
            self._token = str(grant.get("access_token", ""))
            self._renewal = time.monotonic() + int(grant.get("expires_in", 0)) - _EARLY

    def _open(self) -> httpx.Client:
        mounts = {
            f"{scheme}://": httpx.HTTPTransport(proxy=proxy, verify=self._verify)
            for scheme, proxy in self._proxies.items()
        }
        return httpx.Client(timeout=self._timeout(), verify=self._verify, mounts=mounts)

    def _timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self._answer_seconds, connect=self._connect_seconds)


def _form(data: Fields) -> bytes:
    fields = {name: value for name, value in data.items() if value is not None}
    return urlencode(fields, doseq=True).encode()


def _object(response: httpx.Response) -> Answer:
    answer = response.json()
    if not isinstance(answer, dict):
        raise ValueError(f"{response.url.host} answered with something else than a JSON object")
    return answer


def _local(problem: LocalProblem) -> Answer:
    return {"error_code": problem.code, "error_msg": problem.message}
