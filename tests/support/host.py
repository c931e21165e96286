"""A web server on 127.0.0.1 that serves pictures, for parameters that are URLs."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self


class PictureHost:
    """Serves what is in `pictures`, by name, until the block ends."""

    def __init__(self, pictures: Mapping[str, bytes]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pictures))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, name: str) -> str:
        """Where a picture is."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(pictures: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = pictures.get(self.path.removeprefix("/"))
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler
