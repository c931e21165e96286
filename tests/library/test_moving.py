"""Moving a library to another model pack: nothing is missed, nothing stale is found, ever."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from support.models import make_pack
from support.outage import outage
from support.shop import Shop
from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.index.base import VectorIndex
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.blobs import Blobs
from tusou.storage.items import count


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    make_pack(data / "packs" / "one@1", "one", dimension=32, seed=1)
    make_pack(data / "packs" / "two@1", "two", dimension=48, seed=2)
    return data


@pytest.fixture
def runtime(data: Path) -> Iterator[Runtime]:
    """A runtime that was not started: moves are made when a test says so."""
    runtime = Runtime(Settings.load({}, data=data))
    yield runtime
    runtime.close()


@pytest.fixture
def app(runtime: Runtime) -> App:
    return runtime.apps.create("test", SERVICES)[0]


@pytest.fixture
def shop(runtime: Runtime, app: App) -> Shop:
    return Shop(runtime, runtime.create_library(app.id, "similar", "one"))


def test_libraries_of_several_packs_are_filled_and_searched_side_by_side(
    runtime: Runtime, app: App
) -> None:
    packs = {"similar": "one@1", "product": "two", "materiel": None}
    shops = [Shop(runtime, runtime.create_library(app.id, *made)) for made in packs.items()]
    for shop in shops:
        shop.add(1, 2, 3)
    for shop, pack in zip(
        shops, ("one@1", "two@1", runtime.shelf.find("materiel").id), strict=True
    ):
        assert shop.library.pack == pack
        assert shop.vectors() == {pack: 3}
        assert [shop.best(seed) for seed in (1, 2, 3)] == ["1", "2", "3"]


def test_a_library_whose_pack_is_gone_says_so_and_the_others_open(
    runtime: Runtime, app: App
) -> None:
    lost = Shop(runtime, runtime.create_library(app.id, "product", "two"))
    kept = Shop(runtime, runtime.create_library(app.id, "similar", "one"))
    runtime.shelf.remove(runtime.shelf.find("two"))
    runtime.catalogue.open_all()
    kept.add(1)
    with pytest.raises(TusouError, match="two@1 is not installed") as caught:
        lost.add(1)
    assert caught.value.problem is Problem.UNAVAILABLE
    make_pack(runtime.shelf.folder / "two@1", "two", dimension=48, seed=2)
    lost.add(1)


def test_a_damaged_model_costs_only_its_own_libraries(
    runtime: Runtime, app: App, data: Path
) -> None:
    model = data / "packs" / "two@1" / "tiny.onnx"
    whole = model.read_bytes()
    good = Shop(runtime, runtime.create_library(app.id, "similar", "one"))
    bad = Shop(runtime, runtime.create_library(app.id, "materiel", "two"))
    for damaged in (whole[:-500], b"", b"x" * 900):
        model.write_bytes(damaged)
        runtime.catalogue.open_all()
        with pytest.raises(TusouError) as caught:
            bad.add(1)
        assert caught.value.problem is Problem.INTERNAL_BACKEND
        assert "two@1" in caught.value.message
    good.add(1)
    assert good.best(1) == "1"
    model.write_bytes(whole)
    bad.add(1)  # without a restart
    assert bad.best(1) == "1"


@pytest.mark.parametrize("service", ["similar", "same_hq"])
def test_a_moved_library_finds_all_by_the_new_pack_and_forgets_the_old(
    runtime: Runtime, app: App, service: str
) -> None:
    shop = Shop(runtime, runtime.create_library(app.id, service, "one"))
    shop.add(*range(1, 21))
    shop.ask("two")
    shop.run()
    assert (shop.library.pack, shop.pack) == ("two@1", "two@1")
    assert shop.vectors() == {"two@1": 20}
    assert shop.moves() == []
    assert [shop.best(seed) for seed in range(1, 21)] == [str(seed) for seed in range(1, 21)]
    again = shop.reopened()
    try:
        assert again.library.pack == "two@1"
        assert [again.best(seed) for seed in (1, 20)] == ["1", "20"]
    finally:
        again.runtime.close()


def test_an_empty_library_moves_too(shop: Shop) -> None:
    shop.ask("two")
    shop.run()
    assert shop.library.pack == "two@1"
    shop.add(1)
    assert shop.vectors() == {"two@1": 1}


def test_searches_adds_and_deletes_during_moves_never_miss_and_never_see_what_is_gone(
    shop: Shop,
) -> None:
    shop.add(*range(100, 120))
    stop = threading.Event()
    wrong: list[object] = []
    known: list[int] = []

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
        seed = 100 + turn % 20
        if (best := shop.best(seed)) != str(seed):
            wrong.append((seed, best))

    def add(turn: int) -> None:
        shop.add(1000 + turn)
        known.append(1000 + turn)
        if (best := shop.best(1000 + turn)) != str(1000 + turn):
            wrong.append(("added", turn, best))

    def come_and_go(turn: int) -> None:
        (sign,) = shop.add(7)
        if shop.best(7) != "7":
            wrong.append(("missed", turn))
        shop.library.update((sign,), "seven", (9, None))
        if shop.best(7) != "seven":
            wrong.append(("stale", turn))
        shop.library.delete((sign,))
        if shop.best(7) in ("7", "seven"):
            wrong.append(("deleted", turn))

    threads = [watch(search), watch(add), watch(come_and_go)]
    for thread in threads:
        thread.start()
    for turn in range(6):
        shop.ask("one" if turn % 2 else "two")
        while shop.moves():
            shop.run()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert shop.library.pack == "one@1"
    assert shop.vectors() == {"one@1": count(shop.runtime.database, shop.row.id)}
    assert len(shop.library) == 20 + len(known) == shop.vectors()["one@1"]
    assert [shop.best(seed) for seed in known] == list(map(str, known))


class SlowBlobs:
    """Blobs that keep who puts some waiting: an add stops between its features and its row."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.put, self.get, self.delete = blobs.put, blobs.get, blobs.delete
        self.names, self.close = blobs.names, blobs.close

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        self.reached.set()
        assert self.go_on.wait(60)
        self._blobs.put_all(blobs)


