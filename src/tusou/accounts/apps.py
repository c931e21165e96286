"""Applications: who may call, for which services, with which keys."""

import hmac
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tusou.accounts import plans
from tusou.accounts.audit import Audit
from tusou.accounts.planbook import hold
from tusou.accounts.plans import KINDS, Limit, Limits, Plan
from tusou.accounts.secrets import Vault, new_key
from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS, SERVICES
from tusou.storage.database import Database
from tusou.storage.tables import apps, tokens
from tusou.types import UNSEEN

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
    plan: str = plans.DEFAULT
    plan_since: int = 0
    """When it was given the plan, UTC seconds: what is limited in total counts from then."""
    limits: Limits = field(default_factory=dict)
    """What it may do more or less than its plan says."""

    def permit(self, service: str) -> None:
        """Pass if the application has ticked the service.

        Raises:
            TusouError: PERMISSION.
        """
        if service not in self.services:
            raise TusouError(
                Problem.PERMISSION, f"application {self.id} has not ticked the service {service}"
            )


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The application that an API Key names, before anything is proved."""

    secret: str
    _row: Row[Any]

    def usable(self) -> App:
        """The application, of one who has proved to know the secret.

        Raises:
            TusouError: APP_GONE, it was deleted or disabled.
        """
        return usable(self._row)


class Apps:
    """The register of applications; every change is in the record of acts."""

    def __init__(self, database: Database, vault: Vault, audit: Audit | None = None) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit or Audit(database)
        self._decoy = vault.seal("nobody's")

    def create(
        self,
        name: str,
        services: Iterable[str],
        plan: str = plans.DEFAULT,
        also: Callable[[Connection, int], None] = lambda *_: None,
    ) -> tuple[App, str]:
        """Make an application; returns it and its secret key.

        `also` writes what must be written in the same transaction, for the new AppID.

        Raises:
            TusouError: UNKNOWN_SERVICE; INVALID_PARAM, the name is empty, or there is no such plan.
        """
        names, now, secret = _ticked(services), int(time.time()), new_key(32)
        _check_name(name)
        with self._database.write("apps") as connection:
            hold(connection, plan)
            last = connection.scalar(select(func.max(apps.c.id))) or _FIRST_ID - 1
            app = App(last + 1, name, new_key(24), names, True, now, plan, now)
            connection.execute(
                insert(apps).values(
                    id=app.id,
                    name=name,
                    api_key=app.api_key,
                    secret=self._vault.seal(secret),
                    services=",".join(names),
                    enabled=True,
                    deleted=False,
                    created=now,
                    plan=plan,
                    plan_since=now,
                )
            )
            self._audit.note(connection, "app.create", app.id, name=name, services=names, plan=plan)
            also(connection, app.id)
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
        with self._database.read() as connection:
            return _app(_row(connection, app_id))

    def secret(self, app_id: int) -> str:
        """The application's secret key, decrypted; that it was shown is written down.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        with self._database.write() as connection:
            row = _row(connection, app_id)
            self._audit.note(connection, "app.show_secret", app_id)
        return self._vault.open(row.secret)

    def signing_key(self, app_id: int) -> str:
        """The same for the server's own use: nobody is shown it.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        with self._database.read() as connection:
            return self._vault.open(_row(connection, app_id).secret)

    def check_key_file(self) -> None:
        """Pass where the key file opens the secret of an application, or there is none.

        Some may have been given new keys after the right file was lost.

        Raises:
            RuntimeError: it opens none.
        """
        with self._database.read() as connection:
            query = select(apps.c.secret).where(~apps.c.deleted).order_by(apps.c.id.desc())
            problem = None
            for sealed in connection.scalars(query):
                try:
                    self._vault.open(sealed)
                except RuntimeError as error:
                    problem = error
                else:
                    return
        if problem is not None:
            raise problem

    def edit(
        self, app_id: int, name: str | None = None, services: Iterable[str] | None = None
    ) -> None:
        """Give the application another name, or tick other services, or both.

        Raises:
            TusouError: APP_UNKNOWN, UNKNOWN_SERVICE; INVALID_PARAM, the name is empty;
                MISSING_PARAM, neither is given.
        """
        facts: dict[str, Any] = {}
        if name is not None:
            _check_name(name)
            facts["name"] = name
        if services is not None:
            facts["services"] = ",".join(_ticked(services))
        if not facts:
            raise TusouError(Problem.MISSING_PARAM, "neither name nor services; nothing to change")
        with self._database.write("apps") as connection:  # as `tick` does
            self._change(connection, app_id, facts)
            self._audit.note(connection, "app.edit", app_id, **facts)

    def tick(self, app_id: int, service: str) -> None:
        """Let the application use one more service.

        Raises:
            TusouError: APP_UNKNOWN, UNKNOWN_SERVICE.
        """
        with self._database.write("apps") as connection:
            ticked = _app(_row(connection, app_id)).services
            if service in ticked:
                return
            names = ",".join(_ticked([*ticked, service]))
            self._change(connection, app_id, {"services": names})
            self._audit.note(connection, "app.edit", app_id, services=names)

    def set_plan(self, app_id: int, plan: Plan) -> None:
        """Give the application a plan; its totals count from now.

        Raises:
            TusouError: APP_UNKNOWN; INVALID_PARAM, the plan was removed.
        """
        with self._database.write() as connection:
            hold(connection, plan.name)
            values = {"plan": plan.name, "plan_since": int(time.time())}
            self._change(connection, app_id, values)
            self._audit.note(connection, "app.plan", app_id, plan=plan.name)

    def set_limits(self, app_id: int, service: str, operation: str, own: Limit) -> None:
        """Let the application do more or less than its plan says with one call of one service.

        Kinds that `own` leaves out are as the plan says; an empty one goes back to the plan.

        Raises:
            TusouError: APP_UNKNOWN, UNKNOWN_SERVICE; INVALID_PARAM, no such call, kind or amount.
        """
        _ticked([service])
        if operation not in OPERATIONS or not own.keys() <= set(KINDS):
            raise TusouError(Problem.INVALID_PARAM, f"{operation} has no limits {', '.join(own)}")
        if any(amount is not None and amount < 0 for amount in own.values()):
            raise TusouError(Problem.INVALID_PARAM, "a limit is a number of calls, or none")
        call = f"{service}/{operation}"
        with self._database.write("apps") as connection:
            limits = json.loads(_row(connection, app_id).limits)
            limits.pop(call, None)
            limits |= {call: dict(own)} if own else {}
            self._change(connection, app_id, {"limits": json.dumps(limits)})
            self._audit.note(connection, "app.limit", app_id, call=call, limits=dict(own))

    def reset_key(self, app_id: int) -> str:
        """Give the application a new secret key; its tokens die with the old one.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        secret = new_key(32)
        with self._database.write() as connection:
            self._change(connection, app_id, {"secret": self._vault.seal(secret)})
            connection.execute(delete(tokens).where(tokens.c.app_id == app_id))
            self._audit.note(connection, "app.reset_key", app_id)
        return secret

    def revoke_tokens(self, app_id: int) -> int:
        """End every token of the application, while its keys stay; returns how many there were.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        with self._database.write() as connection:
            _row(connection, app_id)
            ended = connection.execute(delete(tokens).where(tokens.c.app_id == app_id)).rowcount
            self._audit.note(connection, "app.revoke_tokens", app_id, tokens=ended)
        return ended

    def enable(self, app_id: int, enabled: bool) -> None:
        """Let the application call, or stop it; its keys and pictures stay.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        with self._database.write() as connection:
            self._change(connection, app_id, {"enabled": enabled})
            self._audit.note(connection, "app.enable" if enabled else "app.disable", app_id)

    def delete(self, app_id: int) -> None:
        """Stop the application for good; its AppID is not given again.

        Raises:
            TusouError: APP_UNKNOWN.
        """
        with self._database.write() as connection:
            self._change(connection, app_id, {"enabled": False, "deleted": True})
            self._audit.note(connection, "app.delete", app_id)

    def with_api_key(self, api_key: str) -> KeyHolder | None:
        """Who an API Key names, None where it names nobody."""
        with self._database.read() as connection:
            row = connection.execute(select(apps).where(apps.c.api_key == api_key)).one_or_none()
        # Opened even for a key that names nobody: the time must not tell which keys there are.
        secret = self._vault.open(self._decoy if row is None else row.secret)
        return None if row is None else KeyHolder(secret, row)

    def with_keys(self, api_key: str, secret_key: str) -> App | None:
        """The application these keys belong to, None where they do not fit together.

        Raises:
            TusouError: APP_GONE.
        """
        found = self.with_api_key(api_key)
        if found is None or not hmac.compare_digest(found.secret.encode(), secret_key.encode()):
            return None
        return found.usable()

    def still_has(self, connection: Connection, app_id: int, secret_key: str) -> bool:
        """Whether the key is the application's now, and until the transaction ends."""
        query = select(apps.c.secret).where(apps.c.id == app_id).with_for_update(read=True)
        secret = self._vault.open(connection.execute(query).scalar_one())
        return hmac.compare_digest(secret.encode(), secret_key.encode())

    def _change(self, connection: Connection, app_id: int, values: dict[str, Any]) -> None:
        query = update(apps).where(apps.c.id == app_id, ~apps.c.deleted).values(**values)
        if not connection.execute(query).rowcount:
            raise TusouError(Problem.APP_UNKNOWN, str(app_id))


