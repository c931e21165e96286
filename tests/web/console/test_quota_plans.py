"""Quota plans in the console: what is made, changed and refused, and felt at once."""

import re
import time
from collections.abc import Iterator

import pytest

from support.console import Place
from support.server import Caller
from tusou.accounts.plans import Plan
from tusou.errors import Problem

NAMES = {"title": "Gold", "chinese": "黄金"}
TYPED = {**NAMES, "*/*/qps": "20", "*/search/total": "1,000", "similar/search/total": "-"}


@pytest.fixture(autouse=True)
def clean(place: Place) -> Iterator[None]:
    """As it came, for those who come after."""
    yield
    with place.server.office() as office:
        for app in office.apps.list():
            if app.plan == "gold":
                office.apps.set_plan(app.id, office.plans.get("open"))
        for plan in office.plans.list():
            if plan.version:
                office.plans.remove(plan.name)


def plan(place: Place, name: str) -> Plan:
    with place.server.office() as office:
        return office.plans.get(name)


def version_in(page: str) -> str:
    found = re.search(r'name="version" value="(\w*)"', page)
    assert found, page
    return found[1]


def test_a_plan_is_made_shown_and_changed(place: Place) -> None:
    made = place.operator.post("/plans/limits", data={"name": "gold", **TYPED, "days": "30"})
    assert made.headers["location"].endswith("/plans/limits?said=plan_saved")
    gold = plan(place, "gold")
    assert (gold.title, gold.chinese, gold.days) == ("Gold", "黄金", 30)
    assert gold.lines == {
        "*/*": {"qps": 20},
        "*/search": {"total": 1000},
        "similar/search": {"total": None},
    }
    form = place.operator.get("/plans/limits/gold").text
    assert 'name="similar/search/total" value="-"' in form
    assert "1,000" in place.operator.get("/plans/limits").text
    changed = {**NAMES, "version": version_in(form), "*/*/daily": "7"}
    assert place.operator.post("/plans/limits/gold", data=changed).status_code == 303
    assert plan(place, "gold").lines == {"*/*": {"daily": 7}}
    assert plan(place, "gold").days is None
    with place.server.office() as office:
        entry = office.audit.list()[-1]
    assert (entry.who, entry.act) == (f"console:{place.operator.name}", "plan.set")


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("name", "Gold", "1 to 32 small letters"),
        ("name", "../gold", "1 to 32 small letters"),
        ("name", "open", "There is a plan with this identifier already."),
        ("title", "", "1 to 60 characters."),
        ("chinese", "金\n", None),
        ("chinese", "金" * 61, "1 to 60 characters."),
        ("days", "1.5", "A whole number from 1 to 36,500"),
        ("*/*/qps", "many", "A whole number up to 1,000,000,000"),
        ("similar/add/daily", "-3", "A whole number up to 1,000,000,000"),
        ("similar/add/total", "9" * 30, "A whole number up to 1,000,000,000"),
        ("similar/add/total", "５", "A whole number up to 1,000,000,000"),
    ],
)
def test_a_field_that_will_not_do_is_told_why_and_keeps_the_rest(
    place: Place, field: str, text: str, reason: str | None
) -> None:
    answer = place.operator.post("/plans/limits", data={"name": "gold", **TYPED, field: text})
    if reason is None:  # blanks around are nobody's intention
        assert answer.status_code == 303
        return
    assert answer.status_code == 400
    assert f'aria-describedby="wrong-{field}"' in answer.text
    assert f'id="wrong-{field}">{reason}' in answer.text
    assert 'name="similar/search/total" value="-"' in answer.text
    with place.server.office() as office:
        assert "gold" not in [one.name for one in office.plans.list()]


def test_the_second_of_two_who_edit_at_once_is_told(place: Place) -> None:
    seen = version_in(place.operator.get("/plans/limits/paid").text)
    first = {**NAMES, "title": "First", "version": seen}
    assert place.operator.post("/plans/limits/paid", data=first).status_code == 303
    second = {**NAMES, "title": "Second", "version": seen}
    for _ in range(2):  # sending the same page again is no way around
        refused = place.operator.post("/plans/limits/paid", data=second)
        assert refused.status_code == 409
        assert "Somebody else has changed or removed this plan" in refused.text
        assert 'value="Second"' in refused.text
    assert plan(place, "paid").title == "First"
    late = place.operator.post("/plans/limits/paid/remove", data={"version": "another"})
    assert late.status_code == 409
    assert plan(place, "paid").title == "First"


def test_a_bundled_plan_is_put_back(place: Place) -> None:
    came = plan(place, "personal")
    changed = {**NAMES, "version": "", "*/*/qps": "50"}
    assert place.operator.post("/plans/limits/personal", data=changed).status_code == 303
    asked = place.operator.get("/plans/limits/personal/remove").text
    version = version_in(asked)
    for _ in range(2):
        back = place.operator.post("/plans/limits/personal/remove", data={"version": version})
        assert back.headers["location"].endswith("said=plan_reset")
    assert plan(place, "personal") == came


def test_a_plan_in_use_is_not_removed_and_says_by_how_many(place: Place) -> None:
    place.operator.post("/plans/limits", data={"name": "gold", **TYPED})
    caller = place.server.caller("similar", libraries=False)
    given = place.operator.post(f"/plans/{caller.app_id}/plan", data={"plan": "gold"})
    assert given.status_code == 303
    version = plan(place, "gold").version
    refused = place.operator.post("/plans/limits/gold/remove", data={"version": version})
    assert refused.status_code == 409
    assert "The plan cannot be removed: 1 application has it." in refused.text
    place.operator.post(f"/plans/{caller.app_id}/plan", data={"plan": "open"})
    gone = place.operator.post("/plans/limits/gold/remove", data={"version": version})
    assert gone.headers["location"].endswith("said=plan_removed")
    assert place.operator.get("/plans/limits/gold").status_code == 404
    assert place.operator.post("/plans/limits/gold", data=NAMES).status_code == 404


def test_callers_feel_a_changed_plan_without_a_restart(place: Place) -> None:
    place.operator.post("/plans/limits", data={"name": "gold", **NAMES, "*/search/total": "1"})
    caller = place.server.caller("similar")
    place.operator.post(f"/plans/{caller.app_id}/plan", data={"plan": "gold"})
    assert code(caller) == Problem.MISSING_PARAM.code  # it is served, and has nothing to search for
    assert code(caller) == Problem.TOTAL_LIMIT.code
    version = plan(place, "gold").version
    more = {**NAMES, "version": version, "*/search/total": "2"}
    assert place.operator.post("/plans/limits/gold", data=more).status_code == 303
    end = time.monotonic() + 60
    while code(caller) == Problem.TOTAL_LIMIT.code and time.monotonic() < end:
        time.sleep(0.1)
    assert time.monotonic() < end
    assert code(caller) == Problem.TOTAL_LIMIT.code


def code(caller: Caller) -> object:
    return caller.call("similar", "search").get("error_code")