def test_an_add_that_began_before_the_move_is_found_after_it(shop: Shop) -> None:
    slow = SlowBlobs(shop.runtime.blobs)
    shop.add(1, 2)
    shop.library._tools = replace(shop.library._tools, blobs=slow)
    adding = threading.Thread(target=shop.add, args=(3,))
    adding.start()
    assert slow.reached.wait(60)
    shop.ask("two")
    assert shop.move("two@1")
    slow.go_on.set()
    adding.join()
    assert [shop.best(seed) for seed in (1, 2, 3)] == [*"123"]
    assert shop.vectors() == {"one@1": 2, "two@1": 3}


@pytest.mark.parametrize(("late", "tries"), [(3, 1), (17, 2)])
def test_pictures_left_without_a_vector_at_the_last_moment_are_not_left_out(
    shop: Shop, late: int, tries: int
) -> None:
    shop.add(1, 2)
    shop.ask("two")
    model = shop.runtime.models.get("two@1")
    seeds = list(range(10, 10 + late))

    def make_vectors() -> VectorIndex:
        # The index is about to be made; adds that know nothing of the move come in now.
        views = shop.library._views
        move, views._move = views._move, None
        shop.add(*seeds)
        seeds.clear()
        views._move = move
        return model.make_vectors()

    added = [1, 2, *seeds]
    hooked = replace(model, make_vectors=make_vectors)
    done = [shop.move("two@1", model=hooked) for _ in range(tries)]
    assert done == [False] * (tries - 1) + [True]
    assert [shop.best(seed) for seed in added] == list(map(str, added))
    assert shop.vectors()["two@1"] == len(added) == len(shop.library)


def test_when_nobody_knows_whether_the_switch_was_made_a_restart_finds_everything(
    shop: Shop,
) -> None:
    shop.add(1, 2)
    shop.ask("two")

    def switch() -> bool:
        with outage(shop.runtime.database, "after"):
            return shop.runtime.moves.switch(shop.row.id, "two@1")

    with pytest.raises(TusouError):
        shop.move("two@1", switch=switch)
    assert (shop.library.pack, shop.pack) == ("one@1", "two@1")
    shop.add(3)
    assert [shop.best(seed) for seed in (1, 2, 3)] == [*"123"]
    again = shop.reopened()
    try:
        assert again.library.pack == "two@1"
        assert [again.best(seed) for seed in (1, 2, 3)] == [*"123"]
        again.run()
        assert (again.vectors(), again.moves()) == ({"two@1": 3}, [])
    finally:
        again.runtime.close()


