"""Who is signed in to the console: sessions in the database, of which only digests are kept."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update

from tusou.accounts.secrets import digest
from tusou.accounts.users import User, user_of
from tusou.storage.database import Database
from tusou.storage.tables import sessions

LONGEST_SECONDS: Final = 30 * 24 * 3600
"""A session ends then, however much it is used."""
_SEEN_SECONDS = 300  # how far behind the time of the last use may be: a write a page is too many
_AGENT = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    id: str
    """The digest of its token, in hexadecimal: names the session and lets nobody in."""
    created: int
    seen: int
    address: str
    agent: str


class Sessions:
    """Opens sessions, finds their users, ends them.

    Args:
        idle_seconds: A session that is not used for so long ends.
    """

    def __init__(
        self, database: Database, idle_seconds: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._idle = idle_seconds
        self._clock = clock

    def open(self, user: User, address: str, agent: str) -> str:
        """Begin a session; returns its token, which is kept nowhere."""
        token, now = secrets.token_urlsafe(32), int(self._clock())
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires <= now))
            connection.execute(
                insert(sessions).values(
                    digest=digest(token),
                    user_id=user.id,
                    created=now,
                    seen=now,
                    expires=now + self._idle,
                    address=address,
                    agent=agent[:_AGENT],
                )
            )
        return token

    def user(self, token: str) -> User | None:
        """Whose session it is; None where it has ended or never was."""
        now = int(self._clock())
        with self._database.read() as connection:
            row = connection.execute(
                select(sessions).where(sessions.c.digest == digest(token))
            ).one_or_none()
            if row is None or row.expires <= now:
                return None
            user = user_of(connection, row.user_id)
        if now - row.seen > _SEEN_SECONDS:
            expires = min(now + self._idle, row.created + LONGEST_SECONDS)
            with self._database.write() as connection:
                connection.execute(
                    update(sessions)
                    .where(sessions.c.digest == row.digest)
                    .values(seen=now, expires=expires)
                )
        return user

    def close(self, token: str) -> None:
        """End the session of a token."""
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == digest(token)))

    def close_others(self, user: User, token: str) -> int:
        """End all sessions of a user but the one of the token; returns how many there were."""
        others = (sessions.c.user_id == user.id) & (sessions.c.digest != digest(token))
        with self._database.write() as connection:
            return connection.execute(delete(sessions).where(others)).rowcount

    def list(self, user: User) -> list[Session]:
        """The sessions of a user, the last used first."""
        query = (
            select(sessions)
            .where(sessions.c.user_id == user.id, sessions.c.expires > int(self._clock()))
            .order_by(sessions.c.seen.desc())
        )
        with self._database.read() as connection:
            return [
                Session(row.digest.hex(), row.created, row.seen, row.address, row.agent)
                for row in connection.execute(query)
            ]
