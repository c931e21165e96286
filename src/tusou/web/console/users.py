"""The page of users, an operator's: who may sign in, as what, for which applications."""

from starlette.responses import Response

from tusou.accounts import passwords
from tusou.accounts.secrets import new_key
from tusou.accounts.users import ROLES, User
from tusou.errors import Problem, TusouError
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Entry, Visit

_GENERATED = 16  # characters of a password that is made up


def show(visit: Visit) -> Response:
    """All users."""
    visit.must_operate()
    return _show(visit)


def add(visit: Visit) -> Response:
    """Make a user; a password that is made up is shown this once."""
    visit.must_operate()
    name = (visit.fields.text("name") or "").strip()
    password, problem = _password(visit)
    if problem:
        return _show(visit, problem)
    given = {app.id for app in visit.apps() if visit.fields.text(f"app.{app.id}") is not None}
    try:
        visit.runtime.users.add(name, password, visit.fields.text("role") or "", given)
    except ValueError:
        return _show(visit, visit.say("users.unfit"))
    return _tell(visit, "user_added", name, password)


def change_password(visit: Visit) -> Response:
    """Give a user another password, who is signed out everywhere."""
    user = _user(visit)
    password, problem = _password(visit)
    if problem:
        return _show(visit, problem)
    visit.runtime.users.set_password(user.name, password)
    return _tell(visit, "user_password", user.name, password)


def grant(visit: Visit) -> Response:
    """Give a user an application."""
    user, app_id = _user(visit), _app_id(visit)
    if app_id in user.apps:
        raise TusouError(Problem.ITEM_EXISTS, f"{user.name} has {app_id}")
    visit.runtime.users.grant(user.name, app_id)
    return visit.go("/users", "user_changed")


def revoke(visit: Visit) -> Response:
    """Take an application from a user."""
    user, app_id = _user(visit), _app_id(visit)
    if app_id not in user.apps:
        raise TusouError(Problem.ITEM_MISSING, f"{user.name} does not have {app_id}")
    visit.runtime.users.revoke(user.name, app_id)
    return visit.go("/users", "user_changed")


def ask_remove(visit: Visit) -> Response:
    """Say what removing means, and have the name typed."""
    return _confirm(visit, _user(visit))


def remove(visit: Visit) -> Response:
    """Remove a user, who is signed out at once; nobody removes themself."""
    user = _user(visit)
    if user.id == visit.user.id:
        return _show(visit, visit.say("users.oneself"))
    if (visit.fields.text("typed") or "").strip() != user.name:
        return _confirm(visit, user, status=400)
    visit.runtime.users.remove(user.name)
    return visit.go("/users", "user_removed")


def _show(visit: Visit, problem: str = "", told: tuple[str, str] | None = None) -> Response:
    apps = visit.apps()
    return visit.page(
        "users.html",
        status=400 if problem else 200,
        users=visit.runtime.users.list(),
        roles=ROLES,
        apps=apps,
        names={app.id: app.name for app in apps},
        problem=problem,
        told=told,
        shortest=passwords.SHORTEST,
    )


def _tell(visit: Visit, said: str, name: str, password: str) -> Response:
    """On with it; or the page with a password that was made up, as a redirect would lose it."""
    if visit.fields.text("password") is not None:
        return visit.go("/users", said)
    return _show(visit, told=(name, password))


def _password(visit: Visit) -> tuple[str, str]:
    """What was typed or is made up, and what is wrong with it."""
    typed = visit.fields.text("password")
    if typed is None:
        return new_key(_GENERATED), ""
    fits = passwords.SHORTEST <= len(typed) <= passwords.LONGEST
    return typed, "" if fits else visit.say("account.length", n=passwords.SHORTEST)


def _user(visit: Visit) -> User:
    """The user in the path, for an operator."""
    visit.must_operate()
    name = str(visit.request.path_params["name"])
    try:
        return visit.runtime.users.get(name)
    except ValueError:
        raise TusouError(Problem.ITEM_MISSING, name) from None


def _app_id(visit: Visit) -> int:
    number = visit.fields.integer("app", 1, 2**31)
    if number is None:
        raise TusouError(Problem.MISSING_PARAM, "param app not exist")
    return visit.runtime.apps.get(number).id


def _confirm(visit: Visit, user: User, status: int = 200) -> Response:
    return visit.page(
        "confirm.html",
        status=status,
        act="remove",
        title=visit.say("users.remove_title", name=user.name),
        text=visit.say("users.remove_text"),
        more="",
        typed=user.name,
        wrong=status != 200,
        action=f"/console/users/{user.name}/remove",
        back="/console/users",
        button=visit.say("users.remove"),
    )


_USER = "/users/{name}"

PAGE = Page(
    Entry("users", "/users", "users", operators_only=True),
    (
        Work("GET", "/users", show),
        Work("POST", "/users", add),
        Work("POST", f"{_USER}/password", change_password),
        Work("POST", f"{_USER}/grant", grant),
        Work("POST", f"{_USER}/revoke", revoke),
        Work("GET", f"{_USER}/remove", ask_remove),
        Work("POST", f"{_USER}/remove", remove),
    ),
)
