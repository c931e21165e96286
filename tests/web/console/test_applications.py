"""Applications made, changed, given new keys and deleted in the console."""

import re

from support.console import Place, Visit
from tusou.errors import TusouError


def test_an_owner_makes_an_application_that_is_theirs(place: Place, visit: Visit) -> None:
    owner, other = visit("owner"), visit("owner")
    assert owner.get("/applications/new").status_code == 200
    fields = {"name": "Shop <1>", "service.similar": "on", "service.product": "on"}
    made = owner.post("/applications", data=fields)
    assert made.status_code == 303
    path = made.headers["location"].removeprefix("/console").partition("?")[0]
    page = owner.get(path)
    assert "Shop &lt;1&gt;" in page.text
    assert other.get(path).status_code == 404
    with place.server.office() as office:
        app = office.apps.get(int(path.rpartition("/")[2]))
    assert app.services == ("similar", "product")
    answer = owner.post(f"{path}/secret").json()
    assert place.server.token(app.api_key, answer["secret"])


def test_a_name_that_will_not_do_is_told(place: Place) -> None:
    assert place.operator.post("/applications", data={"name": "  "}).status_code == 400
    long = place.operator.post("/applications", data={"name": "x" * 101})
    assert long.json()["problem"] == "PARAM_TOO_LONG"


def test_editing_changes_name_services_and_whether_it_may_call(place: Place, visit: Visit) -> None:
    caller = place.server.caller("similar", libraries=False)
    operator = place.operator
    fields = {"name": "Other", "service.same_hq": "on"}
    assert operator.post(f"/applications/{caller.app_id}", data=fields).status_code == 303
    with place.server.office() as office:
        app = office.apps.get(caller.app_id)
    assert (app.name, app.services, app.enabled) == ("Other", ("same_hq",), False)
    fields["enabled"] = "on"
    operator.post(f"/applications/{caller.app_id}", data=fields)
    with place.server.office() as office:
        assert office.apps.get(caller.app_id).enabled


def test_a_reset_ends_the_old_key(place: Place) -> None:
    caller = place.server.caller("similar", libraries=False)
    path = f"/applications/{caller.app_id}"
    assert "Reset the key" in place.operator.get(f"{path}/reset").text
    assert place.operator.post(f"{path}/reset").status_code == 303
    with place.server.office() as office:
        assert office.apps.with_keys(caller.api_key, caller.secret_key) is None
        fresh = office.apps.secret(caller.app_id)
    assert place.operator.post(f"{path}/secret").json() == {"secret": fresh}


def test_deleting_needs_the_name_typed(place: Place) -> None:
    caller = place.server.caller("similar")
    path = f"/applications/{caller.app_id}"
    assert place.operator.post(f"{path}/delete", data={"typed": "tset"}).status_code == 400
    assert place.operator.get(path).status_code == 200
    assert place.operator.post(f"{path}/delete", data={"typed": "test"}).status_code == 303
    assert place.operator.get(path).status_code == 404
    with place.server.office() as office:
        try:
            office.apps.get(caller.app_id)
        except TusouError:
            return
    raise AssertionError("it is still there")


def test_the_secret_is_in_no_page(place: Place) -> None:
    page = place.owner.get(f"/applications/{place.caller.app_id}").text
    assert place.caller.secret_key not in page
    assert re.search(r'id="secret-key"[^>]*>•+<', page)
