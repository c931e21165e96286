"""The page of one's own account: the password, where one is signed in, signing out."""

from starlette.responses import RedirectResponse, Response

from tusou.accounts import passwords
from tusou.accounts.secrets import digest
from tusou.accounts.sessions import LONGEST_SECONDS
from tusou.web.console import door
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Visit


def show(visit: Visit) -> Response:
    """The page."""
    return _show(visit)


def change_password(visit: Visit) -> Response:
    """Another password; every other browser is signed out, this one stays."""
    fields, user = visit.fields, visit.user
    old, new, again = (fields.text(name) or "" for name in ("old", "new", "again"))
    if new != again:
        return _show(visit, visit.say("account.unlike"))
    if not passwords.SHORTEST <= len(new) <= passwords.LONGEST:
        return _show(visit, visit.say("account.length", n=passwords.SHORTEST))
    if not visit.proves(old):
        return _show(visit, visit.say("account.wrong"))
    visit.runtime.users.set_password(user.name, new)
    request = visit.request
    address = request.client.host if request.client else ""
    token = visit.runtime.sessions.open(user, address, request.headers.get("user-agent", ""))
    response = visit.go("/account", "password_changed")
    door.set_cookie(request, response, door.COOKIE, token, LONGEST_SECONDS)
    return response


def sign_out(visit: Visit) -> Response:
    """End this session."""
    visit.runtime.sessions.close(visit.token)
    response = RedirectResponse("/console/sign-in", status_code=303)
    response.delete_cookie(door.COOKIE, path="/console", httponly=True, samesite="lax")
    return response


def sign_out_others(visit: Visit) -> Response:
    """End all other sessions of the user."""
    visit.runtime.sessions.close_others(visit.user, visit.token)
    return visit.go("/account", "others_signed_out")


def _show(visit: Visit, problem: str = "") -> Response:
    return visit.page(
        "account.html",
        status=400 if problem else 200,
        sessions=visit.runtime.sessions.list(visit.user),
        mine=digest(visit.token).hex(),
        shortest=passwords.SHORTEST,
        problem=problem,
    )


PAGE = Page(
    None,
    (
        Work("GET", "/account", show),
        Work("POST", "/account/password", change_password),
        Work("POST", "/account/sign-out", sign_out),
        Work("POST", "/account/sign-out-others", sign_out_others),
    ),
)
