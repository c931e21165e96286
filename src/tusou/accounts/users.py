"""People who sign in to the console: their roles, their applications, their passwords."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tusou.accounts import passwords
from tusou.accounts.audit import Audit
from tusou.storage.database import Database
from tusou.storage.tables import apps, sessions, user_apps, users

ROLES: Final = {
    "operator": "sees and changes everything, and decides what others ask for",
    "owner": "makes applications, and sees and changes those that are theirs",
    "viewer": "looks at the applications that they were given, and changes nothing",
}
_NAME = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class User:
    """One of them, without the password."""

    id: int
    name: str
    role: str
    created: int
    apps: frozenset[int] = frozenset()
    """The applications of an owner or viewer; an operator has to do with all."""

    @property
    def operates(self) -> bool:
        """Whether the whole server is theirs to run."""
        return self.role == "operator"

    @property
    def may_create(self) -> bool:
        """Whether they may make applications."""
        return self.role != "viewer"

    def sees(self, app_id: int) -> bool:
        """Whether an application is any of their business."""
        return self.operates or app_id in self.apps

    def changes(self, app_id: int) -> bool:
        """Whether they may change an application and what is in its libraries."""
        return self.may_create and self.sees(app_id)


class Users:
    """The register of users; every change is in the record of acts."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def add(self, name: str, password: str, role: str, apps: Iterable[int] = ()) -> User:
        """Make a user.

        Raises:
            ValueError: name, password, role or an application will not do.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError("a user name has 1 to 64 letters, digits and . _ @ + -, and no blank")
        if role not in ROLES:
            raise ValueError(f"no such role: {role}; there are {', '.join(ROLES)}")
        sealed, given = passwords.seal(password), sorted(set(apps))
        try:
            with self._database.write() as connection:
                made: int = connection.scalars(
                    insert(users)
                    .values(name=name, password=sealed, role=role, created=int(time.time()))
                    .returning(users.c.id)
                ).one()
                for app_id in given:
                    _give(connection, made, app_id)
                self._audit.note(connection, "user.add", None, user=name, role=role, apps=given)
        except IntegrityError as error:
            raise ValueError(f"there is a user {name} already") from error
        return self.get(name)

    def get(self, name: str) -> User:
        """Look a user up.

        Raises:
            ValueError: there is none of that name.
        """
        with self._database.read() as connection:
            return _user(connection, _row(connection, name))

    def list(self) -> list[User]:
        """All users, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(users).order_by(users.c.id)).all()
            return [_user(connection, row) for row in rows]

    def with_password(self, name: str, password: str) -> User | None:
        """Who signs in, None where name and password do not fit together; takes a while."""
        with self._database.read() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
        # Outside the transaction: hashing takes a tenth of a second.
        if not passwords.fits(password, None if row is None else row.password):
            return None
        if row is None:
            return None
        with self._database.read() as connection:
            return user_of(connection, row.id)

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; whoever is signed in as this user is signed out.

        Raises:
            ValueError: there is no such user, or the password will not do.
        """
        sealed = passwords.seal(password)
        with self._database.write() as connection:
            row = _row(connection, name, lock=True)
            connection.execute(update(users).where(users.c.id == row.id).values(password=sealed))
            connection.execute(delete(sessions).where(sessions.c.user_id == row.id))
            self._audit.note(connection, "user.password", None, user=name)

    def grant(self, name: str, app_id: int) -> None:
        """Give a user an application to see, and where the role allows it to change.

        Raises:
            ValueError: there is no such user or application, or they have it.
        """
        try:
            with self._database.write() as connection:
                _give(connection, _row(connection, name).id, app_id)
                self._audit.note(connection, "user.grant", app_id, user=name)
        except IntegrityError as error:
            raise ValueError(f"{name} has application {app_id} already") from error

    def revoke(self, name: str, app_id: int) -> None:
        """Take an application from a user.

        Raises:
            ValueError: there is no such user, or they do not have it.
        """
        with self._database.write() as connection:
            mine = user_apps.c.user_id == _row(connection, name).id
            taken = connection.execute(delete(user_apps).where(mine, user_apps.c.app_id == app_id))
            if not taken.rowcount:
                raise ValueError(f"{name} does not have application {app_id}")
            self._audit.note(connection, "user.revoke", app_id, user=name)

    def remove(self, name: str) -> None:
        """Delete a user, who is signed out at once; their applications stay.

        Raises:
            ValueError: there is no such user.
        """
        with self._database.write() as connection:
            row = _row(connection, name, lock=True)
            for table in (sessions, user_apps):
                connection.execute(delete(table).where(table.c.user_id == row.id))
            connection.execute(delete(users).where(users.c.id == row.id))
            self._audit.note(connection, "user.remove", None, user=name)


def giving(user: User) -> Callable[[Connection, int], None]:
    """Write that a new application is this user's, in the transaction that makes it."""

    def give(connection: Connection, app_id: int) -> None:
        if not user.operates:
            _give(connection, user.id, app_id)

    return give


def user_of(connection: Connection, user_id: int) -> User | None:
    """The user of a number, where there is one."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return None if row is None else _user(connection, row)


def _give(connection: Connection, user_id: int, app_id: int) -> None:
    there = select(apps.c.id).where(apps.c.id == app_id, ~apps.c.deleted)
    if connection.scalar(there) is None:
        raise ValueError(f"there is no application {app_id}")
    connection.execute(insert(user_apps).values(user_id=user_id, app_id=app_id))


def _row(connection: Connection, name: str, lock: bool = False) -> Row[tuple[object, ...]]:
    """A user's row; with `lock` nobody signs in until the transaction ends."""
    query = select(users).where(users.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise ValueError(f"there is no user {name}")
    return row


def _user(connection: Connection, row: Row[tuple[object, ...]]) -> User:
    mine = select(user_apps.c.app_id).where(user_apps.c.user_id == row.id)
    return User(row.id, row.name, row.role, row.created, frozenset(connection.scalars(mine)))
