"""Plans: who may claim, switch, buy and give what, and what it does to account and limits."""

from decimal import Decimal

import pytest

from support.console import Place
from support.server import Caller
from tusou.accounts.ledger import Account

OPERATORS_ONLY = {
    "money": {"amount": "5", "kind": "top-up"},
    "grant": {"call": "similar/add", "size": "10"},
    "plan": {"plan": "paid"},
    "limits": {"call": "similar/add", "qps": "3"},
}


@pytest.fixture
def caller(place: Place) -> Caller:
    """An application of the owner's, without an account."""
    caller = place.server.caller("same_hq", "similar", libraries=False)
    with place.server.office() as office:
        office.users.grant(place.owner.name, caller.app_id)
    return caller


@pytest.fixture
def rich(place: Place, caller: Caller) -> Caller:
    """One with an account and 4,000."""
    with place.server.office() as office:
        office.billing.ledger.open(caller.app_id, "personal")
        office.billing.ledger.top_up(caller.app_id, Decimal(4000))
    return caller


def account(place: Place, caller: Caller) -> Account:
    with place.server.office() as office:
        return office.billing.ledger.account(caller.app_id)


def test_an_owner_claims_the_personal_allowance_once(place: Place, caller: Caller) -> None:
    path = f"/plans/{caller.app_id}"
    page = place.owner.get(path).text
    assert "50,000" in page
    assert 'value="enterprise"' not in page
    assert place.owner.post(f"{path}/claim", data={"plan": "enterprise"}).status_code == 403
    assert place.owner.post(f"{path}/claim", data={"plan": "royal"}).status_code == 400
    assert place.owner.post(f"{path}/claim", data={"plan": "personal"}).status_code == 303
    assert account(place, caller).plan == "personal"
    assert place.owner.post(f"{path}/claim", data={"plan": "personal"}).status_code == 409


def test_an_operator_gives_any_allowance(place: Place, caller: Caller) -> None:
    path = f"/plans/{caller.app_id}/claim"
    assert place.operator.post(path, data={"plan": "enterprise"}).status_code == 303
    assert account(place, caller).plan == "enterprise"


def test_pay_as_you_go_is_switched_for_one_call(place: Place, rich: Caller) -> None:
    path = f"/plans/{rich.app_id}"
    call = {"call": "similar/search"}
    assert place.owner.post(f"{path}/pay", data={**call, "on": "yes"}).status_code == 303
    with place.server.office() as office:
        assert office.billing.ledger.paid(rich.app_id) == {("similar", "search")}
    assert "Switch off for Similar pictures · search" in place.owner.get(path).text
    assert place.owner.post(f"{path}/pay", data={**call, "on": "no"}).status_code == 303
    with place.server.office() as office:
        assert office.billing.ledger.paid(rich.app_id) == set()


@pytest.mark.parametrize("call", ["similar/delete", "similar", "", "shoes/add", "similar/drop"])
def test_what_has_no_price_is_not_paid(place: Place, rich: Caller, call: str) -> None:
    for act in ("pay", "addons", "grant"):
        given = {"call": call, "on": "yes", "qps": "1", "length": "1", "size": "1"}
        answer = place.operator.post(f"/plans/{rich.app_id}/{act}", data=given)
        assert answer.json()["problem"] == "INVALID_PARAM"


def test_a_package_is_bought_by_who_is_sure(place: Place, rich: Caller) -> None:
    path, offer = f"/plans/{rich.app_id}", {"offer": "similar/add/100000"}
    asked = place.owner.post(f"{path}/packages", data=offer)
    assert asked.status_code == 200
    assert "1,700.00 CNY from the balance" in asked.text
    assert account(place, rich).balance == 4000
    sure = {**offer, "sure": "yes"}
    assert place.owner.post(f"{path}/packages", data=sure).status_code == 303
    assert account(place, rich).balance == 2300
    assert "100,000 of 100,000 left" in place.owner.get(path).text
    assert place.owner.post(f"{path}/packages", data=sure).status_code == 303
    refused = place.owner.post(f"{path}/packages", data=sure)
    assert refused.status_code == 400
    assert "The balance of 600.00 does not pay for 1,700.00." in refused.text


def test_only_what_is_for_sale_is_sold(place: Place, rich: Caller) -> None:
    for offer in ("similar/add/100001", "similar/delete/100000", "x", ""):
        given = {"offer": offer, "sure": "yes"}
        answer = place.owner.post(f"/plans/{rich.app_id}/packages", data=given)
        assert answer.json()["problem"] == "INVALID_PARAM"
    assert account(place, rich).balance == 4000


