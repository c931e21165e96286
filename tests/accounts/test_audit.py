"""The record of acts: every act is in it once, in its own transaction, and no secret ever."""

import json
import os
import pwd
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from support.clock import Clock
from tusou.accounts.apps import Apps
from tusou.accounts.audit import Audit
from tusou.accounts.billing import Billing
from tusou.accounts.plans import Plans
from tusou.accounts.prices import Prices
from tusou.accounts.secrets import Vault
from tusou.accounts.tokens import Tokens
from tusou.accounts.usage import Usage
from tusou.errors import TusouError
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.database import Database
from tusou.storage.tables import audit as table

ACTS: dict[str, Callable[[Apps, int], object]] = {
    "app.edit": lambda apps, app_id: apps.edit(app_id, "new name", ["product"]),
    "app.plan": lambda apps, app_id: apps.set_plan(app_id, Plans.bundled().get("paid")),
    "app.limit": lambda apps, app_id: apps.set_limits(app_id, "similar", "add", {"qps": 5}),
    "app.show_secret": lambda apps, app_id: apps.secret(app_id),
    "app.reset_key": lambda apps, app_id: apps.reset_key(app_id),
    "app.revoke_tokens": lambda apps, app_id: apps.revoke_tokens(app_id),
    "app.disable": lambda apps, app_id: apps.enable(app_id, False),
    "app.enable": lambda apps, app_id: apps.enable(app_id, True),
    "app.delete": lambda apps, app_id: apps.delete(app_id),
}


@pytest.fixture
def audit(database: Database, clock: Clock) -> Audit:
    return Audit(database, "ann", clock)


@pytest.fixture
def apps(database: Database, tmp_path: Path, audit: Audit) -> Apps:
    return Apps(database, Vault(tmp_path / "secret.key"), audit)


def test_every_act_is_written_down_once(apps: Apps, audit: Audit, clock: Clock) -> None:
    app, _ = apps.create("shop", ["similar"])
    for do in ACTS.values():
        clock.now += 1
        do(apps, app.id)
    entries = audit.list()
    assert [entry.act for entry in entries] == ["app.create", *ACTS]
    assert {(entry.who, entry.app_id) for entry in entries} == {("ann", app.id)}
    assert [entry.at for entry in entries] == [int(clock.now) - 9 + n for n in range(10)]
    facts = {entry.act: entry.facts for entry in entries}
    assert facts["app.create"] == {"name": "shop", "services": ["similar"], "plan": "open"}
    assert facts["app.edit"] == {"name": "new name", "services": "product"}
    assert facts["app.limit"] == {"call": "similar/add", "limits": {"qps": 5}}


def test_no_secret_is_ever_in_it(apps: Apps, audit: Audit, database: Database) -> None:
    app, secret = apps.create("shop", ["similar"])
    grant = Tokens(database, apps).issue(app.api_key, secret)
    assert grant is not None
    secrets = {secret, grant.access_token, grant.refresh_token}
    for act, do in ACTS.items():
        made = do(apps, app.id)
        secrets |= {made} if act in ("app.reset_key", "app.show_secret") else set()  # type: ignore[arg-type]
    assert len(secrets) == 4
    text = json.dumps([[entry.act, dict(entry.facts)] for entry in audit.list()])
    assert not [word for word in secrets if word in text]


@pytest.mark.parametrize("act", ACTS)
def test_what_was_not_done_is_not_written_down(apps: Apps, audit: Audit, act: str) -> None:
    with pytest.raises(TusouError):
        ACTS[act](apps, 1)
    assert audit.list() == []


def test_an_act_that_cannot_be_written_down_is_not_done(
    apps: Apps, database: Database, audit: Audit
) -> None:
    app, secret = apps.create("shop", ["similar"])
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO mislaid")
    for do in ACTS.values():
        with pytest.raises(TusouError):
            do(apps, app.id)
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE mislaid RENAME TO audit")
    assert apps.get(app.id) == app
    assert apps.with_keys(app.api_key, secret) == app


def test_the_latest_are_listed_oldest_first(apps: Apps, audit: Audit) -> None:
    first, second = (apps.create(name, []) for name in ("first", "second"))
    for _ in range(3):
        apps.edit(first[0].id, "again")
    assert [entry.act for entry in audit.list(most=4)] == ["app.create"] + ["app.edit"] * 3
    assert [entry.act for entry in audit.list(second[0].id)] == ["app.create"]
    assert audit.list(1) == []


def test_the_office_acts_as_the_user_of_its_process(tmp_path: Path) -> None:
    with Office(Settings.load({}, data=tmp_path)) as office:
        app, _ = office.apps.create("shop", ["similar"])
        office.create_library(app.id, "similar")
        with pytest.raises(TusouError):
            office.create_library(app.id, "similar")
        created, library = office.audit.list()
        with office.database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(table)) == 2
    assert created.who == library.who == pwd.getpwuid(os.getuid()).pw_name
    assert (library.act, library.app_id) == ("library.create", app.id)
    assert library.facts == {"service": "similar", "pack": "similar@1", "capacity": 500_000}


def test_acts_with_money_are_written_down_and_refused_ones_are_not(
    database: Database, apps: Apps, audit: Audit, clock: Clock
) -> None:
    app, _ = apps.create("shop", ["similar"])
    billing = Billing(database, Prices.load(), Usage(database, clock), clock, audit)
    search = "similar", "search"
    size = min(billing.prices.calls[search].packages)
    billing.ledger.open(app.id, "personal")
    billing.ledger.top_up(app.id, Decimal(5000), "invoice 7")
    billing.ledger.pay(app.id, [search])
    package = billing.packages.buy(app.id, *search, size)
    billing.packages.refund(package.id)
    billing.packages.grant(app.id, *search, 10)
    billing.addons.buy(app.id, *search, 3, None, 1, "day")
    billing.ledger.stop_paying(app.id, [search])
    billing.ledger.withdraw(app.id, Decimal(1))
    with pytest.raises(TusouError):
        billing.ledger.withdraw(app.id, Decimal(10**6))
    acts = [entry for entry in audit.list() if not entry.act.startswith("app.")]
    assert [entry.act for entry in acts] == [
        "account.open",
        "account.top-up",
        "account.pay",
        "package.buy",
        "package.refund",
        "package.grant",
        "qps.buy",
        "account.stop",
        "account.withdrawal",
    ]
    assert {entry.app_id for entry in acts} == {app.id}
    assert acts[1].facts == {"amount": "5000", "note": "invoice 7"}
    assert acts[3].facts == {"package": package.id, "call": "similar/search", "size": size}
