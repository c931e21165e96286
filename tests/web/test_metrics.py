"""What a server tells Prometheus, after real calls."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.metrics import Scrape
from support.pictures import picture
from support.server import Caller, Server
from tusou.errors import Problem
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.web.metrics import Metrics
from tusou.web.queue import Queue

_CALLS, _STAGES = "tusou_calls_total", "tusou_stage_seconds_count"


def test_calls_are_counted_by_service_operation_and_outcome(server: Server, caller: Caller) -> None:
    before = Scrape(server)
    for _ in range(2):
        caller.call("same_hq", "add", image=picture(7), brief="a")
    caller.call("same_hq", "search", image=picture(7))
    caller.call("similar", "delete", cont_sign="1,2")
    server.http.post(f"{SERVICES['similar'].prefix}/search")
    after = Scrape(server)

    def calls(service: str, operation: str, code: int) -> float:
        labels = {"service": service, "operation": operation, "code": code, "interface": "cloud"}
        return after.since(before, _CALLS, **labels)

    assert calls("same_hq", "add", 0) == 1
    assert calls("same_hq", "add", Problem.ITEM_EXISTS.code) == 1
    assert calls("same_hq", "search", 0) == 1
    assert calls("similar", "delete", Problem.ITEM_MISSING.code) == 1
    assert calls("similar", "search", Problem.NO_CREDENTIALS.code) == 1
    assert after.since(before, _CALLS) == 5
    assert after.since(before, "tusou_call_seconds_count") == 5
    assert after.since(before, "tusou_http_requests_total", interface="cloud") == 5


def test_each_interface_is_told_apart(server: Server, caller: Caller) -> None:
    before = Scrape(server)
    bearer = {"authorization": f"Bearer {caller.token}"}
    image = {"image": picture(8)}
    assert server.http.post("/v1/libraries/similar/search", headers=bearer, files=image).is_success
    assert server.http.post("/private/similar/RTSAsService/search", content=b"{}").is_success
    assert server.http.get("/console/").is_redirect
    after = Scrape(server)
    for interface in ("native", "private"):
        labels = {"interface": interface, "service": "similar", "operation": "search"}
        assert after.since(before, _CALLS, **labels) == 1
    assert after.since(before, "tusou_http_requests_total", interface="console") >= 1
    assert after.since(before, "tusou_http_requests_total", interface="other") == 1  # /metrics


def test_the_stages_of_each_kind_of_call_are_timed(server: Server, caller: Caller) -> None:
    for service in ("same_hq", "similar"):
        caller.call(service, "add", image=picture(9), brief="a")
        caller.call(service, "search", image=picture(9))
    caller.call("similar", "delete", image=picture(9))
    scrape = Scrape(server)

    def stages(service: str, operation: str) -> set[str]:
        return scrape.labels(_STAGES, "stage", service=service, operation=operation)

    always = {"read", "queue", "decode", "sql", "render"}
    local = {"encode", "keypoints"}
    assert stages("same_hq", "search") >= always | local | {"candidates", "verify"}
    assert stages("same_hq", "add") >= always | local | {"thumbnail", "blob"}
    assert stages("similar", "search") >= always | {"encode", "candidates"}
    assert not stages("similar", "search") & {"keypoints", "verify"}
    assert stages("similar", "delete") >= always | {"blob"}
    searches = {"service": "same_hq", "operation": "search"}
    whole = scrape.total("tusou_call_seconds_sum", **searches)
    assert 0 < scrape.total("tusou_stage_seconds_sum", **searches) <= whole


def test_a_refusal_by_quota_is_told_with_its_limit(server: Server, caller: Caller) -> None:
    with server.office() as office:
        office.apps.set_limits(caller.app_id, "similar", "search", {"qps": 1})
    before = Scrape(server)
    with ThreadPoolExecutor(4) as threads:
        image = picture(10)
        asked = [threads.submit(caller.call, "similar", "search", image=image) for _ in range(8)]
    refused = sum("error_code" in each.result() for each in asked)
    after = Scrape(server)
    labels = {"service": "similar", "operation": "search", "limit": "qps_limit"}
    assert after.since(before, "tusou_quota_refusals_total", **labels) == refused > 0


def test_libraries_are_told_with_their_rows_and_their_index(server: Server, caller: Caller) -> None:
    labels = {"app_id": caller.app_id, "service": "similar"}
    sign = caller.call("similar", "add", image=picture(11), brief="a")["cont_sign"]
    caller.call("similar", "add", image=picture(12), brief="b")
    caller.call("similar", "delete", cont_sign=sign)
    scrape = Scrape(server)
    assert scrape.total("tusou_library_pictures", **labels) == 1
    assert scrape.total("tusou_index_rows", **labels) == 1
    assert scrape.total("tusou_library_capacity", **labels) == 500_000


def test_the_server_itself_is_told(server: Server, caller: Caller) -> None:
    before = Scrape(server)
    with ThreadPoolExecutor(6) as threads:
        pictures = [picture(20 + seed) for seed in range(6)]
        list(threads.map(lambda image: caller.call("similar", "search", image=image), pictures))
    scrape = Scrape(server)
    assert scrape.since(before, "tusou_encoder_batch_pictures_sum", pack="similar@1") == 6
    assert scrape.since(before, "tusou_encoder_batch_pictures_count", pack="similar@1") <= 6
    assert scrape.total("tusou_encoder_batch_pictures_bucket", le="+Inf") == scrape.total(
        "tusou_encoder_batch_pictures_count"
    )
    tasks = scrape.labels("tusou_background_turns_total", "task")
    assert tasks == {
        "usage",
        "billing",
        "move",
        "bulk",
        "compare",
        "tasks",
        "webhooks",
        "sweep",
        "memory",
    }
    assert scrape.total("tusou_ready") == scrape.total("tusou_database_up") == 1
    assert scrape.total("tusou_requests_inside") == scrape.total("tusou_requests_waiting") == 0
    assert scrape.total("process_resident_memory_bytes") > 1 << 26
    assert scrape.total("process_open_fds") > 5
    assert scrape.total("tusou_build_info") == 1
    assert all(text for text in scrape.helps().values())
    assert not [name for name in scrape.helps() if name.endswith("_created")]


@pytest.mark.parametrize(
    ("client", "status"),
    [("127.0.0.9", 200), ("::1", 200), ("203.0.113.9", 403), ("10.0.0.1", 403), ("nobody", 200)],
)
def test_only_networks_that_may_read_it_do(server: Server, client: str, status: int) -> None:
    # The test is a trusted proxy; of what is no address, its own counts.
    answer = server.http.get("/metrics", headers={"x-forwarded-for": client})
    assert answer.status_code == status
    assert ("tusou_calls" in answer.text) == (status == 200)
    assert status == 200 or "TUSOU_METRICS_ALLOW" in answer.text


def test_without_its_database_a_server_tells_the_rest(tmp_path: Path) -> None:
    with Runtime(Settings.load({}, data=tmp_path)) as runtime:
        metrics = Metrics(runtime, Queue(runtime.settings))
        assert b"tusou_database_up 1.0" in metrics.text()
        with runtime.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE libraries RENAME TO gone")
        text = metrics.text()
    assert b"tusou_database_up 0.0" in text
    assert b"process_resident_memory_bytes" in text
    assert b"\ntusou_library_pictures" not in text
