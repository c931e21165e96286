"""Users added, given applications and passwords, and removed by an operator."""

import re

import pytest

from support.console import PASSWORD, Place, Visit
from tusou.accounts.users import User


def stored(place: Place, name: str) -> User:
    with place.server.office() as office:
        return office.users.get(name)


def test_a_user_is_added_with_a_password_that_is_shown_once(place: Place) -> None:
    app = place.caller.app_id
    fields = {"name": "zhang.san", "role": "owner", f"app.{app}": "on"}
    made = place.operator.post("/users", data=fields)
    assert made.status_code == 200
    found = re.search(r'id="password">(\w{16})<', made.text)
    assert found
    with place.server.office() as office:
        user = office.users.with_password("zhang.san", found[1])
    assert user is not None
    assert user.role == "owner"
    assert user.apps == {app}
    page = place.operator.get("/users").text
    assert "zhang.san" in page
    assert found[1] not in page
    again = place.operator.post("/users", data=fields)
    assert again.status_code == 400
    assert "taken" in again.text


@pytest.mark.parametrize(
    "wrong",
    [{"name": "a b"}, {"name": ""}, {"role": "king"}, {"role": ""}, {"password": "short"}],
    ids=str,
)
def test_what_will_not_do_is_told(place: Place, wrong: dict[str, str]) -> None:
    fields = {"name": "somebody", "role": "viewer", "password": PASSWORD, **wrong}
    assert place.operator.post("/users", data=fields).status_code == 400
    with place.server.office() as office:
        assert "somebody" not in {user.name for user in office.users.list()}


def test_another_password_signs_the_user_out(place: Place, visit: Visit) -> None:
    visitor = visit("viewer")
    path = f"/users/{visitor.name}/password"
    assert place.operator.post(path, data={"password": "tiny"}).status_code == 400
    assert visitor.get("/libraries").status_code == 200
    other = "another long password"
    assert place.operator.post(path, data={"password": other}).status_code == 303
    assert visitor.get("/libraries").status_code == 303
    with place.server.office() as office:
        assert office.users.with_password(visitor.name, other)


def test_applications_are_given_and_taken(place: Place, visit: Visit) -> None:
    visitor, app = visit("viewer"), {"app": str(place.caller.app_id)}
    path = f"/users/{visitor.name}"
    assert place.operator.post(f"{path}/revoke", data=app).status_code == 404
    assert place.operator.post(f"{path}/grant", data=app).status_code == 303
    assert place.operator.post(f"{path}/grant", data=app).status_code == 409
    assert stored(place, visitor.name).apps == {place.caller.app_id}
    assert place.operator.post(f"{path}/revoke", data=app).status_code == 303
    assert stored(place, visitor.name).apps == frozenset()
    assert place.operator.post(f"{path}/grant", data={"app": "99999999"}).status_code == 404
    assert place.operator.post(f"{path}/grant", data={"app": "x"}).status_code == 400


def test_a_user_is_removed_by_name_and_nobody_by_themself(place: Place, visit: Visit) -> None:
    visitor = visit("owner")
    path = f"/users/{visitor.name}/remove"
    assert f"Remove {visitor.name}?" in place.operator.get(path).text
    assert place.operator.post(path, data={"typed": "x"}).status_code == 400
    assert place.operator.post(path, data={"typed": visitor.name}).status_code == 303
    assert visitor.get("/libraries").status_code == 303
    assert place.operator.post(path, data={"typed": visitor.name}).status_code == 404
    me = place.operator.name
    own = place.operator.post(f"/users/{me}/remove", data={"typed": me})
    assert own.status_code == 400
    assert "Nobody can remove themself." in own.text
    assert stored(place, me).operates