def test_the_running_server_makes_up_its_mind_after_such_a_switch(shop: Shop) -> None:
    shop.add(1, 2)
    shop.ask("two")
    with pytest.raises(TusouError), outage(shop.runtime.database, "after"):
        shop.move("two@1")
    shop.run()
    assert (shop.library.pack, shop.vectors(), shop.moves()) == ("two@1", {"two@1": 2}, [])


def test_a_move_that_was_broken_off_goes_on_where_it_was(shop: Shop) -> None:
    shop.add(*range(1, 41))
    shop.ask("two")
    assert not shop.move("two@1", rest=lambda _: False)
    (move,) = shop.moves()
    assert 0 < move.done < 40
    assert shop.vectors() == {"one@1": 40, "two@1": move.done}
    again = shop.reopened()
    try:
        assert again.library.pack == "one@1"
        assert [again.best(seed) for seed in (1, 40)] == ["1", "40"]
        again.run()
        assert again.vectors() == {"two@1": 40}
        assert [again.best(seed) for seed in (1, 40)] == ["1", "40"]
    finally:
        again.runtime.close()


def test_a_move_can_be_called_off_in_the_middle(shop: Shop) -> None:
    shop.add(*range(1, 21))
    shop.ask("two")

    def rest(_: float) -> bool:
        if shop.runtime.moves.is_wanted(shop.row.id, "two@1"):
            shop.ask("one")
        return True

    assert not shop.move("two@1", rest)
    assert (shop.library.pack, shop.pack) == ("one@1", "one@1")
    shop.run()
    assert (shop.vectors(), shop.moves()) == ({"one@1": 20}, [])
    shop.add(30)
    assert shop.vectors() == {"one@1": 21}
    assert [shop.best(seed) for seed in (1, 30)] == ["1", "30"]


def test_another_pack_can_be_asked_for_in_the_middle(shop: Shop) -> None:
    shop.add(1, 2, 3)
    shop.ask("base")
    shop.ask("two")
    shop.run()
    assert (shop.library.pack, shop.vectors()) == ("two@1", {"two@1": 3})


def test_a_picture_that_cannot_be_embedded_stops_the_move_and_is_named(shop: Shop) -> None:
    signs = shop.add(1, 2, 3)
    with shop.runtime.database.read() as connection:
        names = connection.scalars(text("SELECT blob FROM items ORDER BY id")).all()
    shop.runtime.blobs.delete(names[1])
    shop.ask("two")
    shop.run()
    (move,) = shop.moves()
    assert move.problem == f"the original of picture {signs[1]} is not there"
    shop.run()  # it rests
    assert (shop.library.pack, [shop.best(seed) for seed in (1, 2, 3)]) == ("one@1", [*"123"])
    shop.library.delete((signs[1],))
    shop.ask("two")
    shop.run()
    assert (shop.library.pack, shop.vectors()) == ("two@1", {"two@1": 2})


def test_a_library_whose_own_pack_is_gone_can_be_moved_to_another(shop: Shop, data: Path) -> None:
    shop.add(1, 2, 3)
    shop.runtime.close()
    runtime = Runtime(Settings.load({}, data=data))
    try:
        again = Shop(runtime, shop.row)
        runtime.shelf.remove(runtime.shelf.find("one"))
        again.ask("two")
        again.run()
        assert (again.pack, again.vectors(), again.moves()) == ("two@1", {"two@1": 3}, [])
        assert [again.best(seed) for seed in (1, 2, 3)] == [*"123"]
    finally:
        runtime.close()


def test_what_cannot_be_moved_is_refused_in_plain_words(runtime: Runtime, app: App) -> None:
    lean = Shop(runtime, runtime.create_library(app.id, "similar", "one"))
    lean.add(1)
    with pytest.raises(ValueError, match="has the model pack one@1 already"):
        lean.ask("one")
    with pytest.raises(ValueError, match="there is no model pack three"):
        lean.ask("three")
    with runtime.database.write() as connection:
        connection.execute(text("UPDATE items SET blob = ''"))
    with pytest.raises(ValueError, match="1 of the library's pictures were stored without"):
        lean.ask("two")
    assert lean.moves() == []


def test_a_pack_that_a_library_needs_is_not_removed(shop: Shop) -> None:
    shop.ask("two")
    for name in ("one", "two"):
        with pytest.raises(ValueError, match="is used by libraries: "):
            shop.runtime.remove_pack(name)
    shop.run()
    assert shop.runtime.remove_pack("one").id == "one@1"
    with pytest.raises(ValueError, match="came with tusou"):
        shop.runtime.remove_pack("base")
