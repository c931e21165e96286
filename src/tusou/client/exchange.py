"""How a call becomes requests: tokens, retries and lost answers, without any input or output.

`Exchange.steps` is a generator. It asks for one step after the other: `Send` a request, `Pause`,
`Renew` the token. Whoever drives it, by blocking or by awaiting, sends back the response or the
error of httpx; what the generator returns is the result.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from tusou import __version__
from tusou.client.call import Body, Call, Until
from tusou.client.problems import (
    NotUnderstood,
    Rejected,
    StillRunning,
    TimedOut,
    Unauthorized,
    Unreachable,
    rejection,
)
from tusou.errors import Problem

T = TypeVar("T")

_HEADERS = {"user-agent": f"tusou/{__version__}"}
_EARLY_SECONDS = 30
"""Before its end a token is renewed."""
_STALE = (Problem.TOKEN_INVALID.code, Problem.TOKEN_EXPIRED.code)
_PASSES = (Problem.UNAVAILABLE.code, Problem.OVERLOADED.code, Problem.QPS_LIMIT.code)
"""Problems that pass by themselves, and of which the server did nothing."""
_PROXY = (429, 502, 503, 504)
"""Statuses by which what stands before a server says that it does not answer now."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str] | None = None
    body: Body = field(default_factory=Body)
    into: Path | None = None
    """Where the body of a good answer is written."""
    once: bool = False
    """It is not sent again where it may have been carried out."""

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request as httpx has it."""
        awaits = isinstance(http, httpx.AsyncClient)
        return http.build_request(
            self.method,
            self.url,
            headers=self.headers,
            params=self.query,
            **(self.body.awaiting() if awaits else self.body.blocking()),
        )


class Pause(NamedTuple):
    """Wait so many seconds."""

    seconds: float


class Renew(NamedTuple):
    """Drive `Exchange.renewal`, one at a time however many calls ask for it."""

    stale: str


Step = Send | Pause | Renew
Reply = httpx.Response | httpx.RequestError | None
"""The answer to a `Send`; None to the others."""
Steps = Generator[Step, Reply, T]


@dataclass(frozen=True, slots=True)
class Retries:
    """When a call is tried again.

    The pauses double from try to try. Each is drawn by lot from the half of that to all of it, so
    that many clients of a server that comes back do not all come at once.
    """

    times: int = 3
    first_seconds: float = 0.25
    longest_seconds: float = 20.0
    """A server that asks for a longer pause is not asked again."""
    draw: Callable[[], float] = random.random

    def pause(self, number: int, asked: float | None) -> float | None:
        """Seconds before the try after try `number` (from 0); None: there is none.

        Args:
            number: Of the try that failed.
            asked: What the server asked for.
        """
        if number >= self.times or (asked or 0) > self.longest_seconds:
            return None
        most = min(self.first_seconds * 2.0**number, self.longest_seconds)
        return (asked or 0) + most * (0.5 + self.draw() / 2)


class Exchange:
    """One application's calls to one server; calls in hand share the token."""

    def __init__(self, api_key: str, secret_key: str, host: str, retries: Retries) -> None:
        """Ask for nothing yet.

        Raises:
            ValueError: `host` is no address with http:// or https://.
        """
        parts = urlsplit(host)
        # An impossible port is a ValueError of its own.
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"host must begin with http:// or https://, not {host!r}")
        self._host = host.rstrip("/")
        self._keys = api_key.strip(), secret_key.strip()
        self._retries = retries
        self._token = ""
        self._until = 0.0

    def steps(self, call: Call[T]) -> Steps[T]:
        """Make a call, or one call until something is over.

        Raises:
            ClientError: what came of it instead of a result.
        """
        return self._made(call) if call.until is None else self._awaited(call, call.until)

    def _awaited(self, call: Call[T], until: Until) -> Steps[T]:
        end = None if until.timeout is None else time.monotonic() + until.timeout
        for pause in until.pauses():
            try:
                told = yield from self._made(call)
            except Rejected as problem:
                if until.rejected is None:
                    raise
                result: T = until.rejected(problem)
                return result
            if until.over(told):
                return told
            left = pause if end is None else end - time.monotonic()
            if left <= 0:
                break
            yield Pause(min(pause, left))
        raise StillRunning(told)

    def _made(self, call: Call[T]) -> Steps[T]:
        if time.monotonic() > self._until:
            yield Renew(self._token)
        token = self._token
        response, repeated = yield from self._patiently(self._sent(call))
        if _is_stale(response):
            yield Renew(token)
            response, again = yield from self._patiently(self._sent(call))
            repeated = repeated or again
        if response.is_success:
            return _understood(call, response)
        rejected = rejection(_problem(response))
        if not (repeated and call.repeated):
            raise rejected
        meant = call.repeated(rejected)
        return (yield from self.steps(meant)) if isinstance(meant, Call) else meant

    def renewal(self, stale: str) -> Steps[None]:
        """Get a token, unless another call has got one instead of `stale` meanwhile.

        Raises:
            Unauthorized: the keys are wrong; or what `steps` raises.
        """
        if self._token != stale:
            return
        api_key, secret_key = self._keys
        fields = {
            "grant_type": "client_credentials",
            "client_id": api_key,
            "client_secret": secret_key,
        }
        # In the body: an address is written into logs.
        send = Send("POST", f"{self._host}/oauth/2.0/token", _HEADERS, body=Body(fields))
        response, _ = yield from self._patiently(send)
        grant = _object(response)
        if "error" in grant:
            raise _wrong_keys(response.status_code, grant)
        try:
            token, seconds = str(grant["access_token"]), int(grant["expires_in"])
        except (KeyError, ValueError, TypeError) as error:
            raise NotUnderstood(_odd(response)) from error
        self._token, self._until = token, time.monotonic() + seconds - _EARLY_SECONDS

    def _sent(self, call: Call[T]) -> Send:
        headers = {**_HEADERS, **call.headers, "authorization": f"Bearer {self._token}"}
        url = self._host + call.path
        return Send(call.method, url, headers, call.query, call.body, call.into, call.once)

    def _patiently(self, send: Send) -> Steps[tuple[httpx.Response, bool]]:
        """Send it until there is an answer that will not change by waiting.

        Returns:
            The answer, and whether an earlier try may have been carried out.
        """
        repeated, number = False, 0
        while True:
            reply = yield send
            if isinstance(reply, httpx.Response) and not _passes(reply):
                return reply, repeated
            pause = self._retries.pause(number, _asked(reply))
            if pause is None or (send.once and _may_be_done(reply)):
                return self._given_up(reply), repeated
            repeated = repeated or _may_be_done(reply)
            yield Pause(pause)
            number += 1

    def _given_up(self, reply: Reply) -> httpx.Response:
        """The answer after all tries, if it is one.

        Raises:
            Unreachable: it is none.
        """
        if isinstance(reply, httpx.Response):
            if _is_problem(reply):
                return reply
            raise Unreachable(
                f"{self._host}: it, or what stands before it, says {reply.status_code}"
            )
        kind = TimedOut if isinstance(reply, httpx.TimeoutException) else Unreachable
        raise kind(f"{self._host}: {reply or type(reply).__name__}") from reply


