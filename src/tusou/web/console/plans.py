"""The page of plans: the free allowance, pay-as-you-go, packages, add-ons, and limits."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from starlette.responses import Response

from tusou.accounts.apps import App
from tusou.accounts.calendar import DAY
from tusou.accounts.charging import Package
from tusou.accounts.ledger import Account
from tusou.accounts.money import amount, shown
from tusou.accounts.plans import KINDS
from tusou.accounts.prices import Plan, Priced, Prices
from tusou.errors import Problem, TusouError
from tusou.services import OPERATIONS, SERVICES
from tusou.web.console.pages import Page, Work
from tusou.web.console.visit import Entry, Visit

_ENTRIES_SECONDS = 92 * DAY  # of the ledger, that are shown
_MOST_QPS = 1000  # that the form takes; the command line sells more
_MOST_LENGTH = 365
_LARGEST_GRANT = 10**9
_LARGEST_LIMIT = 10**9
NO_LIMIT = "-"
"""What a form has where there is to be none; an empty field leaves it to what holds for more."""


class Offer(NamedTuple):
    """A package that is for sale."""

    service: str
    operation: str
    size: int
    price: Decimal

    @property
    def key(self) -> str:
        """What the form sends."""
        return f"{self.service}/{self.operation}/{self.size}"


class Means(NamedTuple):
    """What pays for one call of one service."""

    service: str
    operation: str
    left: int | None
    paid: bool
    """As it comes, past allowance and packages."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A package or allowance, and what may be done with it."""

    package: Package
    spent: bool
    """It is used up, expired or given back."""
    refundable: bool


def show_all(visit: Visit) -> Response:
    """All applications that the user may see, with their money."""
    accounts = {account.app_id: account for account in visit.runtime.billing.ledger.accounts()}
    return visit.page(
        "plans_all.html",
        apps=visit.apps(),
        accounts=accounts,
        limits={plan.name: plan for plan in visit.runtime.plans.list()},
        currency=visit.runtime.billing.prices.currency,
    )


def show(visit: Visit) -> Response:
    """What one application has to pay with, and what it may take."""
    return _show(visit)


def claim(visit: Visit) -> Response:
    """Open the account with a plan's free allowance; which ones, the price list says."""
    app, prices = visit.app(to_change=True), visit.runtime.billing.prices
    plan = prices.plans.get(visit.fields.text("plan") or "")
    if plan is None:
        raise TusouError(Problem.INVALID_PARAM, "no such plan")
    if plan not in _claimable(visit, prices):
        raise TusouError(Problem.PERMISSION, "an operator gives this plan")
    visit.runtime.billing.ledger.open(app.id, plan.name)
    return visit.go(f"/plans/{app.id}", "plan_claimed")


def pay(visit: Visit) -> Response:
    """Switch pay-as-you-go for one call on or off."""
    app, call = visit.app(to_change=True), _call(visit)
    ledger, on = visit.runtime.billing.ledger, visit.fields.text("on") == "yes"
    (ledger.pay if on else ledger.stop_paying)(app.id, [call])
    return visit.go(f"/plans/{app.id}", "paying_on" if on else "paying_off")


def buy_package(visit: Visit) -> Response:
    """Say what a package costs, and sell it to whoever is sure."""
    app, billing = visit.app(to_change=True), visit.runtime.billing
    wanted = visit.fields.text("offer") or ""
    offer = next((offer for offer in _offers(billing.prices) if offer.key == wanted), None)
    if offer is None:
        raise TusouError(Problem.INVALID_PARAM, "no such package is for sale")
    if problem := _unaffordable(visit, app, offer.price):
        return _show(visit, problem)
    if not _is_sure(visit):
        text = visit.say(
            "plans.package_text",
            n=f"{offer.size:,}",
            call=_words(visit, offer.service, offer.operation),
            months=billing.prices.package_months,
            days=billing.prices.refund_days,
        )
        return _confirm(visit, app, "packages", offer.price, text, {"offer": offer.key})
    billing.packages.buy(app.id, offer.service, offer.operation, offer.size)
    return visit.go(f"/plans/{app.id}", "package_bought")


def refund(visit: Visit) -> Response:
    """Take an unused package of this application back."""
    app, packages = visit.app(to_change=True), visit.runtime.billing.packages
    number = int(visit.request.path_params["number"])
    if all(package.id != number for package in packages.list(app.id)):
        raise TusouError(Problem.ITEM_MISSING, f"package {number}")
    packages.refund(number)
    return visit.go(f"/plans/{app.id}", "package_refunded")


