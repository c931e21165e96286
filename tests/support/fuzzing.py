"""Requests that the server's own descriptions allow, and many that they do not."""

import subprocess
import sys
from tempfile import TemporaryDirectory

from support.server import Caller

CHECKS = ("not_a_server_error", "response_schema_conformance", "content_type_conformance")
"""No answer of 5xx, and every answer as it is described."""


def fuzz(
    caller: Caller, *bounds: str, paths: str = "", checks: tuple[str, ...] = CHECKS
) -> "subprocess.CompletedProcess[str]":
    """Ask a server all kinds of things by Schemathesis.

    Args:
        caller: Who asks.
        bounds: Options of Schemathesis that say how much is asked.
        paths: A pattern of the paths that are meant.
        checks: What is looked at in answers.
    """
    address = str(caller.http.base_url).rstrip("/")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
        *("--header", f"authorization: Bearer {caller.token}"),
        *("--checks", ",".join(checks)),
        *bounds,
        # A hundred pictures by URL wait for a hundred names, of which some networks lose many.
        *("--request-timeout", "60"),
        *("--include-path-regex", paths or "."),
        *("--continue-on-failure", "--warnings", "off", "--generation-database", "none"),
    ]
    with TemporaryDirectory() as folder:  # it keeps files where it runs
        return subprocess.run(command, capture_output=True, text=True, cwd=folder)
