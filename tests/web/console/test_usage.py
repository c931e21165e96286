"""The page of usage: what was called, what it cost, what is left, as pages and as files."""

import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from support.console import Place, Visit
from support.pictures import picture
from support.server import Caller
from tusou.accounts.calendar import Calendar, hour_of
from tusou.accounts.statistics import OfDay, by_day
from tusou.storage.database import add_up
from tusou.storage.tables import usage

CHINA = timezone(timedelta(hours=8))


@pytest.fixture(scope="module")
def called(place: Place) -> Caller:
    """An application with an account, two good calls and one that failed, all of them counted."""
    caller = place.server.caller("same_hq", "similar")
    with place.server.office() as office:
        office.users.grant(place.owner.name, caller.app_id)
        office.billing.ledger.open(caller.app_id, "personal")
        office.billing.ledger.top_up(caller.app_id, Decimal(5000))
        office.billing.packages.buy(caller.app_id, "similar", "add", 100_000)
        office.apps.set_limits(caller.app_id, "same_hq", "delete", {"daily": 7, "total": None})
    caller.call("similar", "add", image=picture(1), brief="one")
    caller.call("similar", "search", image=picture(1))
    assert "error_code" in caller.call("similar", "search", image=b"no picture")
    caller.call("same_hq", "delete", cont_sign="1,2")
    end = time.monotonic() + 60
    while place.owner.get(f"/usage/{caller.app_id}/calls.csv").text.count("\n") < 5:
        assert time.monotonic() < end
        time.sleep(0.1)
    return caller


def rows(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def table_row(page: str, head: str) -> list[str]:
    """The cells of the row with a head, as words."""
    found = re.search(rf'<tr><th scope="row">{head}.*?</tr>', page, re.S)
    assert found, page
    return re.sub(r"<[^>]+>", " ", found[0]).split()


def test_the_month_is_told_by_service_call_and_code(place: Place, called: Caller) -> None:
    page = place.owner.get(f"/usage/{called.app_id}").text
    assert "Similar" in page
    assert "4 calls in the month" not in page  # which is the sum of two charts
    assert "3 calls in the month, 1 failed" in page
    assert table_row(page, "<code>0")[-2:] == ["2", "50.0%"]
    assert "Not a PNG, JPEG or BMP" in page
    assert table_row(page, "Similar pictures · search")[-2:] == ["1", "1"]


def test_what_is_left_is_told(place: Place, called: Caller) -> None:
    page = place.owner.get(f"/usage/{called.app_id}").text
    quota = page[page.index("Quota now") :]
    # 50,000 free ones and a package; one was added. A failed search uses up the allowance too.
    assert table_row(quota, "Similar pictures · add")[-1] == "149,999"
    assert table_row(quota, "Similar pictures · search")[-1] == "9,998"
    assert "6 of 7 left" in quota


def test_the_bill_is_there_in_both_forms(place: Place, called: Caller) -> None:
    page = place.owner.get(f"/usage/{called.app_id}").text
    assert "1,700.00" in page
    bill = rows(place.owner.get(f"/usage/{called.app_id}/bill.csv").text)
    assert [(row["kind"], row["amount"]) for row in bill] == [("package", "1700.00")]


def test_without_an_account_there_is_no_bill(place: Place) -> None:
    assert "pays nothing" in place.owner.get(f"/usage/{place.caller.app_id}").text
    answer = place.owner.get(f"/usage/{place.caller.app_id}/bill.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert rows(answer.text) == []


@pytest.mark.parametrize(("by", "form"), [("hour", "%Y-%m-%dT%H"), ("day", "%Y-%m-%d")])
def test_calls_are_exported_by_the_clock_of_the_bills(
    place: Place, called: Caller, by: str, form: str
) -> None:
    answer = place.owner.get(f"/usage/{called.app_id}/calls.csv", params={"by": by})
    found = rows(answer.text)
    assert sum(int(row["calls"]) for row in found) == 4
    assert {row["app_id"] for row in found} == {str(called.app_id)}
    for row in found:
        age = datetime.now(CHINA) - datetime.strptime(row["period"], form).replace(tzinfo=CHINA)
        assert timedelta() <= age < timedelta(days=1, minutes=10)
    name = f'filename="calls-{called.app_id}-'
    assert name in answer.headers["content-disposition"]


@pytest.mark.parametrize("month", ["2026-13", "nonsense", "9999-12", "0000-01"])
def test_what_is_no_month_is_told(place: Place, month: str) -> None:
    for path in ("/usage", f"/usage/{place.caller.app_id}"):
        assert place.owner.get(path, params={"month": month}).status_code == 400


def test_a_month_of_long_ago_is_empty(place: Place, called: Caller) -> None:
    page = place.owner.get(f"/usage/{called.app_id}", params={"month": "2019-02"}).text
    assert "No calls in this month." in page
    assert "<option selected>2019-02</option>" in page


def test_by_is_hour_day_or_month(place: Place) -> None:
    path = f"/usage/{place.caller.app_id}/calls.csv"
    assert place.owner.get(path, params={"by": "year"}).status_code == 400


def test_the_overview_has_ones_own_only(place: Place, called: Caller, visit: Visit) -> None:
    mine = place.owner.get("/usage").text
    assert f"/console/usage/{called.app_id}?" in mine
    other = visit("viewer", [place.caller.app_id]).get("/usage").text
    assert f"/console/usage/{place.caller.app_id}?" in other
    assert f"/console/usage/{called.app_id}?" not in other
    assert "There is no application yet." in place.stranger.get("/usage").text


def test_days_begin_at_midnight_of_the_bills_clock(place: Place) -> None:
    begin, end = Calendar(8).month("2024-02")
    with place.server.office() as office:
        app, _ = office.apps.create("days", ["similar"])
        hours = (begin - 3600, begin, begin + 23 * 3600, begin + 24 * 3600, end - 3600, end)
        call = {"app_id": app.id, "service": "similar", "operation": "add", "code": 0}
        with office.database.write() as connection:
            counts = [{**call, "hour": hour, "calls": 1} for hour in hours]
            add_up(connection, usage, "calls", counts)
        found = by_day(office.database, begin, end, [app.id])
        assert by_day(office.database, begin, end, []) == []
    key = (app.id, "similar", "add")
    assert sorted(found) == [OfDay(*key, 0, 0, 2), OfDay(*key, 1, 0, 1), OfDay(*key, 28, 0, 1)]
    assert hour_of(begin) == begin == int(datetime(2024, 1, 31, 16, tzinfo=UTC).timestamp())
