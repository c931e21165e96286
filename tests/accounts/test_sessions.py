"""Sessions of the console: opened, used, expired, ended, and never kept as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from support.clock import Clock
from tusou.accounts.sessions import LONGEST_SECONDS, Sessions
from tusou.accounts.users import User
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.tables import sessions

IDLE = 24 * 3600


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(Settings.load({}, data=tmp_path / "data")) as office:
        yield office


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_(office: Office, clock: Clock) -> Sessions:
    return Sessions(office.database, IDLE, clock)


@pytest.fixture
def user(office: Office) -> User:
    return office.users.add("lin", "a good password", "owner")


def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends(
    open_: Sessions, user: User, clock: Clock
) -> None:
    used, idle = (open_.open(user, "10.0.0.1", "browser") for _ in range(2))
    for _ in range(3):
        clock.now += IDLE * 0.75
        assert open_.user(used) == user
    assert open_.user(idle) is None


def test_no_session_outlives_its_longest_time(open_: Sessions, user: User, clock: Clock) -> None:
    token, began = open_.open(user, "10.0.0.1", "browser"), clock.now
    while clock.now < began + LONGEST_SECONDS:
        assert open_.user(token) is not None
        clock.now += IDLE / 2
    assert open_.user(token) is None


def test_tokens_are_kept_as_digests_only(office: Office, open_: Sessions, user: User) -> None:
    token = open_.open(user, "10.0.0.1", "browser" * 100)
    with office.database.read() as connection:
        row = connection.execute(select(sessions)).one()
    assert token not in str(row)
    assert token.encode() not in row.digest
    assert len(row.agent) == 200
    assert open_.user(row.digest.hex()) is None
    assert open_.user("") is None


def test_a_closed_session_is_over(open_: Sessions, user: User) -> None:
    first, second, third = (open_.open(user, "10.0.0.1", "browser") for _ in range(3))
    open_.close(first)
    assert open_.user(first) is None
    assert len(open_.list(user)) == 2
    assert open_.close_others(user, third) == 1
    assert open_.user(second) is None
    assert open_.user(third) == user


def test_expired_sessions_are_swept_when_another_opens(
    office: Office, open_: Sessions, user: User, clock: Clock
) -> None:
    open_.open(user, "10.0.0.1", "browser")
    clock.now += IDLE + 1
    open_.open(user, "10.0.0.1", "browser")
    with office.database.read() as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


def test_a_new_password_ends_all_sessions(office: Office, open_: Sessions, user: User) -> None:
    token = open_.open(user, "10.0.0.1", "browser")
    office.users.set_password("lin", "another password")
    assert open_.user(token) is None