def usable(row: Row[Any]) -> App:
    """The application of a row, where it may call.

    Raises:
        TusouError: APP_GONE, it was deleted or disabled.
    """
    if row.deleted or not row.enabled:
        raise TusouError(Problem.APP_GONE)
    return _app(row)


def _row(connection: Connection, app_id: int) -> Row[Any]:
    query = select(apps).where(apps.c.id == app_id, ~apps.c.deleted)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise TusouError(Problem.APP_UNKNOWN, str(app_id))
    return row


def _app(row: Row[Any]) -> App:
    return App(
        id=row.id,
        name=row.name,
        api_key=row.api_key,
        services=tuple(name for name in row.services.split(",") if name),
        enabled=row.enabled,
        created=row.created,
        plan=row.plan,
        plan_since=row.plan_since,
        limits=json.loads(row.limits),
    )


def _ticked(services: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(services))
    for service in names:
        if service not in SERVICES:
            raise TusouError(Problem.UNKNOWN_SERVICE, f"{service}; there are {', '.join(SERVICES)}")
    return names


def _check_name(name: str) -> None:
    if not name.strip():
        raise TusouError(Problem.INVALID_PARAM, "an application needs a name")
    if UNSEEN.search(name):  # it is printed on an operator's terminal
        raise TusouError(Problem.INVALID_PARAM, "a name has no control characters")
