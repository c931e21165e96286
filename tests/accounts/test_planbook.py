"""Plans that an operator sets: over the bundled ones, never lost to another's, never from under."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from support.clock import Clock
from tusou.accounts.apps import Apps
from tusou.accounts.audit import Audit
from tusou.accounts.planbook import Changed, InUse, OfNewApps, Planbook, Unfit
from tusou.accounts.plans import Limits, Plan, Plans, Quota
from tusou.accounts.quotas import Quotas
from tusou.errors import Problem, TusouError
from tusou.services import SERVICES
from tusou.storage.database import Database

GOLD = Plan("gold", "Gold", "黄金", None, {"*/*": {"qps": 20}, "*/search": {"total": 5}})
BUNDLED = Plans.bundled()


@pytest.fixture
def book(database: Database) -> Planbook:
    return Planbook(database, Audit(database))


def acts(database: Database) -> list[tuple[str, object]]:
    """What was done to plans, and to which."""
    entries = Audit(database).list()
    return [(row.act, row.facts["name"]) for row in entries if row.act.startswith("plan.")]


def test_there_are_the_bundled_ones_and_those_that_were_set(book: Planbook) -> None:
    assert book.list() == BUNDLED.list()
    book.set(GOLD)
    assert [plan.name for plan in book.list()] == ["open", "personal", "enterprise", "paid", "gold"]
    assert book.get("gold") == replace(GOLD, version=book.get("gold").version)
    with pytest.raises(TusouError, match=r"no plan silver; there are open, .*, gold"):
        book.get("silver")


def test_the_closest_line_counts_for_each_kind() -> None:
    lines: Limits = {
        "*/*": {"qps": 9, "daily": 8},
        "*/add": {"daily": None},
        "similar/add": {"qps": None},
    }
    plan = replace(GOLD, lines=lines)
    assert plan.plain("similar", "search") == Quota(9, 8)
    assert plan.plain("product", "add") == Quota(9)
    assert plan.plain("similar", "add") == Quota()
    assert plan.summary() == {
        **{f"{service}/add": Quota(9) for service in SERVICES},
        "similar/add": Quota(),
        **{f"*/{call}": Quota(9, 8) for call in ("search", "delete", "update")},
    }


def test_a_bundled_plan_is_changed_and_put_back_under_its_holders(
    book: Planbook, apps: Apps, database: Database
) -> None:
    apps.create("shop", ["similar"], "paid")
    book.set(replace(BUNDLED.get("paid"), lines={"*/*": {"qps": 99}}))
    assert book.get("paid").plain("similar", "add") == Quota(99)
    book.remove("paid")
    assert book.list() == BUNDLED.list()
    with pytest.raises(ValueError, match="comes with tusou, and is as it came"):
        book.remove("paid")
    assert acts(database) == [("plan.set", "paid"), ("plan.reset", "paid")]


def test_a_plan_that_somebody_has_stays(book: Planbook, apps: Apps, database: Database) -> None:
    book.set(GOLD)
    held = [apps.create("shop", ["similar"], "gold")[0].id for _ in range(2)]
    with pytest.raises(InUse, match="2 applications have the plan gold"):
        book.remove("gold")
    assert book.users() == {"gold": 2}
    apps.delete(held[0])
    with pytest.raises(InUse, match="1 application has the plan gold"):
        book.remove("gold")
    gold = book.get("gold")
    apps.set_plan(held[1], BUNDLED.get("paid"))
    book.remove("gold")
    assert acts(database).count(("plan.remove", "gold")) == 1
    for give in (
        lambda: apps.set_plan(held[1], gold),
        lambda: apps.create("late", ["similar"], "gold"),
    ):
        with pytest.raises(TusouError, match="no plan gold"):
            give()


def test_the_plan_of_new_applications_stays(database: Database) -> None:
    book = Planbook(database, Audit(database), of_new="gold")
    book.set(GOLD)
    with pytest.raises(OfNewApps, match="TUSOU_PLAN"):
        book.remove("gold")


@pytest.mark.parametrize("name", ["gold", "paid"])
def test_of_many_who_edit_at_once_one_succeeds_and_all_others_are_told(
    book: Planbook, database: Database, name: str
) -> None:
    if name == "gold":
        book.set(GOLD)
    seen, start = book.get(name), Barrier(6)

    def edit(number: int) -> bool:
        start.wait(30)
        try:
            book.set(replace(seen, title=f"by {number}"))
        except Changed:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(edit, range(6)))
    assert won.count(True) == 1
    assert book.get(name).title == f"by {won.index(True)}"
    assert len(acts(database)) == (2 if name == "gold" else 1)
    with pytest.raises(Changed):
        book.remove(name, seen.version)


def test_what_was_seen_before_it_was_put_back_is_not_saved(book: Planbook) -> None:
    changed = replace(BUNDLED.get("paid"), title="Bought")
    book.set(changed)
    seen = book.get("paid")
    book.remove("paid")
    book.set(changed)
    with pytest.raises(Changed):
        book.set(replace(seen, title="Sold"))


def test_a_plan_is_never_given_and_removed_at_once(
    book: Planbook, apps: Apps, database: Database
) -> None:
    for _ in range(5):
        book.set(GOLD)
        start = Barrier(2)

        def at_once(work: Callable[[], object], start: Barrier = start) -> bool:
            start.wait(30)
            try:
                work()
            except (InUse, TusouError):
                return False
            return True

        works: list[Callable[[], object]] = [
            lambda: book.remove("gold"),
            lambda: apps.create("shop", ["similar"], "gold"),
        ]
        with ThreadPoolExecutor(2) as pool:
            removed, given = pool.map(at_once, works)
        assert removed != given
        if given:
            apps.delete(apps.list()[0].id)
            book.remove("gold")


UNFIT = {
    "name": {"name": "Gold"},
    "title": {"title": " "},
    "chinese": {"chinese": "金" * 61},
    "days": {"days": 0},
    "*/add/qps": {"lines": {"*/add": {"qps": -1}}},
    "similar/add/total": {"lines": {"similar/add": {"total": 10**9 + 1}}},
    "similar/*/qps": {"lines": {"similar/*": {"qps": 1}}},
    "*/add/hourly": {"lines": {"*/add": {"hourly": 1}}},
}


@pytest.mark.parametrize("field", UNFIT)
def test_what_will_not_do_is_told_by_its_field(
    book: Planbook, database: Database, field: str
) -> None:
    with pytest.raises(Unfit) as caught:
        book.set(replace(GOLD, **UNFIT[field]))  # type: ignore[arg-type]
    assert [*caught.value.reasons] == [field]
    assert acts(database) == []


def test_quotas_go_by_a_changed_plan_within_a_second(
    book: Planbook, apps: Apps, clock: Clock
) -> None:
    book.set(GOLD)
    app, _ = apps.create("shop", ["similar"], "gold")
    quotas = Quotas(book, clock=clock)
    for _ in range(5):
        quotas.admit(app, "similar", "search")
    with pytest.raises(TusouError) as caught:
        quotas.admit(app, "similar", "search")
    assert caught.value.problem is Problem.TOTAL_LIMIT
    book.set(replace(book.get("gold"), lines={"*/search": {"total": 6}}))
    clock.now += 1
    quotas.admit(app, "similar", "search")
    assert quotas.look(app, "similar", "search") == (Quota(total=6), Quota(total=6))
