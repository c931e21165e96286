"""Calls about duplicates: looking for them, going through the groups, deciding."""

from collections.abc import Iterable

import httpx

from tusou.client.call import Call, Until, form, one, part, path, texts
from tusou.client.reports import Group, GroupPage, Scan


def start_scan(service: str) -> Call[Scan]:
    """Compare the pictures that no scan has compared; one that is under way goes on."""
    return Call("POST", path(service, "duplicates", "scan"), one(Scan.read))


def scan(service: str) -> Call[Scan]:
    """How far a library was looked through for duplicates."""
    return Call("GET", path(service, "duplicates", "scan"), one(Scan.read))


def wait_for_scan(service: str, *, timeout: float | None = None) -> Call[Scan]:
    """Wait until no scan is under way, or one cannot go on just now: see its `problem`.

    It is asked for as `wait` asks.

    Args:
        service: Whose library.
        timeout: Seconds; None: as long as it takes.

    Raises:
        StillRunning: it goes on after that time.
    """
    until = Until(lambda told: told.is_over or told.problem is not None, timeout)
    return Call("GET", path(service, "duplicates", "scan"), one(Scan.read), until=until)


def list_duplicates(
    service: str, *, limit: int | None = None, cursor: str | None = None
) -> Call[GroupPage]:
    """A page of groups of pictures that show the same; `duplicates` reads all pages."""
    query = texts(limit=limit, cursor=cursor)
    return Call("GET", path(service, "duplicates"), one(GroupPage.read), query=query)


def duplicates_of(service: str, id: int) -> Call[Group | None]:
    """The group that a picture is in, if any."""
    return Call("GET", _of(service, id), part("group", Group.read))


def keep_duplicate(service: str, id: int) -> Call[Group]:
    """Say that a picture is the one to keep of its group, which is remembered.

    Raises:
        NotFound: there is no such picture, or it is in no group.
    """
    return Call("POST", f"{_of(service, id)}/keep", lambda said: Group.read(said.json()["group"]))


def part_duplicates(
    service: str, id: int, pictures: Iterable[int] | None = None
) -> Call[Group | None]:
    """Say that a picture is not the same as others; they are never grouped again.

    Args:
        service: Whose library.
        id: The picture.
        pictures: Those that it is not the same as; None: all others of its group.

    Returns:
        The group that it is in afterwards, if any.

    Raises:
        NotFound: there is no such picture, or one of them is not in its group.
    """
    body = form(pictures=pictures)
    where = f"{_of(service, id)}/different"
    return Call("POST", where, part("group", Group.read), body=body, once=True)


def delete_duplicates(service: str, id: int, pictures: Iterable[int]) -> Call[int]:
    """Keep a picture and delete others of its group, all or none.

    Returns:
        How many were deleted.

    Raises:
        NotFound: there is no such picture, or one of them is not in its group.
    """

    def read(response: httpx.Response) -> int:
        return int(response.json()["deleted"])

    query = texts(pictures=pictures)
    return Call("DELETE", _of(service, id), read, query=query, once=True)


def _of(service: str, id: int) -> str:
    return path(service, "pictures", id, "duplicates")
