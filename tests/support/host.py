"""A web server on 127.0.0.1 that serves pictures, for parameters that are URLs."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import NamedTuple, Self


class Posted(NamedTuple):
    """What somebody has posted."""

    headers: Mapping[str, str]
    body: bytes


class PictureHost:
    """Serves what is in `pictures`, by name, until the block ends; keeps what is posted to it."""

    def __init__(self, pictures: Mapping[str, bytes], refused: int = 0, location: str = "") -> None:
        """Prepare; so many posts are `refused` first, or all are sent to another `location`."""
        self.posted = Queue[Posted]()
        handler = _handler(pictures, self.posted, refused, location)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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


def _handler(
    pictures: Mapping[str, bytes], posted: Queue[Posted], refused: int, location: str
) -> type[BaseHTTPRequestHandler]:
    left = [307 if location else 204] + [500] * refused

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

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posted.put(Posted(dict(self.headers), body))
            self.send_response(left.pop() if len(left) > 1 else left[0])
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler
