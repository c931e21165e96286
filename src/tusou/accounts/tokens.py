"""Access tokens: given for a key pair, good for 30 days, kept as digests only."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select

from tusou.accounts.apps import App, Apps, usable
from tusou.accounts.secrets import digest
from tusou.errors import Problem, TusouError
from tusou.storage.database import Also, Database
from tusou.storage.tables import apps, tokens

# The official Node client takes a token for expired a day ahead, so 30 days it is, as in the cloud.
ACCESS_SECONDS = 2_592_000
LENT_SECONDS = 3600
"""How long a token holds that somebody was lent in the console."""
_REFRESH_SECONDS = 315_360_000
# The official Python client signs instead of sending tokens unless this word is there.
_SCOPE = "public brain_all_scope brain_realtime_same_hq brain_realtime_product"

# Every call asks it: made once, see `storage.items`.
_HOLDER = (
    select(apps, tokens.c.expires)
    .join(tokens, tokens.c.app_id == apps.c.id)
    .where(tokens.c.digest == bindparam("digest"), tokens.c.kind == "access")
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint answers; session fields are there because clients expect them."""

    access_token: str
    expires_in: int
    refresh_token: str
    scope: str
    session_key: str
    session_secret: str


class Tokens:
    """Issues tokens and tells whose a token is."""

    def __init__(
        self, database: Database, apps: Apps, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._apps = apps
        self._clock = clock

    def issue(self, api_key: str, secret_key: str) -> Grant | None:
        """Give a token for a key pair; None where the keys do not fit together.

        Raises:
            TusouError: APP_GONE.
        """
        app = self._apps.with_keys(api_key, secret_key)
        return None if app is None else self._grant(app, secret_key)

    def refresh(self, api_key: str, secret_key: str, refresh_token: str) -> Grant | None:
        """Give a new token for a refresh token, which is used up; None where it is not theirs."""
        app = self._apps.with_keys(api_key, secret_key)
        if app is None:
            return None
        with self._database.write() as connection:
            used = connection.execute(
                delete(tokens).where(
                    tokens.c.digest == digest(refresh_token),
                    tokens.c.app_id == app.id,
                    tokens.c.kind == "refresh",
                    tokens.c.expires > self._clock(),
                )
            )
        return self._grant(app, secret_key) if used.rowcount else None

    def lend(self, app: App, also: Also = lambda _: None) -> str:
        """An access token for an hour, for whom the console knows to have the application.

        `also` writes in the same transaction that it was lent.
        """
        now = int(self._clock())
        token = _access_token(app, now, LENT_SECONDS)
        with self._database.write() as connection:
            connection.execute(insert(tokens), [_row(token, app, "access", now + LENT_SECONDS)])
            also(connection)
        return token

    def holder(self, token: str) -> App:
        """The application that an access token was given to.

        Raises:
            TusouError: TOKEN_INVALID, TOKEN_EXPIRED or APP_GONE.
        """
        with self._database.read() as connection:
            row = connection.execute(_HOLDER, {"digest": digest(token)}).one_or_none()
        if row is None:
            raise TusouError(Problem.TOKEN_INVALID)
        if row.expires <= self._clock():
            raise TusouError(Problem.TOKEN_EXPIRED)
        return usable(row)

    def _grant(self, app: App, secret_key: str) -> Grant | None:
        now = int(self._clock())
        access = _access_token(app, now, ACCESS_SECONDS)
        refresh = f"25.{secrets.token_hex(16)}.{_REFRESH_SECONDS}.{now + _REFRESH_SECONDS}.{app.id}"
        with self._database.write() as connection:
            # A key that was given up since it was checked takes this token along.
            if not self._apps.still_has(connection, app.id, secret_key):
                return None
            # An expired token still answers 111 for a while; then it is as unknown as any.
            connection.execute(delete(tokens).where(tokens.c.expires < now - ACCESS_SECONDS))
            connection.execute(
                insert(tokens),
                [
                    _row(access, app, "access", now + ACCESS_SECONDS),
                    _row(refresh, app, "refresh", now + _REFRESH_SECONDS),
                ],
            )
        return Grant(
            access_token=access,
            expires_in=ACCESS_SECONDS,
            refresh_token=refresh,
            scope=_SCOPE,
            session_key=secrets.token_urlsafe(48),
            session_secret=secrets.token_hex(16),
        )


def _access_token(app: App, now: int, seconds: int) -> str:
    return f"24.{secrets.token_hex(16)}.{seconds}.{now + seconds}.{app.id}"


def _row(token: str, app: App, kind: str, expires: int) -> dict[str, object]:
    return {"digest": digest(token), "app_id": app.id, "kind": kind, "expires": expires}
