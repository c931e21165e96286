"""The page that tries a call: its form, what was sent and answered, and programs that do the same.

Calls go from the browser to the interface itself, with a token of the application that holds for
an hour: what a reader sees here is what their own program will see, and counts as much.
"""

from typing import Any, NamedTuple

from starlette.responses import RedirectResponse, Response

from tusou.accounts.apps import App
from tusou.accounts.tokens import LENT_SECONDS
from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS, SERVICES, Service
from tusou.web import openapi
from tusou.web.console import samples
from tusou.web.console.pages import Page, Work
from tusou.web.console.texts import Texts
from tusou.web.console.visit import Entry, Visit

_PICTURE = "image"
_EXAMPLE = "picture.jpg"


class Input(NamedTuple):
    """One parameter of the call, as the form asks for it."""

    name: str
    kind: str
    """`picture`, `choice`, `number` or `text`."""
    text: str
    required: bool
    choices: tuple[str, ...]
    low: int | None
    high: int | None
    default: str
    """What holds where nothing is given."""


def choose(visit: Visit) -> Response:
    """To the form of a call that is asked for by query, as far as it is there."""
    asked, apps = visit.request.query_params, visit.apps()
    if not apps:
        return visit.page("try_none.html")
    app = next((app for app in apps if str(app.id) == asked.get("app")), apps[0])
    offered = app.services or tuple(SERVICES)
    service = asked.get("service", "") if asked.get("service") in SERVICES else offered[0]
    operation = asked.get("operation", "") if asked.get("operation") in OPERATIONS else "search"
    return RedirectResponse(f"/console/try/{app.id}/{service}/{operation}", status_code=303)


def show(visit: Visit) -> Response:
    """The form of a call, with programs that make it."""
    app, service, operation = visit.app(), visit.service, _operation(visit)
    inputs = inputs_of(service, operation, visit.say)
    return visit.page(
        "try.html",
        app=app,
        apps=visit.apps(),
        service=service,
        services=SERVICES,
        operation=operation,
        operations=OPERATIONS,
        inputs=inputs,
        dialects=samples.LANGUAGES,
        programs=_programs(visit, app, service, operation, {}),
        may_call=visit.user.changes(app.id),
        minutes=LENT_SECONDS // 60,
        meanings={
            str(problem.code): visit.say(f"problem.{problem.name}") for problem in reversed(Problem)
        },
        script_texts=visit.say.below("js.common.") | visit.say.below("js.try."),
    )


def write(visit: Visit) -> Response:
    """The programs for what the form holds; of a picture, that is its file's name."""
    app, service, operation = visit.app(), visit.service, _operation(visit)
    given = {
        row.name: visit.fields.text(row.name) or ""
        for row in inputs_of(service, operation, visit.say)
    }
    return visit.json({"programs": _programs(visit, app, service, operation, given)})


def lend_token(visit: Visit) -> Response:
    """An access token for the calls of the page."""
    app = visit.app(to_change=True)
    note = visit.runtime.audit.noting("app.lend_token", app.id)
    token = visit.runtime.tokens.lend(app, note)
    return visit.json({"token": token, "seconds": LENT_SECONDS})


def inputs_of(service: Service, operation: str, say: Texts) -> list[Input]:
    """What the interface describes itself to take."""
    schema = openapi.request_schema(service, operation)
    required = schema.get("required", ())
    return [
        _input(name, row, operation, name in required, say)
        for name, row in schema["properties"].items()
    ]


def _input(name: str, row: dict[str, Any], operation: str, required: bool, say: Texts) -> Input:
    if name == _PICTURE:
        kind = "picture"
    elif "enum" in row:
        kind = "choice"
    else:
        kind = "number" if row["type"] == "integer" else "text"
    own = f"try.field.{operation}.{name}"
    return Input(
        name,
        kind,
        say(own if own in say.known else f"try.field.{name}"),
        required,
        tuple(row.get("enum", ())),
        row.get("minimum"),
        row.get("maximum"),
        str(row.get("default", "")),
    )


def _programs(
    visit: Visit, app: App, service: Service, operation: str, given: dict[str, str]
) -> dict[str, str]:
    """The programs by language; where the form is empty, with what a call needs at least."""
    fields = tuple(
        samples.Field(name, value, name == _PICTURE) for name, value in given.items() if value
    )
    url = visit.request.url
    call = samples.Call(
        f"{url.scheme}://{url.netloc}",
        app.api_key,
        samples.PLACEHOLDER,
        f"{service.prefix}/{operation}",
        fields or _least(service, operation),
    )
    keep = visit.say("try.keep")
    return {language.name: samples.write(language, call, keep) for language in samples.LANGUAGES}


def _least(service: Service, operation: str) -> tuple[samples.Field, ...]:
    """A picture, and the interface's example of a brief where it takes one."""
    picture = samples.Field(_PICTURE, _EXAMPLE, True)
    brief = openapi.request_schema(service, operation)["properties"].get("brief")
    return (picture, samples.Field("brief", brief["example"])) if brief else (picture,)


def _operation(visit: Visit) -> str:
    name = str(visit.request.path_params["operation"])
    if name not in OPERATIONS:
        raise TusouError(Problem.METHOD, visit.request.url.path)
    return name


_CALL = "/try/{app_id:int}/{service}/{operation}"

PAGE = Page(
    Entry("try", "/try", "terminal"),
    (
        Work("GET", "/try", choose),
        Work("GET", _CALL, show),
        Work("POST", f"{_CALL}/samples", write),
        Work("POST", "/try/{app_id:int}/token", lend_token),
    ),
)
