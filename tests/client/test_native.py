"""`Client` and `AsyncClient` against a real server: the same tests for both."""

import asyncio
import inspect
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from support.clients import Connect
from support.faults import Faults, Says
from support.pictures import encoded, goods, picture
from support.server import Caller, Server
from tusou.client import (
    Added,
    AsyncClient,
    BadRequest,
    Client,
    Forbidden,
    NewPicture,
    NotFound,
    NotUnderstood,
    PictureExists,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from tusou.errors import Problem
from tusou.storage.tables import tokens

A, B, C = (picture(seed, 320, 300) for seed in (401, 402, 403))


@contextmanager
def faulty(connect: Connect, caller: Caller, server: Server) -> Iterator[tuple[Any, Faults]]:
    with Faults(server.address) as proxy:
        yield connect(caller, proxy.address, timeout=20), proxy


def test_a_picture_is_added_seen_changed_found_and_deleted(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "甲.jpg"
    path.write_bytes(A)
    made = client.add("similar", path, "甲", tags=(100, 11))
    assert (made.brief, made.classes, made.bytes) == ("甲", (100, 11), len(A))
    assert client.picture("similar", made.id) == made
    assert client.original("similar", made.id) == A
    assert client.thumbnail("similar", made.id)[:2] == b"\xff\xd8"
    changed = client.update("similar", made.id, brief="a+b & c", tags=())
    assert (changed.brief, changed.classes) == ("a+b & c", (0, 0))
    found = client.search("similar", A, threshold=0.9)
    assert [(hit.score, hit.picture) for hit in found.hits] == [(1.0, changed)]
    assert client.search("similar", picture=made.id, limit=1).hits == found.hits
    assert client.library("similar").size == 1
    assert {row.service for row in client.libraries()} >= {"similar", "product"}
    assert client.delete("similar", made.id) is None
    with pytest.raises(NotFound, match=str(made.id)):
        client.picture("similar", made.id)


def test_products_have_classes_of_their_own_and_subjects(blocking: Client) -> None:
    client = blocking
    data = encoded(goods((240, 160), seed=7), "JPEG")
    client.add("product", data, "thing", class_id1=3, class_id2=5)
    found = client.search("product", data, class_id1=3)
    assert found.hits[0].picture.classes == (3, 5)
    assert found.subjects
    assert found.subjects[0].width > 0
    assert not client.search("product", data, class_id1=4).hits


def test_what_two_pictures_share_is_explained(blocking: Client) -> None:
    made = blocking.add("same_hq", A, "a")
    match = blocking.explain("same_hq", made.id, A)
    assert match is not None
    assert match.score == 1
    assert match.homography[2][2] == pytest.approx(1)
    assert len(match.query_points) == len(match.stored_points) > 10
    assert blocking.explain("same_hq", made.id, B) is None


def test_all_pages_are_gone_through(client: Any) -> None:
    for number, data in enumerate((A, B, C)):
        client.add("similar", data, f"n{number}", tags=str(number + 1))
    assert [row.brief for row in client.pictures("similar", limit=2)] == ["n2", "n1", "n0"]
    (second,) = client.pictures("similar", tags=2, order="oldest")
    assert second.brief == "n1"
    page = client.list_pictures("similar", limit=2)
    (last,) = client.pictures("similar", limit=2, cursor=page.next)
    assert last.brief == "n0"


def test_many_are_added_in_their_order_and_each_is_told_of(client: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(410 + number, 120, 100))
    given = [
        *paths,
        tmp_path / "gone.jpg",
        NewPicture(b"no picture", "b"),
        NewPicture(paths[3].read_bytes(), "again"),
    ]
    told: list[Added] = list(client.add_many("similar", iter(given), concurrency=3))
    assert [row.index for row in told] == list(range(11))
    added = told[:8]
    assert [row.picture.brief for row in added if row.picture] == list(map(str, paths))
    kinds = [type(row.error) for row in told[8:]]
    assert kinds == [FileNotFoundError, BadRequest, PictureExists]
    exists = told[10].error
    assert isinstance(exists, PictureExists)
    assert added[3].picture is not None
    assert (exists.id, exists.cont_sign) == (added[3].picture.id, added[3].picture.cont_sign)
    assert client.library("similar").size == 8


def test_what_every_picture_would_meet_ends_it_all(connect: Connect, server: Server) -> None:
    client = connect(server.caller("same_hq"), server.address)
    given = (NewPicture(A, str(number)) for number in range(1000))
    with pytest.raises(Forbidden):
        list(client.add_many("similar", given, concurrency=2))
    assert int(next(given).brief) < 10  # the rest was not even read


def test_who_stops_listening_stops_the_adding(client: Any) -> None:
    given = (NewPicture(picture(430 + number, 100, 80), "x") for number in range(50))
    adding = client.add_many("similar", given, concurrency=2)
    next(adding)
    adding.close()
    assert client.library("similar").size < 10
    with pytest.raises(ValueError, match="at least 1"):
        next(client.add_many("similar", given, concurrency=0))


def test_wrong_keys_are_told_as_such(connect: Connect, server: Server, caller: Caller) -> None:
    wrong = Caller(caller.http, caller.app_id, caller.api_key, "wrong", "")
    with pytest.raises(Unauthorized, match="invalid_client"):
        connect(wrong, server.address).libraries()


def test_a_token_that_was_revoked_is_renewed_unnoticed(
    client: Any, server: Server, caller: Caller
) -> None:
    client.libraries()
    with server.office() as office:
        office.apps.revoke_tokens(caller.app_id)
    assert client.library("similar").size == 0


def test_those_who_share_a_client_renew_its_token_once(server: Server, caller: Caller) -> None:
    def revoke() -> None:
        with server.office() as office:
            office.apps.revoke_tokens(caller.app_id)

    def held() -> list[str]:
        with server.office() as office, office.database.read() as connection:
            mine = tokens.c.app_id == caller.app_id
            return sorted(connection.scalars(select(tokens.c.kind).where(mine)))

    async def together() -> None:
        async with AsyncClient(caller.api_key, caller.secret_key, server.address) as client:
            await client.libraries()
            revoke()
            await asyncio.gather(*(client.library("similar") for _ in range(16)))

    with Client(caller.api_key, caller.secret_key, server.address) as client:
        client.libraries()
        revoke()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(client.library, ["similar"] * 16))
    assert held() == ["access", "refresh"]
    asyncio.run(together())
    assert held() == ["access", "refresh"]


def test_an_add_whose_answer_was_lost_is_an_add(
    connect: Connect, server: Server, caller: Caller
) -> None:
    with faulty(connect, caller, server) as (client, proxy):
        proxy.plan += ["lose"]
        made = client.add("similar", A, "a", tags=(7,))
        assert (made.brief, made.classes) == ("a", (7, 0))
        assert [line.split()[0] for line in proxy.asked] == ["POST", "POST", "GET"]
        proxy.plan += ["drop"]  # it never came there, and the picture is not this caller's
        with pytest.raises(PictureExists) as told:
            client.add("similar", A, "another brief")
        assert told.value.id == made.id
        proxy.plan += ["lose"]
        assert client.delete("similar", made.id) is None
        with pytest.raises(NotFound):  # and nobody lost this answer
            client.delete("similar", made.id)
        assert client.library("similar").size == 0


def test_what_stands_before_the_server_may_be_busy(
    connect: Connect, server: Server, caller: Caller
) -> None:
    with faulty(connect, caller, server) as (client, proxy):
        proxy.plan += [Says(503, {"retry-after": "0"}), "drop"]
        assert client.library("similar").size == 0
        proxy.plan += [Says(503, {"retry-after": "3600"})]
        with pytest.raises(Unreachable, match="503"):
            client.library("similar")
        proxy.plan += [Says(200, {"content-type": "text/html"}, b"<p>Hello")]
        with pytest.raises(NotUnderstood, match="text/html"):
            client.library("similar")


def test_a_server_that_is_silent_or_away_is_told_as_such(
    connect: Connect, server: Server, caller: Caller
) -> None:
    with Faults(server.address) as proxy:
        client = connect(caller, proxy.address, timeout=0.2, retries=0)
        proxy.plan += ["hang"]
        with pytest.raises(TimedOut):
            client.library("similar")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        connect(caller, "http://127.0.0.1:9", retries=1).libraries()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "ftp://x", "http://", "http://x:99999"])
def test_a_host_that_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"http://|Port"):
        Client("key", "secret", host)


def test_both_have_the_same_methods_with_the_same_parameters() -> None:
    def shown(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if not name.startswith("_")
        }

    assert shown(Client) == shown(AsyncClient)
    assert all(method.__doc__ for name, method in vars(Client).items() if name[0] != "_")


def test_a_problem_crosses_processes(blocking: Client) -> None:
    with pytest.raises(NotFound) as told:
        blocking.picture("similar", 1)
    error = pickle.loads(pickle.dumps(told.value))
    assert (type(error), error.code, str(error)) == (
        NotFound,
        Problem.ITEM_MISSING.code,
        str(told.value),
    )
