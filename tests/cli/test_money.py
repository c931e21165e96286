"""Accounts, packages, add-ons, bills and usage by command."""

import csv
import io
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from support.calls import count_calls
from support.clock import Clock
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import DAY, HOUR, hour_of
from tusou.accounts.prices import Prices
from tusou.cli import main
from tusou.errors import Problem
from tusou.office import Office
from tusou.settings import Settings
from tusou.storage.tables import libraries


class Shell:
    """Commands on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *words: object, fails: bool = False) -> str:
        done = CliRunner().invoke(main, [*map(str, words), "--data", str(self.data)])
        assert (done.exit_code != 0) is fails, done.output
        return done.output

    def json(self, *words: object) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("TUSOU_DATA", raising=False)
    return Shell(tmp_path)


@pytest.fixture
def app_id(shell: Shell) -> str:
    return str(shell.json("app", "create", "shop")["app_id"])


def test_an_account_from_its_opening_to_its_last_yuan(shell: Shell, app_id: str) -> None:
    assert shell("account", "list") == ""
    shell("account", "open", app_id, "--plan", "personal")
    assert shell("account", "top-up", app_id, "1,000.5") == "the balance is 1,000.50\n"
    assert (
        shell("account", "withdraw", app_id, "0.5", "--note", "变更") == "the balance is 1,000.00\n"
    )
    facts = {"app_id": app_id, "plan": "personal", "balance": "1000.00", "in_arrears": False}
    assert shell.json("account", "list") == [facts]
    assert shell("account", "list").splitlines()[1].split() == [app_id, "personal", "1,000.00"]
    assert shell.json("account", "show", app_id) == {**facts, "pay_as_you_go": []}
    shell("account", "pay", app_id, "similar", "all")
    shell("account", "pay", app_id, "all", "search")
    shell("account", "pay", app_id, "similar", "search", "--stop")
    paid = shell.json("account", "show", app_id)["pay_as_you_go"]
    assert paid == [
        "materiel search",
        "picturebook search",
        "product search",
        "same_hq search",
        "similar add",
    ]
    assert "same_hq search, similar add" in shell("account", "show", app_id)
    month = Prices.load().calendar.name(_now(shell, app_id), "month")
    rows = shell.json("account", "ledger", app_id, "--month", month)
    assert [(row["kind"], row["amount"], row["note"]) for row in rows] == [
        ("top-up", "1000.50", ""),
        ("withdrawal", "-0.50", "变更"),
    ]
    assert "-0.50  变更" in shell("account", "ledger", app_id, "--month", month)


def _now(shell: Shell, app_id: str) -> int:
    with Office(Settings.load({}, data=shell.data)) as office:
        return office.billing.ledger.account(int(app_id)).opened


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("account", "open", 5), "appid not exist: 5"),
        (
            ("account", "open", "APP", "--plan", "golden"),
            "no plan golden; there are none, personal",
        ),
        (("account", "show", "APP"), "application 10000001 has no account"),
        (("account", "top-up", "APP", "much"), "'much' is no amount of money"),
        (("account", "ledger", "APP", "--month", "May"), "write it as 2026-11"),
        (("package", "buy", "APP", "similar", "add", 100_000), "has no account"),
        (("package", "refund", 3), "package 3"),
        (("qps", "buy", "APP", "similar", "add", 5), "either --days or --months"),
        (("bill", "--month", "2026-11", "--app", "APP"), "has no account"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    shell: Shell, app_id: str, words: tuple[object, ...], told: str
) -> None:
    filled = [app_id if word == "APP" else word for word in words]
    output = shell(*filled, fails=True)
    assert told in output
    assert "Traceback" not in output


def test_packages_and_add_ons_are_bought_listed_and_refunded(shell: Shell, app_id: str) -> None:
    shell("account", "open", app_id)
    shell("account", "top-up", app_id, 2000)
    assert "package 1: 100,000 calls until 20" in shell(
        "package", "buy", app_id, "similar", "add", 100_000
    )
    shell("package", "grant", app_id, "similar", "search", 77)
    shell("qps", "buy", app_id, "similar", "add", 5, "--days", 2)
    shell("qps", "buy", app_id, "similar", "add", 1, "--months", 1, "--from", "2999-01-31")
    shell("package", "refund", 1)
    rows = shell.json("package", "list", app_id)
    assert [(row["id"], row["kind"], row["left"], row["price"]) for row in rows] == [
        (1, "refunded", 100_000, "1700.00"),
        (2, "granted", 77, "0.00"),
    ]
    assert "granted        77       77" in shell("package", "list", app_id)
    addons = shell.json("qps", "list", app_id)
    assert [(row["qps"], row["price"]) for row in addons] == [(5, "100.00"), (1, "150.00")]
    assert (addons[1]["begins"], addons[1]["ends"]) == (
        "2999-01-31T00:00:00+08:00",
        "2999-02-28T00:00:00+08:00",
    )
    assert "2999-02-28T00:00:00+08:00  150.00" in shell("qps", "list", app_id)
    assert shell.json("account", "show", app_id)["balance"] == "1750.00"


@pytest.fixture
def february(shell: Shell, app_id: str) -> str:
    """A shop with a formula for a name, whose February of 2019 was the contract's example."""
    clock = Clock()
    with Office(Settings.load({}, data=shell.data)) as office:
        billing = Billing(office.database, office.billing.prices, office.usage, clock)
        clock.now, end = billing.prices.calendar.month("2019-02")
        number = office.apps.create("=1+1", ["same_hq"])[0].id
        billing.ledger.open(number, "none")
        billing.ledger.top_up(number, Decimal(20_500))
        for size in (1_000_000, 500_000):
            billing.packages.buy(number, "same_hq", "add", size)
        count_calls(office.database, number, ("same_hq", "add"), int(clock.now), 10_000)
        count_calls(office.database, number, ("same_hq", "add"), end - HOUR, 1_500_000)
        failed = Problem.IMAGE_SIZE.code
        count_calls(office.database, number, ("same_hq", "add"), end - HOUR, 3, failed)
    return str(number)


