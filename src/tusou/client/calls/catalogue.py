"""Calls about libraries: listing, making, resizing, moving and giving up; what is in them."""

from collections.abc import Callable

import httpx

from tusou.client.call import Call, form, one, path
from tusou.client.reports import Task
from tusou.client.results import Library, Stats, Waiting


def libraries() -> Call[list[Library]]:
    """The application's libraries."""

    def read(response: httpx.Response) -> list[Library]:
        return [Library.read(row) for row in response.json()["libraries"]]

    return Call("GET", "/v1/libraries", read)


def library(service: str) -> Call[Library]:
    """One library."""
    return Call("GET", path(service), one(Library.read))


def create_library(
    service: str, *, pack: str | None = None, capacity: int | None = None
) -> Call[Library | Waiting]:
    """Make a library; `Waiting` where an operator has to grant it first.

    Args:
        service: One that the application has ticked.
        pack: Its model pack; by default the one that the server's settings name.
        capacity: Pictures that it is to have room for; by default as many as the settings say.

    Raises:
        Conflict: there is one, or it is asked for and not yet decided.
    """
    body = form(service=service, pack=pack, capacity=capacity)
    return Call("POST", "/v1/libraries", _granted, body=body, once=True)


def resize_library(service: str, capacity: int) -> Call[Library | Waiting]:
    """Change a library's capacity; `Waiting` where an operator has to grant more first.

    Raises:
        Conflict: more is asked for already and not yet decided.
    """
    return Call("PATCH", path(service), _granted, body=form(capacity=capacity), once=True)


def release_library(service: str) -> Call[Task]:
    """Give a library up with all its pictures; when the task is done, both are gone."""
    return Call("DELETE", path(service), one(Task.read), once=True)


def stats(service: str) -> Call[Stats]:
    """A library in figures."""
    return Call("GET", path(service, "stats"), one(Stats.read))


def move_library(service: str, pack: str, *, webhook: str | None = None) -> Call[Task]:
    """Move a library to another model pack, in the background.

    Args:
        service: Whose library.
        pack: Where to.
        webhook: The address that is told when it is over; see `is_genuine`.
    """
    body = form(pack=pack, webhook=webhook)
    return Call("POST", path(service, "move"), one(Task.read), body=body, once=True)


def rebuild_library(service: str, *, webhook: str | None = None) -> Call[Task]:
    """Make a library's index anew from the database; searches go on meanwhile."""
    body = form(webhook=webhook)
    return Call("POST", path(service, "rebuild"), one(Task.read), body=body, once=True)


def _granted(response: httpx.Response) -> Library | Waiting:
    waits = response.status_code == httpx.codes.ACCEPTED
    read: Callable[..., Library | Waiting] = Waiting.read if waits else Library.read
    return read(response.json())
