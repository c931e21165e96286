"""What keeps other sites, and scripts that are not ours, out of the console."""

from starlette.requests import Request

from tusou.errors import Problem, TusouError
from tusou.web.bodies import Fields
from tusou.web.console.visit import is_csrf
from tusou.web.headers import COMMON

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
    "cache-control": "no-store",
    **COMMON,
}
WHEN_ENCRYPTED = {"strict-transport-security": "max-age=31536000"}


def require_own_page(request: Request, token: str, fields: Fields) -> None:
    """Refuse a change that no page of this session asked for.

    Raises:
        TusouError: PERMISSION.
    """
    require_no_other_site(request)
    given = request.headers.get("x-csrf-token") or fields.text("csrf") or ""
    if not is_csrf(token, given):
        raise TusouError(Problem.PERMISSION, "the request does not come from a page of yours")


def require_no_other_site(request: Request) -> None:
    """Refuse what a browser says another site had it send.

    Raises:
        TusouError: PERMISSION.
    """
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise TusouError(Problem.PERMISSION, "the request comes from another site")