def test_a_package_goes_back_through_its_own_application(place: Place, rich: Caller) -> None:
    with place.server.office() as office:
        mine = office.billing.packages.buy(rich.app_id, "similar", "add", 100_000)
        other, _ = office.apps.create("other", ["similar"])
        office.billing.ledger.open(other.id, "none")
        office.billing.ledger.top_up(other.id, Decimal(2000))
        theirs = office.billing.packages.buy(other.id, "similar", "add", 100_000)
    path = f"/plans/{rich.app_id}/packages"
    assert place.owner.post(f"{path}/{theirs.id}/refund").status_code == 404
    assert place.owner.post(f"{path}/{mine.id}/refund").status_code == 303
    assert account(place, rich).balance == 4000
    assert place.owner.post(f"{path}/{mine.id}/refund").status_code == 400


def test_an_addon_needs_a_paid_call_and_money(place: Place, rich: Caller) -> None:
    path = f"/plans/{rich.app_id}/addons"
    given = {"call": "similar/add", "qps": "2", "length": "3", "unit": "month", "sure": "yes"}
    refused = place.owner.post(path, data=given)
    assert refused.status_code == 400
    assert "Switch pay-as-you-go on for Similar pictures · add first" in refused.text
    with place.server.office() as office:
        office.billing.ledger.pay(rich.app_id, [("similar", "add")])
    asked = place.owner.post(path, data={**given, "sure": ""})
    assert "for 3 months from now" in asked.text
    assert "900.00 CNY" in asked.text
    assert place.owner.post(path, data=given).status_code == 303
    with place.server.office() as office:
        assert office.billing.standing.qps(rich.app_id, "similar", "add") == 12
    dear = place.owner.post(path, data={**given, "length": "365"})
    assert "does not pay" in dear.text
    for wrong in ({"qps": "0"}, {"qps": "x"}, {"length": ""}, {"length": "-1"}):
        assert place.owner.post(path, data={**given, **wrong}).status_code == 400


@pytest.mark.parametrize("act", OPERATORS_ONLY)
def test_what_only_operators_do(place: Place, rich: Caller, act: str) -> None:
    path = f"/plans/{rich.app_id}/{act}"
    assert place.owner.post(path, data=OPERATORS_ONLY[act]).status_code == 403
    assert f'action="/console{path}"' not in place.owner.get(f"/plans/{rich.app_id}").text
    assert f'action="/console{path}"' in place.operator.get(f"/plans/{rich.app_id}").text
    assert place.operator.post(path, data=OPERATORS_ONLY[act]).status_code == 303


def test_an_operator_writes_money_down(place: Place, rich: Caller) -> None:
    path = f"/plans/{rich.app_id}"
    given = {"amount": "1,000.50", "kind": "top-up", "note": "transfer 7"}
    assert place.operator.post(f"{path}/money", data=given).status_code == 303
    assert account(place, rich).balance == Decimal("5000.50")
    assert "transfer 7" in place.operator.get(path).text
    back = {"amount": "5000", "kind": "withdrawal"}
    assert place.operator.post(f"{path}/money", data=back).status_code == 303
    assert "does not pay" in place.operator.post(f"{path}/money", data=back).text
    for wrong in ("0", "-5", "much", "NaN", "1e99", "0.0000001", ""):
        answer = place.operator.post(f"{path}/money", data={**given, "amount": wrong})
        assert answer.status_code == 400
        assert "Type an amount" in answer.text
    assert account(place, rich).balance == Decimal("0.50")


def test_an_operator_gives_plan_and_limits(place: Place, caller: Caller) -> None:
    path = f"/plans/{caller.app_id}"
    assert place.operator.post(f"{path}/plan", data={"plan": "paid"}).status_code == 303
    own = {"call": "similar/add", "qps": "3", "daily": "-", "total": ""}
    assert place.operator.post(f"{path}/limits", data=own).status_code == 303
    with place.server.office() as office:
        app = office.apps.get(caller.app_id)
    assert (app.plan, app.limits) == ("paid", {"similar/add": {"qps": 3, "daily": None}})
    assert "no limit" in place.operator.get(path).text
    cleared = {"call": "similar/add"}
    assert place.operator.post(f"{path}/limits", data=cleared).status_code == 303
    with place.server.office() as office:
        assert office.apps.get(caller.app_id).limits == {}
    assert place.operator.post(f"{path}/plan", data={"plan": "x"}).status_code == 400
    assert place.operator.post(f"{path}/limits", data={**own, "qps": "-3"}).status_code == 400


def test_without_an_account_nothing_is_bought(place: Place, caller: Caller) -> None:
    path = f"/plans/{caller.app_id}"
    bought = place.owner.post(f"{path}/packages", data={"offer": "similar/add/100000"})
    assert bought.status_code == 404
    paid = place.owner.post(f"{path}/pay", data={"call": "similar/add", "on": "yes"})
    assert paid.status_code == 404
