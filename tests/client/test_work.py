"""What the clients ask for in the background, against a real server: the same for both."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clients import Connect
from support.faults import Faults
from support.host import PictureHost
from support.pictures import encoded, picture, scene
from support.server import Caller, Server
from tusou.client import (
    Client,
    Conflict,
    NewPicture,
    NotFound,
    PictureExists,
    StillRunning,
    Task,
    Unreachable,
    Waiting,
    is_genuine,
)

FILES = {f"{seed}.jpg": picture(seed, 120, 100) for seed in range(450, 454)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar archive of pictures, and of one that is none."""
    path = tmp_path_factory.mktemp("archive") / "pictures.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name, data in {**FILES, "wrong.jpg": b"no picture"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def blocking(server: Server, caller: Caller) -> Iterator[Client]:
    """For what only the calls decide, which both clients share."""
    with Client(caller.api_key, caller.secret_key, server.address) as client:
        yield client


def test_pictures_go_in_by_a_file_are_changed_come_out_by_one_and_are_deleted(
    client: Any, archive: Path, tmp_path: Path
) -> None:
    task = client.import_file("similar", archive, brief="$stem", tags=(5, 6))
    assert (task.kind, task.is_over) == ("import", False)
    done = client.wait("similar", task, timeout=60)
    assert (done.state, done.done, done.failed) == ("done", 5, 1)
    assert client.task("similar", task.id) == done
    assert [row.picture for row in client.task_errors("similar", task.id)] == ["wrong.jpg"]
    first, second, *_ = client.pictures("similar", filter='tags = 5 and brief != "453"')
    assert {first.classes, second.classes} == {(5, 6)}

    changed = client.retag_pictures("similar", ids=[first.id, second.id], new_tags=(7,))
    assert client.wait("similar", changed.id, timeout=60).done == 2
    made = client.export("similar", filter=f"tags = 7 and id != {first.id}")
    assert client.wait("similar", made).has_file
    to = tmp_path / "made.jsonl"
    assert client.download("similar", made.id, to) == to
    assert [json.loads(row)["brief"] for row in to.read_text().splitlines()] == [second.brief]
    assert [path.name for path in tmp_path.iterdir()] == ["made.jsonl"]  # no part is left

    gone = client.delete_pictures("similar", filter="tags in (6)")
    assert client.wait("similar", gone).done == 2
    assert client.library("similar").size == 2
    kinds = [row.kind for row in client.tasks("similar", limit=2)]
    assert kinds == ["delete", "export", "retag", "import"]
    with pytest.raises(Conflict) as told:
        client.cancel_task("similar", gone.id)
    assert not isinstance(told.value, PictureExists)
    with pytest.raises(NotFound):
        client.download("similar", gone.id, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_library_is_made_resized_rebuilt_and_given_up(connect: Connect, server: Server) -> None:
    caller = server.caller("similar", libraries=False)
    client = connect(caller, server.address)
    assert client.create_library("similar", capacity=100) == Waiting("similar", 100)
    with pytest.raises(Conflict) as told:  # it is asked for and not decided
        client.create_library("similar")
    assert not isinstance(told.value, PictureExists)
    with server.office() as office:
        (request,) = office.requests.waiting([caller.app_id])
        office.decide_capacity(request.id, granted=True)
    assert client.library("similar").capacity == 100
    assert client.resize_library("similar", 50).capacity == 50
    client.add("similar", FILES["450.jpg"], "a", tags=(3, 4))
    stats = client.stats("similar")
    assert (stats.pictures, stats.bytes) == (1, len(FILES["450.jpg"]))
    assert stats.classes == {"tags": {3: 1, 4: 1}}
    assert stats.first_added == stats.last_added is not None
    assert stats.calls.keys() == {"add", "search", "delete", "update"}
    with pytest.raises(Conflict):
        client.create_library("similar")
    assert client.wait("similar", client.rebuild_library("similar")).state == "done"
    released = client.wait("similar", client.release_library("similar"), timeout=60)
    assert (released.kind, released.state) == ("release", "done")
    with pytest.raises(NotFound):
        client.library("similar")


def test_a_batch_tells_of_each_picture(client: Any) -> None:
    data = FILES["450.jpg"]
    given = [NewPicture(data, "a", tags=(1, 2)), NewPicture(b"x", "b"), NewPicture(data, "again")]
    taken, wrong, twice = sorted(client.add_batch("similar", given), key=lambda row: row.index)
    assert [taken.given, wrong.given, twice.given] == given
    stored = taken.picture or twice.picture  # they are worked on side by side
    assert {type(row.error) for row in (taken, twice)} == {type(None), PictureExists}
    assert wrong.error.status == 400
    there = client.exists("similar", data)
    assert there
    assert there.picture == stored
    assert client.exists("similar", cont_sign=stored.cont_sign).picture == stored
    absent = client.exists("similar", FILES["451.jpg"])
    assert not absent
    assert absent.picture is None
    assert absent.cont_sign not in ("", stored.cont_sign)


def test_what_takes_too_long_to_wait_for_is_told_as_it_is(blocking: Client, archive: Path) -> None:
    task = blocking.import_file("similar", archive)
    with pytest.raises(StillRunning) as told:
        blocking.wait("similar", task, timeout=0)
    assert told.value.last.id == task.id
    blocking.wait("similar", task)


def test_a_search_is_read_page_by_page_within_a_filter(blocking: Client) -> None:
    for number, data in enumerate(FILES.values()):
        blocking.add("same_hq", data, f"p{number}", tags=(number + 1,))
    query = FILES["451.jpg"]
    assert [hit.picture.brief for hit in blocking.search("same_hq", query, filter="tags = 2")] == [
        "p1"
    ]
    assert len(blocking.search("same_hq", query, filter="tags = 1")) == 0
    for number in range(2):
        changed = encoded(scene(460)[number : 300 + number], "JPEG", quality=60 + number)
        blocking.add("same_hq", changed, f"copy{number}")
    hits = list(blocking.hits("same_hq", picture(460), limit=1))
    assert sorted(hit.picture.brief for hit in hits) == ["copy0", "copy1"]
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    part = blocking.search("same_hq", picture(460), region=(40, 40, 240, 200))
    assert {hit.picture.brief for hit in part} <= {"copy0", "copy1"}
    assert part.hits
    drawing = blocking.draw("same_hq", hits[0].picture.id, picture(460))
    assert drawing.png.startswith(b"\x89PNG")
    assert drawing.score == pytest.approx(hits[0].score, abs=0.05)
    same = blocking.compare("same_hq", picture(460), hits[0].picture.id)
    assert same.score == pytest.approx(hits[0].score, abs=0.05)
    assert same.match is not None
    other = blocking.compare("same_hq", picture(460), query)
    assert (other.score, other.match) == (0, None)


def test_duplicates_are_looked_for_gone_through_and_decided(blocking: Client) -> None:
    client = blocking
    assert client.scan("same_hq").is_over
    ids = [
        client.add("same_hq", data, brief).id
        for brief, data in (
            ("whole", picture(11)),
            ("part", encoded(scene(11)[10:310, 20:380], "JPEG", quality=70)),
            ("bad part", encoded(scene(11)[10:310, 20:380], "JPEG", quality=30)),
            ("else", picture(12)),
        )
    ]
    client.start_scan("same_hq")
    scan = client.wait_for_scan("same_hq", timeout=60)
    assert (scan.state, scan.done) == ("done", 4)
    (group,) = client.duplicates("same_hq", limit=1)
    assert (group.best.id, group.reason) == (ids[0], "larger")
    assert {hit.picture.id for hit in group.others} == set(ids[1:3])
    page = client.list_duplicates("same_hq")
    assert (page.groups, page.total, page.spare) == ((group,), 1, 2)
    assert client.duplicates_of("same_hq", ids[1]) == group
    assert client.duplicates_of("same_hq", ids[3]) is None
    assert client.keep_duplicate("same_hq", ids[1]).best.id == ids[1]
    left = client.part_duplicates("same_hq", ids[1], [ids[0]])
    assert left is not None
    assert [hit.picture.id for hit in left.others] == [ids[2]]
    assert client.delete_duplicates("same_hq", ids[1], [ids[2]]) == 1
    assert client.library("same_hq").size == 3
    with pytest.raises(NotFound):
        client.keep_duplicate("same_hq", ids[3])


def test_what_may_be_under_way_is_not_asked_for_again(
    connect: Connect, server: Server, caller: Caller, archive: Path, tmp_path: Path
) -> None:
    with Faults(server.address) as proxy:
        client = connect(caller, proxy.address, timeout=20)
        proxy.plan += ["lose"]
        with pytest.raises(Unreachable):
            client.import_file("similar", archive)
        (task,) = client.tasks("similar")  # it was asked for, once
        assert client.wait("similar", task).done == 5
        made = client.wait("similar", client.export("similar"))
        proxy.plan += ["drop"]
        rows = client.download("similar", made.id, tmp_path / "rows").read_text().splitlines()
        assert len(rows) == 4  # and this one is asked for again


def test_the_end_of_a_manifest_is_told_to_who_can_check_it(open_server: Server) -> None:
    caller = open_server.caller("similar")
    pages = dict(FILES)
    with (
        PictureHost(pages) as host,
        Client(caller.api_key, caller.secret_key, open_server.address) as client,
    ):
        lines = [json.dumps({"url": host.url(name), "brief": name}) for name in FILES]
        pages["list.jsonl"] = "\n".join(lines).encode()
        asked = client.import_manifest(
            "similar", host.url("list.jsonl"), tags=(1,), webhook=host.url("hook")
        )
        headers, body = host.posted.get(timeout=30)
    task = Task.read(json.loads(body))
    assert (task.id, task.state, task.done) == (asked.id, "done", 4)
    moment, signature = headers["X-Tusou-Timestamp"], headers["X-Tusou-Signature"]
    assert is_genuine(caller.secret_key, moment, body, signature)
    assert not is_genuine("another", moment, body, signature)
    assert not is_genuine(caller.secret_key, moment, body + b" ", signature)
    assert not is_genuine(caller.secret_key, moment, body, signature[:-1] + "é")
    assert not is_genuine(caller.secret_key, moment, body, signature, fresh_seconds=-1)
    later = str(int(moment) + 1)
    assert not is_genuine(caller.secret_key, later, body, signature)
