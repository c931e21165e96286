"""The page of applications: who may call, with which keys, for which services."""

from starlette.responses import Response

from tusou.accounts.users import giving
from tusou.errors import Problem, TusouError
from tusou.services import SERVICES
from tusou.web.bodies import Fields
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Entry, Visit

_LONGEST_NAME = 100


def show_all(visit: Visit) -> Response:
    """List what the user may see."""
    libraries = visit.runtime.registry.list()
    apps = visit.apps()
    sizes = {app.id: sum(row.size for row in libraries if row.app_id == app.id) for app in apps}
    return visit.page("applications.html", apps=apps, sizes=sizes, services=SERVICES)


def show_new(visit: Visit) -> Response:
    """The form for another one."""
    _may_create(visit)
    return visit.page("application_new.html", services=SERVICES)


def create(visit: Visit) -> Response:
    """Make one; an owner's is theirs."""
    _may_create(visit)
    plan = visit.runtime.plans.get(visit.runtime.settings.plan).name
    app, _ = visit.runtime.apps.create(
        _name(visit.fields), _ticked(visit.fields), plan, giving(visit.user)
    )
    return visit.go(f"/applications/{app.id}", "app_made")


def show(visit: Visit) -> Response:
    """One application with its keys, the secret one hidden."""
    app = visit.app()
    libraries = visit.runtime.registry.list(app.id)
    return visit.page(
        "application.html",
        app=app,
        may_change=visit.user.changes(app.id),
        libraries=libraries,
        services=SERVICES,
        script_texts=visit.say.below("js.common."),
    )


def edit(visit: Visit) -> Response:
    """Another name, other services, stopped or not."""
    app = visit.app(to_change=True)
    visit.runtime.apps.edit(app.id, _name(visit.fields), _ticked(visit.fields))
    enabled = visit.fields.text("enabled") is not None
    if enabled != app.enabled:
        visit.runtime.apps.enable(app.id, enabled)
    return visit.go(f"/applications/{app.id}", "app_changed")


def show_secret(visit: Visit) -> Response:
    """The Secret Key, for a script; that it was shown is written down."""
    app = visit.app(to_change=True)
    return visit.json({"secret": visit.runtime.apps.secret(app.id)})


def ask_reset(visit: Visit) -> Response:
    """Say what a new key means."""
    return _confirm(visit, "reset")


def reset(visit: Visit) -> Response:
    """Give it a new Secret Key."""
    app = visit.app(to_change=True)
    visit.runtime.apps.reset_key(app.id)
    return visit.go(f"/applications/{app.id}", "key_reset")


def ask_delete(visit: Visit) -> Response:
    """Say what deleting means, and have its name typed."""
    return _confirm(visit, "delete")


def delete(visit: Visit) -> Response:
    """Delete it, if its name was typed."""
    app = visit.app(to_change=True)
    if (visit.fields.text("typed") or "").strip() != app.name.strip():
        return _confirm(visit, "delete", status=400)
    visit.runtime.apps.delete(app.id)
    return visit.go("/applications", "app_deleted")


def _confirm(visit: Visit, act: str, status: int = 200) -> Response:
    app = visit.app(to_change=True)
    size = sum(row.size for row in visit.runtime.registry.list(app.id))
    return visit.page(
        "confirm.html",
        status=status,
        act=act,
        title=visit.say(f"applications.{act}.title", name=app.name),
        text=visit.say(f"applications.{act}.text"),
        more=visit.say.count("common.pictures", size) if act == "delete" else "",
        typed=app.name if act == "delete" else "",
        wrong=status != 200,
        action=f"/console/applications/{app.id}/{act}",
        back=f"/console/applications/{app.id}",
        button=visit.say(f"applications.{act}.button"),
    )


def _may_create(visit: Visit) -> None:
    if not visit.user.may_create:
        raise TusouError(Problem.PERMISSION, "this user may look and not change")


def _name(fields: Fields) -> str:
    name = (fields.text("name") or "").strip()
    if len(name) > _LONGEST_NAME:
        raise TusouError(Problem.PARAM_TOO_LONG, f"a name has at most {_LONGEST_NAME} characters")
    return name


def _ticked(fields: Fields) -> list[str]:
    return [service for service in SERVICES if fields.text(f"service.{service}") is not None]


PAGE = Page(
    Entry("applications", "/applications", "key"),
    (
        Work("GET", "/applications", show_all),
        Work("POST", "/applications", create),
        Work("GET", "/applications/new", show_new),
        Work("GET", "/applications/{app_id:int}", show),
        Work("POST", "/applications/{app_id:int}", edit),
        Work("POST", "/applications/{app_id:int}/secret", show_secret),
        Work("GET", "/applications/{app_id:int}/reset", ask_reset),
        Work("POST", "/applications/{app_id:int}/reset", reset),
        Work("GET", "/applications/{app_id:int}/delete", ask_delete),
        Work("POST", "/applications/{app_id:int}/delete", delete),
    ),
)
