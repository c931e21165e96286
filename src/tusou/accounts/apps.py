"""Applications: who may call, for which services, with which keys."""

import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Row, delete, func, insert, select, update

from tusou.accounts.secrets import Vault, new_key
from tusou.errors import Problem, TusouError
from tusou.services import SERVICES
from tusou.storage.database import Database
from tusou.storage.tables import apps, tokens

_FIRST_ID = 10_000_001  # an AppID has eight digits in every client's examples


@dataclass(frozen=True, slots=True)
class App:
    """An application, without its secret."""

    id: int
    name: str
    api_key: str
    services: tuple[str, ...]
    enabled: bool
    created: int

    def permit(self, service: str) -> None:
        """Pass if the application has ticked the service.

        Raises:
            TusouError: PERMISSION.
        """
        if service not in self.services:
            raise TusouError(
                Problem.PERMISSION, f"application {self.id} has not ticked the service {service}"
            )


class Apps:
    """The register of applications."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def create(self, name: str, services: Iterable[str]) -> tuple[App, str]:
        """Make an application; returns it and its secret key.

        Raises:
            TusouError: UNKNOWN_SERVICE; INVALID_PARAM, the name is empty.
        """
        names = tuple(dict.fromkeys(services))
        if not name.strip():
            raise TusouError(Problem.INVALID_PARAM, "an application needs a name")
        for service in names:
            if service not in SERVICES:
                raise TusouError(
                    Problem.UNKNOWN_SERVICE, f"{service}; there are {', '.join(SERVICES)}"
                )
        secret = new_key(32)
        with self._database.write() as connection:
            last = connection.scalar(select(func.max(apps.c.id))) or _FIRST_ID - 1
            app = App(last + 1, name, new_key(24), names, True, int(time.time()))
            connection.execute(
                insert(apps).values(
                    id=app.id,
                    name=name,
                    api_key=app.api_key,
                    secret=self._vault.seal(secret),
                    services=",".join(names),
                    enabled=True,
                    deleted=False,
                    created=app.created,
                )
            )
        return app, secret

    def list(self) -> list[App]:
        """All applications that are not deleted, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(apps).where(~apps.c.deleted).order_by(apps.c.id))
            return [_app(row) for row in rows]

    def get(self, app_id: int) -> App:
        """Look an application up by its AppID.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        return _app(self._row(app_id))

    def secret(self, app_id: int) -> str:
        """The application's secret key, decrypted."""
        return self._vault.open(self._row(app_id).secret)

    def reset_key(self, app_id: int) -> str:
        """Give the application a new secret key; its tokens die with the old one."""
        secret = new_key(32)
        with self._database.write() as connection:
            changed = connection.execute(
                update(apps)
                .where(apps.c.id == app_id, ~apps.c.deleted)
                .values(secret=self._vault.seal(secret))
            )
            _require(changed.rowcount, app_id)
            connection.execute(delete(tokens).where(tokens.c.app_id == app_id))
        return secret

    def enable(self, app_id: int, enabled: bool) -> None:
        """Let the application call, or stop it; its keys and pictures stay."""
        self._mark(app_id, enabled=enabled)

    def delete(self, app_id: int) -> None:
        """Stop the application for good; its AppID is not given again."""
        self._mark(app_id, enabled=False, deleted=True)

    def usable(self, app_id: int) -> App:
        """Look up the application of a key that is known to be right.

        Raises:
            TusouError: APP_GONE, it was deleted or disabled since.
        """
        with self._database.read() as connection:
            row = connection.execute(select(apps).where(apps.c.id == app_id)).one_or_none()
        if row is None or row.deleted or not row.enabled:
            raise TusouError(Problem.APP_GONE)
        return _app(row)

    def with_keys(self, api_key: str, secret_key: str) -> App | None:
        """The application these keys belong to, None where they do not fit together."""
        with self._database.read() as connection:
            row = connection.execute(select(apps).where(apps.c.api_key == api_key)).one_or_none()
        if row is None:
            return None
        secret = self._vault.open(row.secret)
        if not hmac.compare_digest(secret.encode(), secret_key.encode()):
            return None
        return self.usable(row.id)

    def _row(self, app_id: int) -> Row[tuple[object, ...]]:
        with self._database.read() as connection:
            row = connection.execute(
                select(apps).where(apps.c.id == app_id, ~apps.c.deleted)
            ).one_or_none()
        if row is None:
            raise TusouError(Problem.APP_UNKNOWN, str(app_id))
        return row

    def _mark(self, app_id: int, **values: bool) -> None:
        with self._database.write() as connection:
            changed = connection.execute(
                update(apps).where(apps.c.id == app_id, ~apps.c.deleted).values(**values)
            )
            _require(changed.rowcount, app_id)


def _require(rows: int, app_id: int) -> None:
    if not rows:
        raise TusouError(Problem.APP_UNKNOWN, str(app_id))


def _app(row: Row[tuple[object, ...]]) -> App:
    services = tuple(name for name in row.services.split(",") if name)
    return App(row.id, row.name, row.api_key, services, row.enabled, row.created)
