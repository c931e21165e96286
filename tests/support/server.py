"""A real server in a process of its own, and a plain client for it."""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from tusou.office import Office
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.tables import stale_items

Answer = dict[str, Any]


def b64(data: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(data).decode()


def _private(line: str) -> tuple[str, str]:
    serves, _, address = line.removeprefix("private interface: ").strip().partition(" on ")
    return serves, address


@dataclass
class Caller:
    """An application, calling with its token."""

    http: httpx.Client
    app_id: int
    api_key: str
    secret_key: str
    token: str

    def call(self, service: str, operation: str, **fields: Any) -> Answer:
        """One call; bytes are sent as base64."""
        form = {
            name: b64(value) if isinstance(value, bytes) else value
            for name, value in fields.items()
        }
        return self.post(f"{SERVICES[service].prefix}/{operation}", data=form)

    def post(self, path: str, **options: Any) -> Answer:
        """Post to a path with the token."""
        response = self.http.post(path, params={"access_token": self.token}, **options)
        assert response.status_code == 200
        answer = response.json()
        assert isinstance(answer["log_id"], int)
        return dict(answer)


class Server:
    """`tusou serve` on a free port of 127.0.0.1."""

    def __init__(
        self,
        data: Path,
        environ: Mapping[str, str] | None = None,
        *,
        trust: Path | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            data: Its folder.
            environ: Settings.
            trust: The certificate that it is to show.
            within: A command that becomes the command that follows it.
        """
        self.data = data
        self.environ = dict(environ or {})
        self.log = data.with_suffix(".log")
        program = [sys.executable, "-m", "tusou.cli", "serve"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*within, *program, "--data", str(data), "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
                env={**os.environ, **self.environ},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.address = line.partition("listening on ")[2].partition(" ")[0]
        ports = self.environ.get("TUSOU_PRIVATE_PORTS", "")
        self.private = dict(_private(self.process.stdout.readline()) for _ in ports.split(",") if _)
        """Addresses of private ports by what they serve."""
        self.http = httpx.Client(
            base_url=self.address,
            timeout=60,
            trust_env=False,
            verify=True if trust is None else ssl.create_default_context(cafile=trust),
        )
        try:
            assert self.address, self.log.read_text()
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def wait_until_ready(self) -> None:
        """Wait for the libraries to be loaded."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if self.http.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def office(self) -> Office:
        """Administration beside the running server, as the command line does it."""
        return Office(Settings.load(self.environ, data=self.data))

    def caller(self, *services: str, libraries: bool = True) -> Caller:
        """A new application with libraries for some services, or for all."""
        with self.office() as office:
            app, secret = office.apps.create("test", services or SERVICES)
            if libraries:
                for service in services or SERVICES:
                    office.create_library(app.id, service)
        return Caller(self.http, app.id, app.api_key, secret, self.token(app.api_key, secret))

    def token(self, api_key: str, secret_key: str) -> str:
        """An access token from the token endpoint."""
        query = {
            "grant_type": "client_credentials",
            "client_id": api_key,
            "client_secret": secret_key,
        }
        return str(self.http.get("/oauth/2.0/token", params=query).json()["access_token"])

    def wait_for_marks(self) -> None:
        """Wait until a shared index has followed all that killed servers, or a move, left."""
        with self.office() as office:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                with office.database.read() as connection:
                    if not connection.scalar(select(func.count()).select_from(stale_items)):
                        return
                time.sleep(0.1)
        raise AssertionError("marks that nobody settles")

    def log_lines(self) -> list[Answer]:
        """What the server has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def lines_of(self, app_id: int, count: int) -> list[Answer]:
        """The log's lines of an application, once there are `count`: each follows its answer."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            lines = [line for line in self.log_lines() if line.get("app_id") == app_id]
            if len(lines) >= count:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"fewer than {count} lines of application {app_id}")

    def stop(self) -> int:
        """Ask the server to stop and wait; returns its exit status."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def kill(self) -> None:
        """Kill the server, and whatever it has started, without a word of warning."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.http.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
