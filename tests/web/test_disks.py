"""A disk that is full or takes no writes: changes are refused whole, and searches go on."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.disks import Disk, can_mount
from support.pictures import picture
from support.server import Answer, Caller, Server
from tusou.errors import Problem
from tusou.office import Office
from tusou.settings import Settings

pytestmark = pytest.mark.skipif(not can_mount(), reason="only root can mount a disk of its own")

SERVICE = "similar"
_KEPT = range(4)


@dataclass
class Place:
    """A server on a disk, an application and its pictures."""

    disk: Disk
    server: Server
    caller: Caller

    def files(self) -> set[str]:
        """Names in the picture store."""
        return {path.name for path in (self.disk.seen / "blobs").glob("*/*")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("disk") / "data"
    with Office(Settings.load({}, data=data)) as office:
        app, secret = office.apps.create("test", [SERVICE])
        office.create_library(app.id, SERVICE)
    disk = Disk(data, 24)
    server = disk.start()
    token = server.token(app.api_key, secret)
    caller = Caller(server.http, app.id, app.api_key, secret, token)
    for number in _KEPT:
        assert "cont_sign" in add(caller, number)
    yield Place(disk, server, caller)
    assert server.stop() == 0


def add(caller: Caller, number: int) -> Answer:
    return caller.call(SERVICE, "add", image=picture(number), brief=f"picture {number}")


def found(caller: Caller) -> set[str]:
    answer = caller.call(SERVICE, "search", image=picture(50), rn=300)
    return {hit["brief"].split()[1] for hit in answer["result"]}


def test_a_full_disk_refuses_changes_whole_and_takes_them_when_there_is_room(
    place: Place,
) -> None:
    disk, server, caller = place.disk, place.server, place.caller
    before, kept = place.files(), {str(number) for number in _KEPT}
    disk.fill()
    for number in range(10, 14):
        assert add(caller, number)["error_code"] == Problem.UNAVAILABLE.code
    sign = caller.call(SERVICE, "search", image=picture(0), rn=1)["result"][0]["cont_sign"]
    updates = [
        caller.call(SERVICE, "update", cont_sign=sign, brief=f"picture {number}")
        for number in range(60)
    ]
    # The log of the database may have room for some; what is refused is refused in full.
    taken = [number for number, answer in enumerate(updates) if "error_code" not in answer]
    refused = [answer for answer in updates if "error_code" in answer]
    assert {answer["error_code"] for answer in refused} == {Problem.UNAVAILABLE.code}
    now = (kept - {"0"}) | {str(taken[-1] if taken else 0)}
    assert found(caller) == now
    assert place.files() == before
    assert server.http.get("/readyz").status_code == 200

    disk.empty()
    assert "cont_sign" in add(caller, 10)
    assert "error_code" not in caller.call(SERVICE, "update", cont_sign=sign, brief="picture 0")
    assert found(caller) == kept | {"10"}


def test_a_picture_store_that_takes_no_writes_refuses_adds_and_shows_what_it_has(
    place: Place,
) -> None:
    disk, server, caller = place.disk, place.server, place.caller
    disk.run("mount --bind blobs blobs && mount -o remount,ro,bind blobs")
    try:
        before = found(caller)
        assert add(caller, 20)["error_code"] == Problem.UNAVAILABLE.code
        assert found(caller) == before
        answer = caller.call(SERVICE, "delete", image=picture(3))
        assert "error_code" not in answer  # its files go when the store takes writes again
        assert found(caller) == before - {"3"}
        headers = {"authorization": f"Bearer {caller.token}"}
        listed = server.http.get(f"/v1/libraries/{SERVICE}/pictures", headers=headers).json()
        path = f"/v1/libraries/{SERVICE}/pictures/{listed['pictures'][0]['id']}/thumbnail"
        assert server.http.get(path, headers=headers).status_code == 200
    finally:
        disk.run("umount blobs")
    assert "cont_sign" in add(caller, 20)
