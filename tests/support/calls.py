"""Counted calls, put into SQL without being made."""

from tusou.storage.database import Database, add_up
from tusou.storage.tables import usage


def count_calls(
    database: Database,
    app_id: int,
    call: tuple[str, str],
    hour: int,
    calls: int,
    code: int = 0,
) -> None:
    """Count so many calls of a service and operation in an hour, under the code of an error."""
    service, operation = call
    row: dict[str, object] = {
        "app_id": app_id,
        "service": service,
        "operation": operation,
        "hour": hour,
        "code": code,
        "calls": calls,
    }
    with database.write() as connection:
        add_up(connection, usage, "calls", [row])
