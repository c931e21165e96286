"""The official Python client, `baidu-aip`, unmodified except for where it sends."""

import json
import time
from collections.abc import Iterator

import pytest
from aip import AipImageSearch
from aip.base import AipBase
from sqlalchemy import delete, select, update

from support import engines, round_trip
from support.host import PictureHost
from support.round_trip import Trip
from support.server import Caller, Server, b64
from support.vendor import Connect, PythonClient, connecting
from tusou.services import SERVICES
from tusou.storage.blobs import FolderBlobs
from tusou.storage.tables import feedback, tokens
from tusou.types import ContSign

# When it signs, the client asks for the time in a way that Python 3.12 warns of.
SIGNS = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Clients that call our server."""
    with connecting(monkeypatch) as make:
        yield make


@pytest.fixture
def client(connect: Connect, server: Server, caller: Caller) -> PythonClient:
    """A client of a new application."""
    return connect(server.address, caller)


def test_the_round_trips_leave_no_method_of_the_client_out() -> None:
    public = {name for name in vars(AipImageSearch) if not name.startswith("_")}
    assert public == round_trip.methods()


@pytest.mark.parametrize("service", SERVICES)
def test_a_library_is_filled_searched_changed_and_emptied(
    client: PythonClient, service: str
) -> None:
    Trip(client, service).with_pictures()
    assert client.token.startswith("24.")  # it went by token, not by signature


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_by_url(connect: Connect, open_server: Server, service: str) -> None:
    client = connect(open_server.address, open_server.caller(service))
    with PictureHost(round_trip.PICTURES) as host:
        Trip(client, service).with_urls({name: host.url(name) for name in round_trip.PICTURES})


def test_an_error_comes_back_as_an_answer(client: PythonClient) -> None:
    answer = client.call("similarAdd", b"no picture", "brief")
    assert answer["error_code"] == 216201
    assert answer["error_msg"].startswith("image format error")


@pytest.mark.parametrize("fate", ["revoked", "expired"])
def test_a_token_that_died_is_renewed_unnoticed(
    client: PythonClient, server: Server, caller: Caller, fate: str
) -> None:
    client.call("similarAdd", round_trip.A, "a")
    old = client.token
    own = tokens.c.app_id == caller.app_id
    end = {
        "revoked": delete(tokens).where(own),
        "expired": update(tokens).where(own).values(expires=tokens.c.expires - 2_592_000),
    }
    with server.office() as office, office.database.write() as connection:
        connection.execute(end[fate])
    assert client.call("similarSearch", round_trip.A)["result"][0]["brief"] == "a"
    assert client.token != old
    codes = [line.get("error_code") for line in server.lines_of(caller.app_id, 2)]
    assert codes == [None, None]  # the refused call has no application


@SIGNS
def test_an_old_key_gets_no_new_token(client: PythonClient, server: Server, caller: Caller) -> None:
    client.call("similarAdd", round_trip.A, "a")
    with server.office() as office:
        office.apps.reset_key(caller.app_id)
    # Refused a token, the client repeats the call without, and signs from then on.
    codes = [client.call("similarSearch", round_trip.A)["error_code"] for _ in range(2)]
    assert codes == [100, 14]


@pytest.fixture
def signing(
    connect: Connect, open_server: Server, monkeypatch: pytest.MonkeyPatch
) -> tuple[PythonClient, Caller]:
    """A client that was answered without a token: it signs for the rest of its life."""
    caller = open_server.caller()
    client = connect(open_server.address, caller)
    monkeypatch.setattr(
        AipBase, "_AipBase__accessTokenUrl", f"{open_server.address}/rest/2.0/nothing"
    )
    return client, caller


@SIGNS
@pytest.mark.parametrize("service", SERVICES)
def test_it_can_sign_instead(
    signing: tuple[PythonClient, Caller], open_server: Server, service: str
) -> None:
    client, caller = signing
    Trip(client, service).with_pictures()
    with PictureHost(round_trip.PICTURES) as host:
        Trip(client, service).with_urls({name: host.url(name) for name in round_trip.PICTURES})
    assert client.aip._isCloudUser is True
    lines = open_server.lines_of(caller.app_id, 20)
    assert {line["auth"] for line in lines} == {"signature"}


@SIGNS
def test_who_signs_passes_the_same_gates(
    signing: tuple[PythonClient, Caller], open_server: Server
) -> None:
    client, caller = signing
    assert set(client.aip.report("signed too")) == {"log_id"}

    def code() -> object:
        return client.call("similarSearch", round_trip.A).get("error_code")

    with open_server.office() as office:
        office.apps.set_limits(caller.app_id, "similar", "search", {"daily": 1})
        assert [code(), code()] == [None, 17]
        office.apps.edit(caller.app_id, services=["product"])
        time.sleep(1.05)  # the refusal is repeated for a second
        assert code() == 6
        office.apps.edit(caller.app_id, services=["similar"])
        office.apps.enable(caller.app_id, False)
        assert code() == 15
        office.apps.enable(caller.app_id, True)
        office.apps.set_limits(caller.app_id, "similar", "search", {})
        assert code() is None
        office.apps.reset_key(caller.app_id)
        assert code() == 14


def test_feedback_is_kept_with_picture_and_score(
    client: PythonClient, server: Server, caller: Caller
) -> None:
    for picture, brief in ((round_trip.A, "a"), (round_trip.B, "b")):
        client.call("productAdd", picture, brief)
    search = client.call("productSearch", round_trip.A2)
    first, second = search["result"]
    full = {
        "log_id": search["log_id"],
        "cont_sign": second["cont_sign"],
        "correct": False,
        "image": b64(round_trip.A2),
        "备注": "不是同一款",
    }
    for said in (json.dumps([full, {"log_id": search["log_id"], "correct": "1"}]), "很好用"):
        assert set(client.aip.report(said)) == {"log_id"}
    assert client.aip.report("")["error_code"] == 216101

    with server.office() as office, office.database.read() as connection:
        rows = connection.execute(
            select(feedback).where(feedback.c.app_id == caller.app_id).order_by(feedback.c.id)
        ).all()
    of_second, of_first, words = rows
    assert (of_second.service, of_second.log_id) == ("product", search["log_id"])
    assert str(ContSign.from_int(of_second.sign)) == second["cont_sign"]
    assert of_second.score == pytest.approx(second["score"], abs=1e-6)
    assert of_second.correct is False
    if not engines.CLUSTER:  # the pictures of a cluster are in a bucket
        assert FolderBlobs(server.data / "blobs").get(of_second.blob) == round_trip.A2
    assert json.loads(of_second.payload)["备注"] == "不是同一款"
    # A report of a search that names no picture speaks of its first.
    assert str(ContSign.from_int(of_first.sign)) == first["cont_sign"]
    assert of_first.score == pytest.approx(first["score"], abs=1e-6)
    assert of_first.correct is True
    assert json.loads(words.payload) == {"text": "很好用"}
