"""Users of the console: who they are, what they may, and their passwords."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tusou.accounts.users import ROLES
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.tables import user_apps, users

PASSWORD = "correct horse battery"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(Settings.load({}, data=tmp_path / "data")) as office:
        yield office


def test_a_user_signs_in_by_name_and_password_only(office: Office) -> None:
    made = office.users.add("林小姐", PASSWORD, "owner")
    assert office.users.with_password("林小姐", PASSWORD) == made
    assert office.users.with_password("林小姐", PASSWORD + " ") is None
    assert office.users.with_password("林", PASSWORD) is None
    assert office.users.with_password("", "") is None


def test_passwords_are_kept_as_salted_argon2id_hashes(office: Office) -> None:
    for name in ("a", "b"):
        office.users.add(name, PASSWORD, "viewer")
    with office.database.read() as connection:
        kept = list(connection.scalars(select(users.c.password)))
    assert all(text.startswith("$argon2id$") for text in kept)
    assert len(set(kept)) == 2


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("", PASSWORD, "owner"),
        ("two words", PASSWORD, "owner"),
        ("x" * 65, PASSWORD, "owner"),
        ("<b>", PASSWORD, "owner"),
        ("lin", "short", "owner"),
        ("lin", "x" * 257, "owner"),
        ("lin", PASSWORD, "king"),
    ],
)
def test_users_that_will_not_do_are_refused(
    office: Office, name: str, password: str, role: str
) -> None:
    with pytest.raises(ValueError, match=r"."):
        office.users.add(name, password, role)
    assert office.users.list() == []


def test_a_name_is_given_once(office: Office) -> None:
    office.users.add("lin", PASSWORD, "owner")
    with pytest.raises(ValueError, match="already"):
        office.users.add("lin", PASSWORD, "viewer")


def test_a_user_with_an_application_that_is_not_there_is_not_made(office: Office) -> None:
    with pytest.raises(ValueError, match="no application"):
        office.users.add("lin", PASSWORD, "owner", [99])
    assert office.users.list() == []


@pytest.mark.parametrize(
    ("role", "own", "other"),
    [
        ("operator", (True, True), (True, True)),
        ("owner", (True, True), (False, False)),
        ("viewer", (True, False), (False, False)),
    ],
)
def test_roles_say_what_is_seen_and_changed(
    office: Office, role: str, own: tuple[bool, bool], other: tuple[bool, bool]
) -> None:
    assert set(ROLES) == {"operator", "owner", "viewer"}
    first, second = (office.apps.create(name, [])[0].id for name in "ab")
    user = office.users.add("lin", PASSWORD, role, [first])
    assert (user.sees(first), user.changes(first)) == own
    assert (user.sees(second), user.changes(second)) == other


def test_applications_are_given_and_taken(office: Office) -> None:
    app = office.apps.create("a", [])[0].id
    office.users.add("lin", PASSWORD, "viewer")
    office.users.grant("lin", app)
    assert office.users.get("lin").apps == {app}
    with pytest.raises(ValueError, match="already"):
        office.users.grant("lin", app)
    office.users.revoke("lin", app)
    assert office.users.get("lin").apps == frozenset()
    with pytest.raises(ValueError, match="does not have"):
        office.users.revoke("lin", app)


def test_a_removed_user_leaves_nothing_and_the_record_tells_of_it(office: Office) -> None:
    app = office.apps.create("a", [])[0].id
    user = office.users.add("lin", PASSWORD, "owner", [app])
    token = office.sessions.open(user, "10.0.0.1", "browser")
    office.users.remove("lin")
    assert office.sessions.user(token) is None
    with office.database.read() as connection:
        assert connection.execute(select(user_apps)).all() == []
    acts = [(entry.act, entry.facts["user"]) for entry in office.audit.list()[-2:]]
    assert acts == [("user.add", "lin"), ("user.remove", "lin")]
    for act in (office.users.remove, office.users.get):
        with pytest.raises(ValueError, match="no user"):
            act("lin")
