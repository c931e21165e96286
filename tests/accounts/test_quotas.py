"""Quotas: what is admitted, whatever counts it, and what a refusal says and costs."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.storage import RedisStorage
from redis import Redis

from support.clock import Clock
from tusou.accounts.apps import App
from tusou.accounts.plans import Limit, Plans
from tusou.accounts.quotas import Call, Counted, Quotas
from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS, SERVICES

BUNDLED = Plans.bundled()
SHOP = "similar", "search"


def application(limits: Limit, plan: str = "open", since: int = 0) -> App:
    """An application with limits of its own for searches in `similar`."""
    own = {"similar/search": limits} if limits else {}
    return App(7, "shop", "key", tuple(SERVICES), True, 0, plan, since, own)


def no_calls(*_: object) -> int:
    return 0


Make = Callable[..., Quotas]


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """A small Redis, in this process."""
    server = fakeredis.TcpFakeServer(("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"redis://127.0.0.1:{server.server_address[1]}/0"
    with Redis.from_url(url) as connection:
        # This one at times hangs up on who asks for a script that it does not know yet.
        for script in (
            RedisStorage.SCRIPT_INCR_EXPIRE,
            RedisStorage.SCRIPT_MOVING_WINDOW,
            RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW,
        ):
            connection.script_load(script)
    yield url
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest, clock: Clock) -> Make:
    """Quotas over each store; every test has one that is empty."""
    url = ""
    if request.param == "redis":
        url = request.getfixturevalue("redis")
        with Redis.from_url(url) as connection:
            connection.flushall()

    def quotas(counted: Counted = no_calls, clock: Callable[[], float] = clock) -> Quotas:
        return Quotas(BUNDLED, counted, url, clock)

    return quotas


def admitted(quotas: Quotas, app: App, count: int) -> int:
    """How many of so many calls are let in."""
    return sum(outcome(quotas, app) is None for _ in range(count))


def outcome(quotas: Quotas, app: App) -> Problem | None:
    try:
        quotas.admit(app, *SHOP)
    except TusouError as error:
        return error.problem
    return None


def test_no_more_calls_are_admitted_in_any_second_than_allowed(make: Make) -> None:
    quotas = make(clock=time.time)
    app = application({"qps": 5})
    spans: list[tuple[float, float]] = []
    end = time.time() + 2.5
    while (before := time.time()) < end:
        if outcome(quotas, app) is None:
            spans.append((before, time.time()))
        time.sleep(0.002)
    assert 12 <= len(spans) <= 15
    for first, later in zip(spans, spans[5:], strict=False):
        assert later[1] - first[0] > 1


def test_a_call_of_one_kind_uses_up_nothing_of_another(make: Make) -> None:
    quotas = make()
    every = {f"{service}/{call}": {"daily": 1} for service in SERVICES for call in OPERATIONS}
    for number in (1, 2):
        app = App(number, "shop", "key", (), True, 0, limits=every)
        for service in SERVICES:
            for operation in OPERATIONS:
                quotas.admit(app, service, operation)
                with pytest.raises(TusouError) as caught:
                    quotas.admit(app, service, operation)
                assert caught.value.problem is Problem.DAILY_LIMIT
                assert f"{operation} of {service}" in caught.value.detail


def test_a_day_begins_at_midnight_in_china(make: Make, clock: Clock) -> None:
    quotas = make()
    app = application({"daily": 3})
    midnight = datetime(2027, 3, 1, 16, tzinfo=UTC).timestamp()
    clock.now = midnight - 1
    assert admitted(quotas, app, 5) == 3
    assert outcome(quotas, app) is Problem.DAILY_LIMIT
    clock.now = midnight
    assert admitted(quotas, app, 5) == 3
    clock.now = midnight + 86_399
    assert outcome(quotas, app) is Problem.DAILY_LIMIT


def test_what_was_metered_today_counts_after_a_restart(make: Make, clock: Clock) -> None:
    asked: list[tuple[int, str, str, int]] = []

    def counted(*call: object) -> int:
        asked.append(call)  # type: ignore[arg-type]
        return 8

    clock.now = datetime(2027, 3, 1, 17, tzinfo=UTC).timestamp()
    assert admitted(make(counted), application({"daily": 10}), 5) == 2
    assert asked == [(7, *SHOP, clock.now - 3600)]


def test_what_was_metered_since_the_plan_counts_after_a_restart(make: Make, clock: Clock) -> None:
    since = int(clock.now) - 5000
    asked: list[object] = []

    def counted(*call: object) -> int:
        asked.append(call)
        return 4_999

    app = application({"total": 5_000, "qps": None}, "personal", since)
    quotas = make(counted)
    assert outcome(quotas, app) is None
    assert outcome(quotas, app) is Problem.TOTAL_LIMIT
    assert asked == [(7, *SHOP, since)]


def test_a_plan_given_anew_counts_anew(make: Make, clock: Clock) -> None:
    quotas = make()
    for _ in range(2):
        app = application({"total": 2, "qps": None}, "personal", int(clock.now))
        assert admitted(quotas, app, 5) == 2
        clock.now += 10


def test_an_allowance_ends_with_its_days(make: Make, clock: Clock) -> None:
    quotas = make()
    app = application({}, "personal", int(clock.now))
    quotas.admit(app, *SHOP)
    clock.now += 365 * 86_400 - 1
    quotas.admit(app, *SHOP)
    clock.now += 1
    with pytest.raises(TusouError, match="365 days are over"):
        quotas.admit(app, *SHOP)
    quotas.admit(app, "similar", "delete")  # which costs nothing


def test_a_refused_call_uses_up_nothing(make: Make, clock: Clock) -> None:
    quotas = make()
    assert admitted(quotas, application({"daily": 3}), 50) == 3
    clock.now += 2
    # The limit is raised: fifty refusals have not used it up.
    assert admitted(quotas, application({"daily": 10}), 50) == 7
    clock.now += 2
    assert admitted(quotas, application({"daily": 20, "qps": 0}), 9) == 0
    clock.now += 2
    assert admitted(quotas, application({"daily": 20}), 50) == 10


@given(
    st.lists(
        st.tuples(st.integers(0, 40_000), st.integers(0, 6), st.none() | st.integers(0, 5)),
        max_size=12,
    )
)
def test_a_day_holds_its_limit_whenever_calls_come_and_limits_change(
    steps: list[tuple[int, int, int | None]],
) -> None:
    clock = Clock()
    quotas = Quotas(BUNDLED, no_calls, clock=clock)
    taken: Counter[int] = Counter()
    for wait, calls, daily in steps:
        clock.now += wait + 2  # a refusal is repeated for a second
        day = int(clock.now + 8 * 3600) // 86_400
        app = application({"daily": daily, "qps": None})
        got = admitted(quotas, app, calls)
        assert got == (calls if daily is None else max(0, min(calls, daily - taken[day])))
        if daily is not None:  # what nothing limits is counted by the metering only
            taken[day] += got


def test_what_an_account_gives_stands_for_the_plan_within_a_second(clock: Clock) -> None:
    paid: dict[str, int | None] = {"qps": None}
    quotas = Quotas(BUNDLED, clock=clock, paid_qps=lambda *_: paid["qps"])
    app = application({}, "personal", since=int(clock()))
    assert admitted(quotas, app, 5) == 2
    paid["qps"] = 4
    clock.now += 1.5
    time.sleep(1.1)  # the window of seconds is the storage's own
    assert admitted(quotas, app, 9) == 4


def test_an_applications_own_limits_hold_beside_what_it_pays_for(clock: Clock) -> None:
    quotas = Quotas(BUNDLED, clock=clock, paid_qps=lambda *_: 100)
    assert admitted(quotas, application({"daily": 3}), 9) == 3


def test_none_lifts_a_limit_and_0_closes(make: Make) -> None:
    quotas = make()
    assert admitted(quotas, application({"qps": None, "total": None}, "personal"), 60) == 60
    for kind, problem in (
        ("qps", Problem.QPS_LIMIT),
        ("daily", Problem.DAILY_LIMIT),
        ("total", Problem.TOTAL_LIMIT),
    ):
        fresh = make()
        assert outcome(fresh, application({kind: 0})) is problem


def test_a_refusal_stands_until_the_window_moves_and_no_longer(make: Make) -> None:
    quotas = make(clock=time.time)
    app, call = application({"qps": 2}), Call(7, *SHOP)
    quotas.repeat(call)
    assert admitted(quotas, app, 3) == 2
    with pytest.raises(TusouError) as caught:
        quotas.repeat(call)
    assert caught.value.problem is Problem.QPS_LIMIT
    assert caught.value.detail == "2 a second, for search of similar"
    quotas.repeat(Call(7, "similar", "add"))
    quotas.repeat(Call(8, *SHOP))
    time.sleep(1.05)
    quotas.repeat(call)
    assert outcome(quotas, app) is None


@pytest.mark.parametrize(("kind", "amount"), [("qps", 40), ("daily", 40), ("total", 40)])
def test_threads_at_the_limit_never_exceed_it(make: Make, kind: str, amount: int) -> None:
    quotas = make(clock=time.time)
    app = application({"qps": None, kind: amount})
    barrier = threading.Barrier(8)

    def run(_: int) -> int:
        barrier.wait(30)
        return admitted(quotas, app, 25)

    started = time.time()
    with ThreadPoolExecutor(8) as pool:
        total = sum(pool.map(run, range(8)))
    if kind == "qps" and time.time() - started > 0.9:
        assert total <= amount * (1 + int(time.time() - started))  # a slow machine
    else:
        assert total == amount


def test_two_servers_share_the_counts_of_one_redis(redis: str, clock: Clock) -> None:
    with Redis.from_url(redis) as connection:
        connection.flushall()
    first, second = (Quotas(BUNDLED, lambda *_: 3, redis, clock) for _ in range(2))
    app = application({"daily": 10})
    assert [outcome(quotas, app) for quotas in (first, second) * 3] == [None] * 6
    assert outcome(second, app) is None  # three were metered before, seven are admitted
    assert outcome(first, app) is Problem.DAILY_LIMIT
    assert outcome(second, app) is Problem.DAILY_LIMIT


def test_counts_that_redis_has_lost_are_taken_over_again(redis: str, clock: Clock) -> None:
    quotas = Quotas(BUNDLED, lambda *_: 9, redis, clock)
    app = application({"daily": 10})
    with Redis.from_url(redis) as connection:
        for _ in range(2):
            connection.flushall()
            clock.now += 2
            assert admitted(quotas, app, 3) == 1


def test_a_redis_that_does_not_answer_is_told_as_unavailable(clock: Clock) -> None:
    quotas = Quotas(BUNDLED, no_calls, "redis://:secret@127.0.0.1:1/0", clock)
    for limits in ({"qps": 5}, {"daily": 5}):
        with pytest.raises(TusouError) as caught:
            quotas.admit(application(limits), *SHOP)
        assert caught.value.problem is Problem.UNAVAILABLE
        assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["localhost:6379", "carrier-pigeon://x", "redis://host:port"])
def test_a_redis_setting_that_makes_no_sense_is_told_without_its_password(url: str) -> None:
    with pytest.raises(RuntimeError, match="redis setting must be a URL") as caught:
        Quotas(BUNDLED, redis=url)
    assert url not in str(caught.value)


# Plans


def test_the_free_plans_are_those_of_the_reference() -> None:
    by_service = {
        "personal": {"add": 50_000, "search": 10_000, "verified": 5_000},
        "enterprise": {"add": 100_000, "search": 30_000, "verified": 10_000},
    }
    for name, totals in by_service.items():
        plan = BUNDLED.get(name)
        assert plan.days == 365
        for service in SERVICES:
            small = service in ("picturebook", "materiel")
            search = totals["verified"] if small else totals["search"]
            assert plan.quota(service, "add", {}) == (2, None, totals["add"])
            assert plan.quota(service, "search", {}) == (2, None, search)
            for free in ("delete", "update"):
                assert plan.quota(service, free, {}) == (2, None, None)
    assert {BUNDLED.get("paid").quota(s, c, {}) for s in SERVICES for c in OPERATIONS} == {
        (10, None, None)
    }


@given(
    st.dictionaries(st.sampled_from(["qps", "daily", "total"]), st.none() | st.integers(0, 99)),
    st.sampled_from([plan.name for plan in BUNDLED.list()]),
)
def test_what_an_application_has_of_its_own_comes_before_its_plan(
    own: dict[str, int | None], name: str
) -> None:
    plan = BUNDLED.get(name)
    for service in SERVICES:
        for call in OPERATIONS:
            quota = plan.quota(service, call, {"similar/add": own})
            base = plan.quota(service, call, {})
            mine = own if (service, call) == ("similar", "add") else {}
            assert quota._asdict() == base._asdict() | mine


def test_an_unknown_plan_is_told_with_those_there_are() -> None:
    with pytest.raises(TusouError, match="open, personal, enterprise, paid") as caught:
        BUNDLED.get("gold")
    assert caught.value.problem is Problem.INVALID_PARAM


def test_looking_tells_what_is_used_and_uses_up_nothing(make: Make, clock: Clock) -> None:
    quotas = make(lambda *_: 3)
    app = application({"qps": 9, "daily": 5, "total": None}, "personal", int(clock.now))
    for _ in range(4):
        allowed, used = quotas.look(app, *SHOP)
        assert (allowed.qps, allowed.daily, allowed.total) == (9, 5, None)
        assert (used.qps, used.daily, used.total) == (None, 3, None)
    quotas.admit(app, *SHOP)
    assert quotas.look(app, *SHOP)[1].daily == 4
    quotas.admit(app, *SHOP)
    with pytest.raises(TusouError):
        quotas.admit(app, *SHOP)
    assert quotas.look(app, *SHOP)[1].daily == 5


def test_looking_at_a_plan_that_is_over_finds_nothing_allowed(make: Make, clock: Clock) -> None:
    app = application({}, "personal", int(clock.now))
    assert make().look(app, *SHOP)[0].total == 10_000
    clock.now += 365 * 86_400
    assert make().look(app, *SHOP)[0].total == 0
