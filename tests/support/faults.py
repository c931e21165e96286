"""A proxy on this machine that fails as it is told: it loses answers, breaks off, is busy."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

import httpx

_TOKENS = "/oauth/"


@dataclass(frozen=True)
class Says:
    """Answers by itself and passes nothing on."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Fault = Says | Literal["pass", "lose", "drop", "hang"]
"""`lose`: the server does it, and nobody is told. `drop`: it is not passed on. `hang`: neither is
it, and there is no answer as long as the proxy lives."""


class Faults:
    """Passes requests on to a server; `plan` says what becomes of the next ones, tokens aside."""

    def __init__(self, address: str) -> None:
        self.plan = deque[Fault]()
        self.asked: list[str] = []
        """Method and path of what came, tokens aside."""
        self.hanging = threading.Event()
        self._over = threading.Event()
        self._http = httpx.Client(base_url=address, trust_env=False, timeout=60)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                answer = proxy._answer(self.command, self.path, dict(self.headers), body)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, text in answer.headers.items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_POST = do_PATCH = do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        return Handler

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Says | None:
        fault: Fault = "pass"
        if not path.startswith(_TOKENS):
            self.asked.append(f"{method} {path}")
            fault = self.plan.popleft() if self.plan else "pass"
        if isinstance(fault, Says):
            return fault
        if fault == "hang":
            self.hanging.set()
            self._over.wait(60)
        if fault in ("hang", "drop"):
            return None
        passed = {name: text for name, text in headers.items() if name.lower() != "host"}
        response = self._http.request(method, path, content=body, headers=passed)
        if fault == "lose":
            return None
        kept = {
            name: response.headers[name] for name in ("content-type",) if name in response.headers
        }
        return Says(response.status_code, kept, response.content)
