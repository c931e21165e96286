"""Every page and change, for everybody who must not have it."""

import pytest

from support.console import Place, Visit
from tusou.web.console.console import PAGES

ROWS = [row for page in PAGES for row in page.rows]
OF_OPERATORS = [
    row for row in ROWS if row.path.startswith(("/users", "/plans/limits", "/plans/new"))
]
OF_APPS = [row for row in ROWS if "{app_id" in row.path]
# What a viewer may ask for by POST: it changes nothing.
LOOKS = {"search", "match", "samples"}


def at(place: Place, path: str) -> str:
    """A path with this place's application, library and picture."""
    return (
        path.replace("{app_id:int}", str(place.caller.app_id))
        .replace("{service}", "same_hq")
        .replace("{key:int}", str(place.key))
        .replace("{number:int}", "1")
        .replace("{operation}", "search")
        .replace("{plan}", "personal")
        .replace("{name}", place.viewer.name)
    )


def ids(row: object) -> str:
    return " ".join(row[:2])  # type: ignore[index]


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_nobody_who_is_not_signed_in_gets_in(place: Place, row: tuple[str, str]) -> None:
    method, path = row[:2]
    answer = place.server.http.request(
        method, f"/console{at(place, path)}", headers={"accept": "application/json"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("row", [row for row in ROWS if row.method == "POST"], ids=ids)
def test_no_change_without_the_proof_of_an_own_page(place: Place, row: tuple[str, str]) -> None:
    for given in ({}, {"csrf": "0" * 64}, {"csrf": place.owner.csrf}):
        answer = place.operator.http.post(at(place, row[1]), data=given)
        assert answer.status_code == 403, answer.text
    headers = {"x-csrf-token": place.operator.csrf, "sec-fetch-site": "same-site"}
    assert place.operator.http.post(at(place, row[1]), headers=headers).status_code == 403


@pytest.mark.parametrize("row", OF_APPS, ids=ids)
def test_somebody_elses_application_is_not_there(place: Place, row: tuple[str, str]) -> None:
    method, path = row[:2]
    ask = place.stranger.get if method == "GET" else place.stranger.post
    there = ask(at(place, path))
    nowhere = ask(at(place, path).replace(str(place.caller.app_id), "99999999"))
    assert there.status_code == nowhere.status_code == 404
    assert (
        there.text.replace(str(place.caller.app_id), "").split("log_id")[0][:40]
        == (nowhere.text.replace("99999999", "").split("log_id")[0][:40])
    )


@pytest.mark.parametrize(
    "row",
    [row for row in OF_APPS if row.method == "POST" and row.path.split("/")[-1] not in LOOKS],
    ids=ids,
)
def test_a_viewer_changes_nothing(place: Place, row: tuple[str, str]) -> None:
    answer = place.viewer.post(at(place, row[1]), data={"granted": "yes"})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("row", OF_OPERATORS, ids=ids)
def test_users_and_plans_are_the_operators_business(place: Place, row: tuple[str, str]) -> None:
    for person in (place.owner, place.viewer):
        ask = person.get if row[0] == "GET" else person.post
        assert ask(at(place, row[1])).status_code == 403
    assert 'href="/console/users"' not in place.owner.get("/account").text
    assert 'href="/console/plans/limits"' not in place.owner.get("/plans").text


@pytest.mark.parametrize("page", ["reset", "delete", "new"])
def test_a_viewer_is_not_even_asked(place: Place, page: str) -> None:
    path = "/applications/new" if page == "new" else f"/applications/{place.caller.app_id}/{page}"
    assert place.viewer.get(path).status_code == 403


def test_a_viewer_sees_the_application_without_its_secret(place: Place) -> None:
    page = place.viewer.get(f"/applications/{place.caller.app_id}").text
    assert place.caller.api_key in page
    assert "data-secret" not in page
    assert place.caller.secret_key not in page


def test_only_operators_decide(place: Place) -> None:
    for person in (place.owner, place.viewer, place.stranger):
        assert person.post("/requests/1", data={"granted": "yes"}).status_code == 403


def test_lists_show_what_is_ones_own(place: Place) -> None:
    name = str(place.caller.app_id)
    for path in ("/applications", "/libraries", "/usage", "/plans"):
        for person in (place.operator, place.owner, place.viewer):
            assert name in person.get(path).text
        assert name not in place.stranger.get(path).text


def test_a_picture_of_one_library_is_not_reached_through_another(place: Place) -> None:
    other = place.library.replace("same_hq", "similar")
    for path in ("", "/thumbnail", "/original"):
        assert place.owner.get(f"{place.library}/pictures/{place.key}{path}").status_code == 200
        assert place.owner.get(f"{other}/pictures/{place.key}{path}").status_code == 404


def test_a_user_who_is_removed_is_out_at_once(place: Place, visit: Visit) -> None:
    visitor = visit("operator")
    assert visitor.get("/libraries").status_code == 200
    with place.server.office() as office:
        office.users.remove(visitor.name)
    assert visitor.get("/libraries").status_code == 303


def test_an_application_that_is_taken_away_is_gone_at_once(place: Place, visit: Visit) -> None:
    visitor = visit("owner", [place.caller.app_id])
    assert visitor.get(place.library).status_code == 200
    with place.server.office() as office:
        office.users.revoke(visitor.name, place.caller.app_id)
    assert visitor.get(place.library).status_code == 404


def test_what_was_done_in_the_console_is_in_the_record_under_its_user(place: Place) -> None:
    place.owner.post(f"/applications/{place.caller.app_id}/secret")
    with place.server.office() as office:
        entry = office.audit.list(place.caller.app_id)[-1]
    assert (entry.who, entry.act) == (f"console:{place.owner.name}", "app.show_secret")