def buy_addon(visit: Visit) -> Response:
    """Say what more queries a second cost, and sell them to whoever is sure."""
    app, call, billing = visit.app(to_change=True), _call(visit), visit.runtime.billing
    qps = _number(visit, "qps", _MOST_QPS)
    length = _number(visit, "length", _MOST_LENGTH)
    unit: Literal["day", "month"] = "month" if visit.fields.text("unit") == "month" else "day"
    if call not in billing.ledger.paid(app.id):
        return _show(visit, visit.say("plans.not_paid", call=_words(visit, *call)))
    each = billing.prices.qps_month if unit == "month" else billing.prices.qps_day
    price = qps * length * each
    if problem := _unaffordable(visit, app, price):
        return _show(visit, problem)
    if not _is_sure(visit):
        span = visit.say.count(f"plans.{unit}s", length)
        text = visit.say("plans.addon_text", n=qps, call=_words(visit, *call), span=span)
        kept = {"call": "/".join(call), "qps": qps, "length": length, "unit": unit}
        return _confirm(visit, app, "addons", price, text, kept)
    billing.addons.buy(app.id, *call, qps, None, length, unit)
    return visit.go(f"/plans/{app.id}", "addon_bought")


def move_money(visit: Visit) -> Response:
    """Write down what was paid in or back; an operator's."""
    app = visit.app(to_change=True)
    visit.must_operate()
    try:
        value = amount(visit.fields.text("amount") or "")
    except ValueError:
        value = Decimal(0)
    if value <= 0:
        return _show(visit, visit.say("plans.no_amount"))
    ledger, note = visit.runtime.billing.ledger, (visit.fields.text("note") or "")[:200]
    if visit.fields.text("kind") == "withdrawal":
        if problem := _unaffordable(visit, app, value):
            return _show(visit, problem)
        ledger.withdraw(app.id, value, note)
    else:
        ledger.top_up(app.id, value, note)
    return visit.go(f"/plans/{app.id}", "money_moved")


def grant(visit: Visit) -> Response:
    """Give calls for nothing; an operator's."""
    app = visit.app(to_change=True)
    visit.must_operate()
    size = _number(visit, "size", _LARGEST_GRANT)
    visit.runtime.billing.packages.grant(app.id, *_call(visit), size)
    return visit.go(f"/plans/{app.id}", "package_granted")


def set_plan(visit: Visit) -> Response:
    """Give another plan, whose limits count from now; an operator's."""
    app = visit.app(to_change=True)
    visit.must_operate()
    plan = visit.runtime.plans.get(visit.fields.text("plan") or "")
    visit.runtime.apps.set_plan(app.id, plan)
    return visit.go(f"/plans/{app.id}", "plan_set")


def set_limits(visit: Visit) -> Response:
    """Let one call be made more or less often than the plan says; an operator's."""
    app = visit.app(to_change=True)
    visit.must_operate()
    service, operation = _named_call(visit)
    own: dict[str, int | None] = {}
    for kind in KINDS:
        text = (visit.fields.text(kind) or "").strip()
        if text == NO_LIMIT:
            own[kind] = None
        elif text:
            own[kind] = visit.fields.integer(kind, 0, _LARGEST_LIMIT)
    visit.runtime.apps.set_limits(app.id, service, operation, own)
    return visit.go(f"/plans/{app.id}", "limits_set")


def _show(visit: Visit, problem: str = "") -> Response:
    app, runtime = visit.app(), visit.runtime
    billing, prices = runtime.billing, runtime.billing.prices
    account = billing.ledger.look(app.id)
    holdings = [_holding(visit, package) for package in billing.packages.list(app.id)]
    addons = [addon for addon in billing.addons.list(app.id) if addon.ends > visit.now]
    entries = billing.ledger.entries(app.id, visit.now - _ENTRIES_SECONDS, visit.now + 1)
    return visit.page(
        "plans.html",
        status=400 if problem else 200,
        problem=problem,
        app=app,
        services=SERVICES,
        operations=OPERATIONS,
        may_change=visit.user.changes(app.id),
        account=account,
        state=_state(account, holdings),
        claimable=_claimable(visit, prices),
        means=_means(visit, app, account),
        holdings=sorted(holdings, key=lambda row: (row.spent, row.package.expires)),
        addons=addons,
        offers=_offers(prices),
        prices=prices,
        entries=entries[::-1],
        limits=runtime.plans.get(app.plan),
        plans=runtime.plans.list(),
        kinds=KINDS,
    )


