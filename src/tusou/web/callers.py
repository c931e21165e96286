"""Who calls, by access token or signature as clients send them, and whether it may."""

from collections import OrderedDict

from starlette.requests import Request

from tusou.accounts.apps import App
from tusou.accounts.secrets import digest
from tusou.accounts.signatures import SignedRequest
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime

_REMEMBERED = 4096


def caller(runtime: Runtime, request: Request) -> App:
    """The application that made a request.

    Raises:
        TusouError: NO_CREDENTIALS, TOKEN_INVALID, TOKEN_EXPIRED, SIGNATURE or APP_GONE.
    """
    token = _token(request)
    request.state.note["auth"] = "token" if token else "signature"
    if not token:
        return _signer(runtime, request)
    try:
        return runtime.tokens.holder(token)
    except TusouError as error:
        # The official Python client renews its token on 110 and gives up on 111.
        if (
            error.problem is Problem.TOKEN_EXPIRED
            and request.query_params.get("aipSdk") == "python"
        ):
            raise TusouError(Problem.TOKEN_INVALID) from error
        raise


def charge(runtime: Runtime, app: App, service: str, operation: str) -> None:
    """Pass where the application may make a call, and count it.

    Raises:
        TusouError: PERMISSION, MODULE_CLOSED, or the limit that it has reached.
    """
    app.permit(service)
    if service in runtime.settings.closed_services:
        raise TusouError(Problem.MODULE_CLOSED, f"{service} is switched off")
    runtime.billing.standing.permit(app.id, service, operation)
    runtime.quotas.admit(app, service, operation)


def _signer(runtime: Runtime, request: Request) -> App:
    authorization = request.headers.get("authorization", "")
    if not authorization:
        raise TusouError(
            Problem.NO_CREDENTIALS, "no access_token in the query and no authorization header"
        )
    scope = request.scope
    host = request.headers.get("host", "").encode("latin-1")
    signed = SignedRequest(
        method=request.method,
        path=scope["raw_path"],
        query=scope["query_string"],
        headers=scope["headers"],
        hosts=tuple(dict.fromkeys((host, *request.state.forwarded_hosts))),
    )
    return runtime.signatures.signer(authorization, signed)


def _token(request: Request) -> str:
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return bearer.strip()
    token = request.query_params.get("access_token", "")
    # The official Node client glues its query on twice: "…&access_token=TOKEN?aipSdk=node".
    return token.partition("?")[0]


class Refused:
    """Whose the credentials were that were refused for a quota last.

    A caller far over its limit is refused by them without being looked up. That can tell someone
    whose token was ended a moment ago of the wrong hurdle; it lets nobody in.
    """

    def __init__(self) -> None:
        self._apps: OrderedDict[bytes, int] = OrderedDict()

    def note(self, request: Request, app_id: int) -> None:
        """Remember the sender of a refused request."""
        self._apps[_credentials(request)] = app_id
        if len(self._apps) > _REMEMBERED:
            self._apps.popitem(last=False)

    def sender(self, request: Request) -> int | None:
        """Who sends this request, where the last refused one of its credentials is remembered."""
        return self._apps.get(_credentials(request))


def _credentials(request: Request) -> bytes:
    """A token, or a signature, which is the same for a second, as its time has no smaller part."""
    return digest(_token(request) or request.headers.get("authorization", ""))