def _is_stale(response: httpx.Response) -> bool:
    return _is_problem(response) and bool(_problem(response)["error_code"] in _STALE)


def _passes(response: httpx.Response) -> bool:
    """Whether another try may get another answer."""
    if _is_problem(response):
        return bool(_problem(response)["error_code"] in _PASSES)
    return response.status_code in _PROXY


def _may_be_done(reply: Reply) -> bool:
    """Whether the server may have done what was asked, though nobody was told."""
    if isinstance(reply, httpx.Response):
        return not _is_problem(reply)
    return not isinstance(reply, _NEVER_SENT)


def _asked(reply: Reply) -> float | None:
    """Seconds of a Retry-After, which are a number or a date."""
    text = reply.headers.get("retry-after") if isinstance(reply, httpx.Response) else None
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _is_problem(response: httpx.Response) -> bool:
    media_type: str = response.headers.get("content-type", "")
    return media_type.startswith("application/problem+json")


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    if not _is_problem(response):
        raise NotUnderstood(_odd(response))
    facts = _object(response)
    if not {"type", "title", "status", "detail", "error_code", "log_id"} <= facts.keys():
        raise NotUnderstood(_odd(response))
    return facts


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        facts = response.json()
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise NotUnderstood(_odd(response))
    return facts


def _understood(call: Call[T], response: httpx.Response) -> T:
    try:
        return call.read(response)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotUnderstood(_odd(response)) from error


def _odd(response: httpx.Response) -> str:
    kind = response.headers.get("content-type", "nothing")
    return f"{response.url.host} answered {response.status_code} with {kind}, not as tusou does"


def _wrong_keys(status: int, grant: Mapping[str, Any]) -> Rejected:
    """A refusal of the token endpoint, which has a form of its own, as other refusals are."""
    problem = Problem.SIGNATURE
    return Unauthorized(
        {
            "type": problem.urn,
            "title": str(grant.get("error", problem.message)),
            "status": status,
            "detail": str(grant.get("error_description", "")),
            "error_code": problem.code,
            "log_id": grant.get("log_id", 0),
        }
    )