def _state(account: Account | None, holdings: list[Holding]) -> str:
    if account is None:
        return "none"
    if account.in_arrears:
        return "arrears"
    return "open" if holdings else "empty"


def _means(visit: Visit, app: App, account: Account | None) -> list[Means]:
    """Of every call that has a price, of services that are ticked or paid for."""
    if account is None:
        return []
    billing = visit.runtime.billing
    paid = billing.ledger.paid(app.id)
    return [
        Means(service, operation, billing.standing.left(app.id, service, operation), is_paid)
        for service, operation in billing.prices.calls
        if (is_paid := (service, operation) in paid) or service in app.services
    ]


def _holding(visit: Visit, package: Package) -> Holding:
    days = visit.runtime.billing.prices.refund_days
    gone = package.refunded is not None or package.expires <= visit.now
    return Holding(
        package,
        spent=gone or package.left == 0,
        # As of the last hour that was charged; whoever asks is told if calls have used it since.
        refundable=not gone
        and package.kind == "bought"
        and package.left == package.size
        and visit.now - package.bought <= days * DAY,
    )


def _claimable(visit: Visit, prices: Prices) -> list[Plan]:
    return [plan for plan in prices.plans.values() if plan.claim or visit.user.operates]


def _offers(prices: Prices) -> list[Offer]:
    return [
        Offer(*call, size, price)
        for call, row in prices.calls.items()
        for size, price in row.packages.items()
    ]


def _named_call(visit: Visit) -> Priced:
    service, _, operation = (visit.fields.text("call") or "").partition("/")
    if service not in SERVICES or operation not in OPERATIONS:
        raise TusouError(Problem.INVALID_PARAM, "no such call")
    return service, operation


def _call(visit: Visit) -> Priced:
    """The call that a form names, which has a price."""
    call = _named_call(visit)
    if call not in visit.runtime.billing.prices.calls:
        raise TusouError(Problem.INVALID_PARAM, "the call has no price: it is free")
    return call


def _number(visit: Visit, name: str, most: int) -> int:
    number = visit.fields.integer(name, 1, most)
    if number is None:
        raise TusouError(Problem.MISSING_PARAM, f"param {name} not exist")
    return number


def _unaffordable(visit: Visit, app: App, price: Decimal) -> str:
    """What to say where the balance does not pay; empty where it does."""
    account = visit.runtime.billing.ledger.account(app.id)
    if account.balance >= price:
        return ""
    return visit.say("plans.no_money", balance=shown(account.balance), price=shown(price))


def _is_sure(visit: Visit) -> bool:
    return visit.fields.text("sure") == "yes"


def _confirm(
    visit: Visit, app: App, what: str, price: Decimal, text: str, kept: dict[str, object]
) -> Response:
    currency = visit.runtime.billing.prices.currency
    return visit.page(
        "confirm.html",
        act="buy",
        title=visit.say(f"plans.buy_{what}", name=app.name),
        text=text,
        more=visit.say("plans.costs", price=shown(price), currency=currency),
        typed="",
        wrong=False,
        kept={**kept, "sure": "yes"},
        action=f"/console/plans/{app.id}/{what}",
        back=f"/console/plans/{app.id}",
        button=visit.say("plans.buy"),
    )


def _words(visit: Visit, service: str, operation: str) -> str:
    return f"{visit.say(f'service.{service}')} · {visit.say(f'operation.{operation}')}"


_APP = "/plans/{app_id:int}"

PAGE = Page(
    Entry("plans", "/plans", "card"),
    (
        Work("GET", "/plans", show_all),
        Work("GET", _APP, show),
        Work("POST", f"{_APP}/claim", claim),
        Work("POST", f"{_APP}/pay", pay),
        Work("POST", f"{_APP}/packages", buy_package),
        Work("POST", f"{_APP}/packages/{{number:int}}/refund", refund),
        Work("POST", f"{_APP}/addons", buy_addon),
        Work("POST", f"{_APP}/money", move_money),
        Work("POST", f"{_APP}/grant", grant),
        Work("POST", f"{_APP}/plan", set_plan),
        Work("POST", f"{_APP}/limits", set_limits),
    ),
)
