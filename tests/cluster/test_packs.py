"""Libraries in an engine that servers share: other model packs, and what the engine has lost."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support.models import make_pack
from support.pictures import picture
from support.server import Server
from support.shop import Shop
from tusou.library import shared
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.batches import Batches, Wish

pytestmark = pytest.mark.cluster

Open = Callable[[], Runtime]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    make_pack(data / "packs" / "one@1", "one", dimension=32, seed=1)
    make_pack(data / "packs" / "two@1", "two", dimension=48, seed=2)
    return data


@pytest.fixture
def open_runtime(cluster: dict[str, str], data: Path) -> Iterator[Open]:
    """Opens one more server without its HTTP and its background work; pictures are in a folder."""
    environ = {name: value for name, value in cluster.items() if name != "TUSOU_BLOBS"}
    opened: list[Runtime] = []

    def open_one() -> Runtime:
        opened.append(Runtime(Settings.load(environ, data=data)))
        return opened[-1]

    yield open_one
    for runtime in opened:
        runtime.close()


@pytest.fixture
def shops(request: pytest.FixtureRequest, open_runtime: Open) -> tuple[Shop, Shop]:
    """One library at two servers."""
    here, there = open_runtime(), open_runtime()
    app, _ = here.apps.create("test", SERVICES)
    row = here.create_library(app.id, getattr(request, "param", "similar"), "one")
    return Shop(here, row), Shop(there, row)


def _in_engine(shop: Shop, pack: str) -> int:
    """How many rows the engine has of the library by a pack."""
    runtime = shop.runtime
    model = runtime.models.get(pack)
    return len(runtime.catalogue.indexing.open(shop.row.id, model, False))


def test_a_library_moves_while_two_servers_add_search_and_delete(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.add(*range(100, 112))
    stop, wrong, known = threading.Event(), list[object](), list[int]()

    def watch(check: Callable[[int], None]) -> threading.Thread:
        def run() -> None:
            turn = 0
            try:
                while not stop.is_set():
                    check(turn)
                    turn += 1
            except BaseException as error:
                wrong.append(error)

        return threading.Thread(target=run)

    def search(turn: int) -> None:
        shop, seed = shops[turn % 2], 100 + turn % 12
        if (best := shop.best(seed)) != str(seed):
            wrong.append((seed, best))

    def add(turn: int) -> None:
        seed = 1000 + turn
        shops[turn % 2].add(seed)
        known.append(seed)
        if (best := shops[1 - turn % 2].best(seed)) != str(seed):
            wrong.append(("added", seed, best))

    def come_and_go(turn: int) -> None:
        shop, other = shops[turn % 2], shops[1 - turn % 2]
        (sign,) = shop.add(7)
        if other.best(7) != "7":
            wrong.append(("missed", turn))
        other.library.delete((sign,))
        if shop.best(7) == "7":
            wrong.append(("deleted", turn))

    threads = [watch(search), watch(add), watch(come_and_go)]
    for thread in threads:
        thread.start()
    for pack in ("two", "one"):
        here.ask(pack)
        while here.moves():
            here.run(grace=1)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert known
    everything = 12 + len(known)
    assert here.vectors() == {"one@1": everything}
    assert [shop.library.pack for shop in shops] == ["one@1", "one@1"]
    assert [_in_engine(there, pack) for pack in ("one@1", "two@1")] == [everything, 0]
    assert [there.best(seed) for seed in known] == list(map(str, known))


def test_a_move_that_dies_anywhere_goes_on_and_the_old_pack_answers_until_then(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = shops
    monkeypatch.setattr(shared, "_COMPARED", 5)
    seeds = list(range(20))
    here.add(*seeds)
    here.ask("two")
    for left in range(1, 100):
        turns = iter(range(left))

        def rest(_: float, turns: Iterator[int] = turns) -> bool:
            if next(turns, None) is None:
                raise KeyboardInterrupt
            return True

        try:
            assert here.move("two@1", rest)
            break
        except KeyboardInterrupt:
            assert (here.pack, there.best(left % 20)) == ("one@1", str(left % 20))
    assert left == 5  # times four and an empty portion, once all are embedded
    assert [shop.library.pack for shop in shops] == ["two@1", "two@1"]
    assert [there.best(seed) for seed in seeds] == list(map(str, seeds))
    there.run()  # whoever has the duty by now
    assert (there.vectors(), there.moves()) == ({"two@1": 20}, [])
    assert [_in_engine(there, pack) for pack in ("one@1", "two@1")] == [0, 20]


def test_an_add_that_knows_nothing_of_the_move_is_found_after_it(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = shops
    here.add(1, 2)
    library = there.library  # kept, as by a request that is under way
    monkeypatch.setattr(library._views, "see_ahead", lambda _: {})
    here.ask("two")
    there.add(3)
    assert not here.runtime.moves.switch(here.row.id, "two@1")  # three lack the vector
    assert here.move("two@1")
    assert library.pack == "one@1"
    library.add(picture(4), "4", (0, 0))
    assert library.pack == "two@1"
    assert [here.best(seed) for seed in (1, 2, 3, 4)] == [*"1234"]
    assert here.vectors()["two@1"] == 4 == _in_engine(here, "two@1")


def test_a_move_that_is_called_off_leaves_nothing_behind(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.add(1, 2, 3)
    here.ask("two")
    there.add(4)  # by both packs
    assert there.vectors() == {"one@1": 4, "two@1": 1}
    here.ask("one")
    here.run()
    assert (here.pack, here.vectors(), here.moves()) == ("one@1", {"one@1": 4}, [])
    assert [_in_engine(here, pack) for pack in ("one@1", "two@1")] == [4, 0]
    assert [there.best(seed) for seed in (1, 2, 3, 4)] == [*"1234"]


@pytest.mark.parametrize("shops", ["same_hq"], indirect=True)
def test_what_the_engine_lost_or_has_too_much_is_mended_portion_by_portion(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_COMPARED", 4)
    monkeypatch.setattr(shared, "_PORTION", 3)
    here, there = shops
    signs = here.add(*range(10))
    indexes = here.library.view.indexes
    with here.runtime.database.read() as connection:
        keys = list(connection.exec_driver_sql("SELECT id FROM items ORDER BY id").scalars())
    lost, strange = np.array(keys[3:7]), np.array([keys[8], keys[-1] + 5])
    indexes.vectors.remove(lost)
    indexes.vectors.add(
        strange, np.tile(np.eye(32, dtype=np.float32)[0], (2, 1)), np.zeros((2, 2), np.uint16)
    )
    indexes.vectors.reclass(np.array(keys[:1]), np.array([(5, 5)], np.uint16))
    if indexes.words is not None:
        indexes.words.remove(lost)
    batches = Batches(here.runtime.database)
    batch = batches.ask(here.row.id, Wish("rebuild"), 0, 0, 0)
    assert batches.begin(batch)
    told: list[tuple[int, int]] = []

    def tell(last: int, count: int, _: float) -> bool:
        told.append((last, count))
        return batches.advance(batch, last, count) and len(told) > 1

    assert not here.library.rebuild(0, tell)
    assert told == [(keys[3], 4)]
    end = time.monotonic() + 60
    here.runtime.jobs.run()  # as after a restart
    while (done := batches.get(here.row.id, batch.id)).is_open:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (done.state, done.last, done.done) == ("done", keys[-1], 10)
    assert _in_engine(there, "one@1") == 10
    assert [there.best(seed) for seed in range(10)] == list(map(str, range(10)))
    assert len(signs) == 10


def test_a_server_that_is_killed_in_a_move_is_followed_by_another(
    cluster: dict[str, str], data: Path
) -> None:
    cluster["TUSOU_PACK"] = "one"
    first = Server(data, cluster)
    caller = first.caller("similar")
    for number in range(20):
        caller.call("similar", "add", image=picture(number), brief=str(number))
    with first.office() as office:
        office.move_library(caller.app_id, "similar", "two")
        first.kill()
        second = Server(data, cluster)
        try:
            end = time.monotonic() + 60
            while office.registry.get(caller.app_id, "similar").pack != "two@1":
                assert time.monotonic() < end
                time.sleep(0.1)
            there = replace(caller, http=second.http)
            answers = [there.call("similar", "search", image=picture(n), rn=3) for n in range(20)]
            briefs = [answer["result"][0]["brief"] for answer in answers]
        finally:
            second.kill()
    assert briefs == list(map(str, range(20)))
