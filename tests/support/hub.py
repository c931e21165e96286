"""A stand-in for a Hugging Face hub on 127.0.0.1: lists of files, files by redirect, no more."""

import hashlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves repositories `OWNER/NAME` → files by name, under the branches main and v2."""

    def __init__(self, repositories: Mapping[str, dict[str, bytes]]) -> None:
        self.paths: list[str] = []
        """What was asked for."""
        self.digests: dict[str, str] = {}
        """SHA-256 to claim of files, by name, in place of the true ones."""
        self.repositories = repositories
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        self.paths.append(path)
        match unquote(urlsplit(path).path).strip("/").split("/"):
            case ["api", "models", owner, name, "revision", "main" | "v2"]:
                return self._listed(f"{owner}/{name}")
            case [owner, name, "resolve", commit, file] if commit == COMMIT:
                # As the real hub does with large files; the address is relative there, too.
                return 302, {"Location": f"/cdn/{owner}/{name}/{file}"}, b""
            case ["cdn", owner, name, file]:
                data = self.repositories.get(f"{owner}/{name}", {}).get(file)
                return (404, {}, b"Entry not found") if data is None else (200, {}, data)
        return 404, {}, b"Repository not found"

    def _listed(self, name: str) -> tuple[int, dict[str, str], bytes]:
        files = self.repositories.get(name)
        if files is None:
            return 404, {}, b"Repository not found"
        siblings: list[dict[str, Any]] = [{"rfilename": file} for file in files]
        for row in siblings:
            if row["rfilename"].endswith(".onnx"):
                digest = hashlib.sha256(files[row["rfilename"]]).hexdigest()
                row["lfs"] = {"sha256": self.digests.get(row["rfilename"], digest)}
        return 200, {}, json.dumps({"sha": COMMIT, "siblings": siblings}).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler
