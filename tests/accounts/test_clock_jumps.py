"""A clock set a day forward or an hour back: nothing is charged twice, and nobody locked out."""

import time

import pytest
from sqlalchemy import func, select

from support.clock import Clock
from tusou.accounts.apps import App, Apps
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR
from tusou.accounts.plans import Plans
from tusou.accounts.quotas import Quotas
from tusou.accounts.tokens import ACCESS_SECONDS, Tokens
from tusou.accounts.usage import Usage
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database
from tusou.storage.tables import charges

ADD = ("similar", "add")


@pytest.fixture(autouse=True)
def _everywhere(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """The counters of quotas take the time where they please."""
    monkeypatch.setattr(time, "time", clock)


def test_a_token_holds_from_before_its_making_to_its_end(
    database: Database, apps: Apps, clock: Clock
) -> None:
    tokens, begun = Tokens(database, apps, clock), clock.now
    app, secret = apps.create("shop", ["similar"])
    grant = tokens.issue(app.api_key, secret)
    assert grant is not None
    for now in (begun + DAY, begun - HOUR, begun + ACCESS_SECONDS - 1):
        clock.now = now
        assert tokens.holder(grant.access_token) == app
    clock.now = begun + ACCESS_SECONDS
    with pytest.raises(TusouError) as caught:
        tokens.holder(grant.access_token)
    assert caught.value.problem is Problem.TOKEN_EXPIRED
    clock.now = begun  # the jump was a mistake, and is taken back
    assert tokens.holder(grant.access_token) == app


def _admitted(quotas: Quotas, app: App, calls: int) -> int:
    count = 0
    for _ in range(calls):
        try:
            quotas.admit(app, *ADD)
        except TusouError:
            continue
        count += 1
    return count


@pytest.mark.parametrize("jump", [-HOUR, -DAY, DAY])
def test_who_used_up_a_second_has_the_next_one_whatever_the_clock_does(
    clock: Clock, jump: int
) -> None:
    quotas = Quotas(Plans.bundled(), clock=clock)
    app = App(7, "shop", "key", ("similar",), True, 0, limits={"similar/add": {"qps": 3}})
    assert _admitted(quotas, app, 9) == 3
    clock.now += jump
    assert _admitted(quotas, app, 9) == 3
    clock.now += 0.5
    assert _admitted(quotas, app, 9) == 0
    clock.now += 1
    assert _admitted(quotas, app, 9) == 3


def test_a_day_used_up_stays_so_an_hour_earlier_and_the_next_day_is_new(
    clock: Clock,
) -> None:
    quotas = Quotas(Plans.bundled(), clock=clock)
    app = App(7, "shop", "key", ("similar",), True, 0, limits={"similar/add": {"daily": 5}})
    assert _admitted(quotas, app, 9) == 5
    clock.now -= HOUR
    assert _admitted(quotas, app, 9) == 0
    clock.now += DAY
    assert _admitted(quotas, app, 9) == 5


def test_money_that_comes_after_a_clock_is_set_back_is_seen_within_a_second(clock: Clock) -> None:
    given: list[int] = [1]
    quotas = Quotas(Plans.bundled(), clock=clock, paid_qps=lambda *_: given[0])
    app = App(7, "shop", "key", ("similar",), True, 0, "paid")
    assert _admitted(quotas, app, 20) == 1
    clock.now -= HOUR
    given[0] = 7
    assert _admitted(quotas, app, 20) == 7


def test_every_call_is_charged_once_whatever_the_clock_does(
    billing: Billing, usage: Usage, database: Database, app_id: int, clock: Clock
) -> None:
    billing.ledger.open(app_id, "none")
    billing.ledger.pay(app_id, [ADD])
    made = 0
    for jump, calls in ((0, 10), (2 * HOUR, 20), (-HOUR, 30), (DAY, 40), (-HOUR, 50), (0, 5)):
        clock.now += jump
        for _ in range(calls):
            usage.record(app_id, *ADD, None)
        made += calls
        usage.flush()
        billing.settlement.settle()
        assert usage.counted(app_id, *ADD, 0) == made
    clock.now += 2 * HOUR
    billing.settlement.settle()
    with database.read() as connection:
        assert connection.scalar(select(func.sum(charges.c.calls))) == made
    assert billing.ledger.account(app_id).balance * 50 == -made
