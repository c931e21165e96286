"""The pages of quota plans, an operator's: how often and how much the holders of each may call."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response

from tusou.accounts.planbook import Changed, InUse, OfNewApps, Unfit
from tusou.accounts.plans import ANY, KINDS, LINES, Limit, Plan
from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS
from tusou.web.console.pages import Page, Work
from tusou.web.console.plans import NO_LIMIT
from tusou.web.console.visit import Visit

_TEXTS = ("name", "title", "chinese", "days")
_WIDE = tuple(line for line in LINES if line.startswith(f"{ANY}/"))
_CLOSE = tuple(line for line in LINES if line not in _WIDE)
_NO_NUMBER = -1  # which no field takes


class Card(NamedTuple):
    """A plan in the list."""

    plan: Plan
    state: str
    users: int


def show_all(visit: Visit) -> Response:
    """All plans, and how many applications have each."""
    visit.must_operate()
    book = visit.runtime.plans
    users = book.users()
    cards = [Card(plan, _state(visit, plan), users.get(plan.name, 0)) for plan in book.list()]
    return visit.page("quota_plans.html", cards=cards, kinds=KINDS)


def show_new(visit: Visit) -> Response:
    """The form for another one."""
    visit.must_operate()
    return _form(visit, None, {})


def create(visit: Visit) -> Response:
    """Add a plan."""
    visit.must_operate()
    typed = _typed(visit)
    if any(plan.name == typed["name"] for plan in visit.runtime.plans.list()):
        return _form(visit, None, typed, {"name": visit.say("quota_plans.taken")})
    return _save(visit, None, typed)


def show(visit: Visit) -> Response:
    """The form of one plan."""
    plan = _plan(visit)
    return _form(visit, plan, _written(plan))


def edit(visit: Visit) -> Response:
    """Change a plan, if it is still the one that the form showed."""
    plan = _plan(visit)
    return _save(visit, plan, {**_typed(visit), "name": plan.name})


def ask_remove(visit: Visit) -> Response:
    """Say what removing means, or putting back."""
    plan = _plan(visit)
    act = "reset" if visit.runtime.plans.is_bundled(plan.name) else "remove"
    return visit.page(
        "confirm.html",
        act=act,
        title=visit.say(f"quota_plans.{act}_title", name=_title(visit, plan)),
        text=visit.say(f"quota_plans.{act}_text"),
        more="",
        typed="",
        wrong=False,
        kept={"version": plan.version},
        action=f"/console/plans/limits/{plan.name}/remove",
        back=f"/console/plans/limits/{plan.name}",
        button=visit.say(f"quota_plans.{act}"),
    )


def remove(visit: Visit) -> Response:
    """Remove a plan that no application has; put back one that comes with tusou."""
    plan, book = _plan(visit), visit.runtime.plans
    if not plan.version:
        return visit.go("/plans/limits", "plan_reset")  # somebody was faster
    try:
        book.remove(plan.name, visit.fields.text("version") or "")
    except InUse as error:
        return _refuse(visit, plan, visit.say.count("quota_plans.in_use", error.count))
    except OfNewApps:
        return _refuse(visit, plan, visit.say("quota_plans.of_new"))
    except Changed:
        return _refuse(visit, plan, visit.say("quota_plans.changed"))
    return visit.go("/plans/limits", "plan_reset" if book.is_bundled(plan.name) else "plan_removed")


def _refuse(visit: Visit, plan: Plan, problem: str) -> Response:
    return _form(visit, plan, _written(plan), problem=problem)


def _save(visit: Visit, old: Plan | None, typed: Mapping[str, str]) -> Response:
    plan = _read(typed, (visit.fields.text("version") or "") if old else "")
    try:
        visit.runtime.plans.set(plan)
    except Unfit as error:
        wrong = {field: _reason(visit, field) for field in error.reasons}
        return _form(visit, old, typed, wrong, version=plan.version)
    except Changed:
        problem = visit.say("quota_plans.changed")
        return _form(visit, old, typed, problem=problem, version=plan.version)
    return visit.go("/plans/limits", "plan_saved")


def _form(
    visit: Visit,
    plan: Plan | None,
    typed: Mapping[str, str],
    wrong: Mapping[str, str] | None = None,
    problem: str = "",
    version: str | None = None,
) -> Response:
    """The form, with what is wrong beside each field; the version is of what was seen first."""
    return visit.page(
        "quota_plan.html",
        status=409 if problem else 400 if wrong else 200,
        plan=plan,
        state=_state(visit, plan) if plan else "own",
        typed=typed,
        wrong=wrong or {},
        problem=problem,
        version=version if version is not None else plan.version if plan else "",
        wide=_WIDE,
        close=_CLOSE,
        close_ones=any(typed.get(f"{line}/{kind}") for line in _CLOSE for kind in KINDS),
        kinds=KINDS,
        operations=OPERATIONS,
    )


def _reason(visit: Visit, field: str) -> str:
    return visit.say(f"quota_plans.unfit.{field if field in _TEXTS else 'amount'}")


def _typed(visit: Visit) -> dict[str, str]:
    fields = (*_TEXTS, *(f"{line}/{kind}" for line in LINES for kind in KINDS))
    return {field: (visit.fields.text(field) or "").strip() for field in fields}


def _written(plan: Plan) -> dict[str, str]:
    """A plan as the form has it."""
    days = "" if plan.days is None else str(plan.days)
    typed = {"name": plan.name, "title": plan.title, "chinese": plan.chinese, "days": days}
    for line, limit in plan.lines.items():
        for kind, number in limit.items():
            typed[f"{line}/{kind}"] = NO_LIMIT if number is None else str(number)
    return typed


def _read(typed: Mapping[str, str], version: str) -> Plan:
    """A form as the plan that it means, which may be unfit."""
    lines = {line: limit for line in LINES if (limit := _limit(typed, line))}
    days = _number(typed["days"]) if typed["days"] else None
    return Plan(typed["name"], typed["title"], typed["chinese"], days, lines, version)


def _limit(typed: Mapping[str, str], line: str) -> Limit:
    texts = {kind: typed[f"{line}/{kind}"] for kind in KINDS}
    return {
        kind: None if text == NO_LIMIT else _number(text) for kind, text in texts.items() if text
    }


def _number(text: str) -> int:
    plain = text.replace(",", "")
    return int(plain) if re.fullmatch(r"[0-9]{1,15}", plain) else _NO_NUMBER


def _plan(visit: Visit) -> Plan:
    """The plan in the path, for an operator."""
    visit.must_operate()
    name = str(visit.request.path_params["plan"])
    for plan in visit.runtime.plans.list():
        if plan.name == name:
            return plan
    raise TusouError(Problem.REQUEST_MISSING, f"no plan {name}")


def _state(visit: Visit, plan: Plan) -> str:
    if not visit.runtime.plans.is_bundled(plan.name):
        return "own"
    return "altered" if plan.version else "bundled"


def _title(visit: Visit, plan: Plan) -> str:
    return plan.chinese if visit.say.language == "zh" else plan.title


_PLAN = "/plans/limits/{plan}"

PAGE = Page(
    None,
    (
        Work("GET", "/plans/limits", show_all),
        Work("POST", "/plans/limits", create),
        Work("GET", "/plans/new", show_new),
        Work("GET", _PLAN, show),
        Work("POST", _PLAN, edit),
        Work("GET", f"{_PLAN}/remove", ask_remove),
        Work("POST", f"{_PLAN}/remove", remove),
    ),
)
