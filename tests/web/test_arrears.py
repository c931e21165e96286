"""What money decides at a real server: who is served, and the hour's strike."""

import time
from pathlib import Path

from support.calls import count_calls
from support.clock import Clock
from support.pictures import picture
from support.server import Server
from tusou.accounts.billing import Billing
from tusou.accounts.calendar import HOUR, hour_of
from tusou.errors import Problem
from tusou.services import SERVICES

SEARCH = ("similar", "search")


def test_an_account_is_served_what_is_paid_for_from_the_moment_it_is(server: Server) -> None:
    caller = server.caller("similar")

    def add(seed: int) -> object:
        answer = caller.call("similar", "add", image=picture(seed), brief="a")
        return answer.get("error_code", "served")

    refused = Problem.TOTAL_LIMIT.code
    with server.office() as office:
        office.billing.ledger.open(caller.app_id, "none")
        # Two a second would be told before what is paid for.
        office.apps.set_limits(caller.app_id, "similar", "add", {"qps": None})
        assert add(1) == refused
        office.billing.packages.grant(caller.app_id, "similar", "add", 2)
        assert [add(1), add(2), add(3)] == ["served", "served", refused]
        answer = caller.call("similar", "search", image=picture(1))
        assert answer["error_code"] == refused
        assert answer["error_msg"].startswith("Open api total request limit reached: allowance")
        assert "error_code" not in caller.call("similar", "delete", image=picture(1))
        office.billing.ledger.pay(caller.app_id, [("similar", "add")])
        assert add(3) == "served"


def test_a_starting_server_charges_what_is_due_and_tells_of_arrears(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    caller = server.caller("similar")
    clock = Clock(time.time() - 2 * HOUR)
    with server.office() as office:
        past = Billing(office.database, office.billing.prices, office.usage, clock)
        past.ledger.open(caller.app_id, "none")
        past.ledger.pay(caller.app_id, [SEARCH])
        count_calls(office.database, caller.app_id, SEARCH, hour_of(clock.now), 150)
    assert server.stop() == 0

    server = Server(tmp_path / "data")
    try:
        end = time.monotonic() + 60
        while not [line for line in server.log_lines() if line["event"] == "arrears"]:
            assert time.monotonic() < end, server.log.read_text()
            time.sleep(0.05)
        with server.office() as office:
            assert office.billing.ledger.account(caller.app_id).balance == -3
        (line,) = [line for line in server.log_lines() if line["event"] == "arrears"]
        assert (line["app_id"], line["balance"], line["days"]) == (caller.app_id, "-3.00", 0)
        token = server.token(caller.api_key, caller.secret_key)
        path = f"{SERVICES['similar'].prefix}/search"
        answer = server.http.post(path, params={"access_token": token}).json()
        assert answer["error_code"] == Problem.TOTAL_LIMIT.code
        assert "in arrears" in answer["error_msg"]
    finally:
        assert server.stop() == 0
