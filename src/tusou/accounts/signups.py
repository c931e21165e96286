"""The names of the private interface: whose libraries a program means by its `appid`."""

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from tusou.accounts.apps import App, Apps, usable
from tusou.accounts.plans import Plan
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import apps, signups


class Signups:
    """Ties each name to an application, which may be given another name later."""

    def __init__(self, database: Database, register: Apps) -> None:
        self._database = database
        self._apps = register

    def holder(self, name: str) -> App:
        """The application of a name.

        Raises:
            TusouError: APP_UNKNOWN, nobody has signed up so; APP_GONE, it is disabled.
        """
        query = (
            select(apps)
            .join(signups, signups.c.app_id == apps.c.id)
            .where(signups.c.name == name, ~apps.c.deleted)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise TusouError(Problem.APP_UNKNOWN, f"{name} has not signed up")
        return usable(row)

    def find_or_create(self, name: str, service: str, plan: Plan) -> App:
        """The application of a name; where there is none it is made, once, for the service.

        Raises:
            TusouError: APP_GONE, it is disabled.
        """
        try:
            return self.holder(name)
        except TusouError as error:
            if error.problem is not Problem.APP_UNKNOWN:
                raise

        def tie(connection: Connection, app_id: int) -> None:
            gone = select(apps.c.id).where(apps.c.deleted)
            connection.execute(
                delete(signups).where(signups.c.name == name, signups.c.app_id.in_(gone))
            )
            connection.execute(insert(signups).values(name=name, app_id=app_id))

        try:
            return self._apps.create(name, [service], plan.name, also=tie)[0]
        except IntegrityError:  # another call was faster; all of this one is undone
            return self.holder(name)
