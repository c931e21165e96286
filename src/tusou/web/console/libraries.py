"""The page of libraries: asking for one, how full it is, asking for more, giving it up."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from tusou.accounts.apps import App
from tusou.accounts.calendar import DAY
from tusou.accounts.statistics import calls_since, last_calls
from tusou.library.bulk import Batch
from tusou.office import Request, Standing
from tusou.services import SERVICES, Service
from tusou.types import Filter
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Entry, Visit

_UNUSED_DAYS = 365
_CALLS_SECONDS = 30 * DAY
_NEARLY_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Card:
    """What the page shows of one service of an application."""

    service: Service
    standing: Standing | None
    """None: there is no library."""
    request: Request | None
    """What was asked for and is not decided."""
    release: Batch | None
    """It is about to be given up."""
    unused: bool
    last: int | None
    """The hour of the last add or search by an interface, where there was one."""
    calls: int
    """In the last 30 days, by the interfaces."""

    @property
    def warnings(self) -> list[str]:
        """What somebody should see to; texts `libraries.warning.NAME`."""
        if self.standing is None:
            return []
        library = self.standing.library
        found = {
            "full": library.size >= library.capacity,
            "nearly_full": library.capacity > library.size >= _NEARLY_FULL * library.capacity,
            "empty": library.size == 0,
            "unused": self.unused,
        }
        return [name for name, holds in found.items() if holds]


def show(visit: Visit) -> Response:
    """All libraries that the user may see, by application."""
    runtime = visit.runtime
    apps = visit.apps()
    standings = {(row.library.app_id, row.library.service): row for row in runtime.standings()}
    waiting = runtime.requests.waiting([app.id for app in apps])
    requests = {(request.app_id, request.service): request for request in waiting}
    last = last_calls(runtime.database, ("add", "search"))
    calls = calls_since(runtime.database, int(time.time()) - _CALLS_SECONDS)
    unused = {row.id for row in runtime.unused_libraries(_UNUSED_DAYS)}

    def card(app: App, service: Service) -> Card:
        standing = standings.get((app.id, service.name))
        releases = [] if standing is None else runtime.bulk.open(standing.library)
        return Card(
            service,
            standing,
            requests.get((app.id, service.name)),
            next((batch for batch in releases if batch.act == "release"), None),
            standing is not None and standing.library.id in unused,
            last.get((app.id, service.name)),
            calls.get((app.id, service.name), 0),
        )

    cards = {
        app.id: [
            card(app, service)
            for service in SERVICES.values()
            if service.name in app.services or (app.id, service.name) in standings
        ]
        for app in apps
    }
    return visit.page(
        "libraries.html",
        apps=apps,
        cards=cards,
        names={app.id: app.name for app in apps},
        waiting=waiting if visit.user.operates else [],
        more=runtime.settings.library_capacity,
    )


def ask(visit: Visit) -> Response:
    """Ask for a library, or for more room in it."""
    app, service = visit.app(to_change=True), visit.service
    app.permit(service.name)
    user = visit.user
    granted = visit.runtime.ask_for_capacity(
        app.id, service.name, user.name, operates=user.operates
    )
    return visit.go("/libraries", "capacity_granted" if granted else "capacity_asked")


def decide(visit: Visit) -> Response:
    """Grant or refuse what somebody asks for."""
    visit.must_operate()
    granted = visit.fields.text("granted") == "yes"
    visit.runtime.decide_capacity(int(visit.request.path_params["number"]), granted)
    return visit.go("/libraries", "capacity_granted" if granted else "capacity_refused")


def ask_release(visit: Visit) -> Response:
    """Say what giving a library up means, and have its name typed."""
    return _confirm(visit)


def release(visit: Visit) -> Response:
    """Give a library up: its pictures are deleted after the grace, then the library itself."""
    app, service, runtime = visit.app(to_change=True), visit.service, visit.runtime
    if (visit.fields.text("typed") or "").strip() != service.name:
        return _confirm(visit, status=400)
    row = runtime.registry.get(app.id, service.name)
    note = runtime.audit.noting("library.release", app.id, service=service.name, pictures=row.size)
    grace = runtime.settings.undo_seconds
    runtime.bulk.ask(row, "release", Filter(), grace=grace, also=note)
    return visit.go("/libraries", "release_asked")


def keep(visit: Visit) -> Response:
    """Call a release off."""
    app, service, runtime = visit.app(to_change=True), visit.service, visit.runtime
    row = runtime.registry.get(app.id, service.name)
    note = runtime.audit.noting("library.keep", app.id, service=service.name)
    number = int(visit.request.path_params["number"])
    undone = runtime.bulk.undo(row, number, note)
    return visit.go("/libraries", "release_undone" if undone else "release_too_late")


def _confirm(visit: Visit, status: int = 200) -> Response:
    app, service = visit.app(to_change=True), visit.service
    row = visit.runtime.registry.get(app.id, service.name)
    return visit.page(
        "confirm.html",
        status=status,
        act="release",
        title=visit.say("libraries.release.title", service=visit.say(f"service.{service.name}")),
        text=visit.say("libraries.release.text", app=app.name),
        more=visit.say.count("common.pictures", row.size),
        typed=service.name,
        wrong=status != 200,
        action=f"/console/libraries/{app.id}/{service.name}/release",
        back="/console/libraries",
        button=visit.say("libraries.release.button"),
    )


_LIBRARY = "/libraries/{app_id:int}/{service}"

PAGE = Page(
    Entry("libraries", "/libraries", "images"),
    (
        Work("GET", "/libraries", show),
        Work("POST", f"{_LIBRARY}/ask", ask),
        Work("POST", "/requests/{number:int}", decide),
        Work("GET", f"{_LIBRARY}/release", ask_release),
        Work("POST", f"{_LIBRARY}/release", release),
        Work("POST", f"{_LIBRARY}/release/{{number:int}}/keep", keep),
    ),
)