def test_a_bill_is_the_same_as_table_csv_and_json(shell: Shell, february: str) -> None:
    (bill,) = json.loads(shell("bill", "--month", "2019-02", "--format", "json"))
    assert (bill["app_id"], bill["total"], bill["final"]) == (february, "20700.00", True)
    assert bill["lines"][0] == {
        "kind": "calls",
        "service": "same_hq",
        "operation": "add",
        "calls": 1_510_000,
        "failed": 3,
        "free": 0,
        "packaged": 1_500_000,
        "metered": 10_000,
        "amount": "200.00",
        "note": "",
    }
    text = shell("bill", "--month", "2019-02", "--app", february, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(20_700)
    assert {row["name"] for row in rows} == {"'=1+1"}  # no formula to a spreadsheet
    assert [row["kind"] for row in rows] == ["calls", "package", "package"]
    table = shell("bill", "--month", "2019-02")
    assert table.startswith(f"2019-02  {february}  =1+1  (CNY)\n")
    assert "1,510,000       3     0  1,500,000   10,000     200.00\n" in table
    assert table.endswith("total 20,700.00\n")
    assert "in arrears" in shell("account", "list")
    assert shell("bill", "--month", "2019-03").endswith("nothing\ntotal 0.00\n")


def test_usage_is_told_by_hour_day_and_month(shell: Shell, app_id: str, february: str) -> None:
    rows = json.loads(shell("usage", "--month", "2019-02", "--format", "json"))
    call = {"app_id": february, "service": "same_hq", "operation": "add", "period": "2019-02"}
    assert rows == [
        {**call, "code": 0, "calls": 1_510_000},
        {**call, "code": Problem.IMAGE_SIZE.code, "calls": 3},
    ]
    hours = shell("usage", "--month", "2019-02", "--by", "hour", "--format", "csv")
    assert hours.splitlines() == [
        "app_id,service,operation,period,code,calls",
        f"{february},same_hq,add,2019-02-01T00,0,10000",
        f"{february},same_hq,add,2019-02-28T23,0,1500000",
        f"{february},same_hq,add,2019-02-28T23,216202,3",
    ]
    days = shell("usage", "--month", "2019-02", "--by", "day", "--app", february)
    assert "2019-02-28  216202          3\n" in days
    assert "2019" not in shell("usage", "--month", "2019-02", "--app", app_id)


def test_an_operators_own_prices_are_used(
    shell: Shell, app_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.toml"
    reference = Path(__file__).parents[2] / "src/tusou/accounts/prices.toml"
    text = reference.read_text("utf-8").replace(
        "calls = 100_000, price = 1_700", "calls = 7, price = 9.5"
    )
    own.write_text(text, "utf-8")
    monkeypatch.setenv("TUSOU_PRICES", str(own))
    shell("account", "open", app_id)
    shell("account", "top-up", app_id, 10)
    shell("package", "buy", app_id, "similar", "add", 7)
    assert shell.json("account", "show", app_id)["balance"] == "0.50"
    monkeypatch.setenv("TUSOU_PRICES", str(tmp_path / "missing.toml"))
    assert "missing.toml: No such file" in shell("account", "list", fails=True)
    own.write_text("currency = 7", "utf-8")
    monkeypatch.setenv("TUSOU_PRICES", str(own))
    assert "own.toml: packages is missing" in shell("account", "list", fails=True)


def test_libraries_that_nobody_uses_are_listed_and_kept(shell: Shell, app_id: str) -> None:
    for service in ("similar", "product", "materiel"):
        shell("library", "create", app_id, service)
    old = hour_of(time.time()) - 400 * DAY
    with Office(Settings.load({}, data=shell.data)) as office:
        with office.database.write() as connection:
            connection.execute(
                update(libraries).where(libraries.c.service != "materiel").values(created=old)
            )
        number = int(app_id)
        count_calls(office.database, number, ("product", "search"), old + 399 * DAY, 1)
        count_calls(office.database, number, ("similar", "delete"), old + 399 * DAY, 1)
        count_calls(office.database, number, ("similar", "add"), old + 10 * DAY, 1)
    assert [row["service"] for row in shell.json("library", "list", "--unused", 365)] == ["similar"]
    assert shell.json("library", "list", "--unused", 395) == []
    assert len(shell.json("library", "list")) == 3
