"""Traces as a collector receives them, from a real server; none where nobody wants any."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.pictures import picture
from support.server import Server
from tusou.errors import Problem
from tusou.services import SERVICES

_TRACE, _PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class _Collector(ThreadingHTTPServer):
    """Receives spans by OTLP/HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.spans: list[Span] = []
        self.services = set[str]()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Receive(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.server.services.add(names["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def _collector() -> Iterator[_Collector]:
    with _Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def _facts(span: Span) -> dict[str, object]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_call_becomes_a_span_with_its_stages_inside(tmp_path: Path) -> None:
    environ = {"TUSOU_METRICS_ALLOW": "10.0.0.0/8"}
    with _collector() as collector:
        server = Server(tmp_path / "data", {**environ, "TUSOU_TRACES": collector.address})
        caller = server.caller("similar")
        path = f"{SERVICES['similar'].prefix}/search"
        answer = server.http.post(
            path,
            params={"access_token": caller.token},
            files={"image": picture(1)},
            headers={"traceparent": f"00-{_TRACE}-{_PARENT}-01"},
        ).json()
        assert caller.call("similar", "delete", cont_sign="1,2")["error_code"]
        assert server.http.get("/metrics").status_code == 403  # this machine is not in the setting
        assert server.stop() == 0  # sends what is left
    assert collector.services == {"tusou"}
    (search,) = (span for span in collector.spans if span.name == "similar search")
    assert (search.trace_id.hex(), search.parent_span_id.hex()) == (_TRACE, _PARENT)
    facts = _facts(search)
    assert facts["tusou.log_id"] == answer["log_id"]
    assert (facts["tusou.app_id"], facts["tusou.code"]) == (str(caller.app_id), 0)
    assert facts["url.path"] == path  # and no query: it has the token
    assert caller.token not in repr(collector.spans)
    stages = [span for span in collector.spans if span.parent_span_id == search.span_id]
    assert {span.name for span in stages} >= {"read", "queue", "decode", "encode", "candidates"}
    for span in stages:
        assert search.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= search.end_time_unix_nano
    (delete,) = (span for span in collector.spans if span.name == "similar delete")
    assert _facts(delete)["tusou.code"] == Problem.ITEM_MISSING.code
    assert delete.status.code == 2  # an error


def test_where_the_packages_are_not_there_only_who_wants_traces_is_told(tmp_path: Path) -> None:
    # What the server imports besides does not need them, or it would fail in other words.
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\nfrom tusou.cli import main; main()"
    )
    words = ["serve", "--data", str(tmp_path), "--port", "0"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env={"TUSOU_TRACES": "http://127.0.0.1:1/v1/traces"},
    )
    assert done.returncode == 1
    assert "pip install 'tusou[tracing]'" in done.stderr
