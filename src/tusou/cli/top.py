"""`tusou top`: a server in the terminal, live."""

import json
import select
import shutil
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
import httpx

from tusou.cli import command
from tusou.settings import Settings
from tusou.top.readings import Reading
from tusou.top.screen import draw
from tusou.top.view import View, view

_WINDOW_SECONDS = 10.0
"""What the screen shows is of so long, so that it does not flicker with every call."""
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _TO_LINE_END, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"


@click.command()
@click.option("--host", help="The server [http://127.0.0.1 and TUSOU_PORT, 8080].")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once, at all since the server's start, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each look.")
@command
def top(settings: Settings, host: str | None, interval: float, once: bool, as_json: bool) -> None:
    """Show what a server does: calls, where their time goes, queue, memory, libraries, errors.

    The server must let this machine read /metrics (TUSOU_METRICS_ALLOW). End it with q.
    """
    scheme = "https" if settings.tls_certificate else "http"
    address = (host or f"{scheme}://127.0.0.1:{settings.port}").rstrip("/")
    with httpx.Client(base_url=address, timeout=10, trust_env=False) as http:
        if as_json:
            looks = _Looks(http)
            _print(looks, None if once else interval, lambda seen: [json.dumps(asdict(seen))])
        elif once or not sys.stdout.isatty():
            _print(_Looks(http), None, lambda seen: draw(seen, address))
        else:
            looks = _Looks(http, _WINDOW_SECONDS)
            looks.look()  # who has no server to look at is told so on the screen that stays
            with _screen() as quit_within:
                _show(_lines(looks, address))
                while not quit_within(interval):
                    _show(_lines(looks, address))


class _Looks:
    """Looks at a server; each shows what came since an earlier one.

    Args:
        http: The server.
        window: Seconds that the earlier one lies back, or the one before where that is longer ago.
    """

    def __init__(self, http: httpx.Client, window: float = 0.0) -> None:
        self._http = http
        self._window = window
        self._before: deque[tuple[float, Reading]] = deque()

    def look(self) -> View:
        """Look now.

        Raises:
            RuntimeError: the server does not tell.
            ValueError: it is no tusou server.
        """
        now, at = self._read(), time.monotonic()
        while len(self._before) > 1 and at - self._before[1][0] >= self._window:
            self._before.popleft()
        then, before = self._before[0] if self._before else (at, None)
        self._before.append((at, now))
        return view(now, before, at - then, time.time())

    def _read(self) -> Reading:
        try:
            answer = self._http.get("/metrics")
        except httpx.TransportError as error:
            raise RuntimeError(f"no server answers at {self._http.base_url}: {error}") from error
        if answer.status_code != httpx.codes.OK:
            text = answer.text.strip()[:200]
            raise RuntimeError(f"{self._http.base_url} answers {answer.status_code}: {text}")
        return Reading.parse(answer.text)


def _print(looks: _Looks, pause: float | None, show: Callable[[View], list[str]]) -> None:
    while True:
        click.echo("\n".join(show(looks.look())))
        if pause is None:
            return
        time.sleep(pause)


def _lines(looks: _Looks, address: str) -> list[str]:
    """What is on the screen; a server that is gone may come again."""
    width, height = shutil.get_terminal_size()
    try:
        return draw(looks.look(), address, width, height - 1)
    except RuntimeError as error:
        return [str(error)[:width], "", "trying again; end with q"]


def _show(lines: list[str]) -> None:
    text = "".join(f"{line}{_TO_LINE_END}\r\n" for line in lines)
    sys.stdout.write(f"{_HOME}{text}{_TO_END}")
    sys.stdout.flush()


@contextmanager
def _screen() -> Iterator[Callable[[float], bool]]:
    """A screen of its own, and a way to wait for q."""
    before = termios.tcgetattr(sys.stdin)
    sys.stdout.write(_ENTER)
    try:
        tty.setcbreak(sys.stdin)
        yield _is_q_pressed
    except KeyboardInterrupt:
        pass
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _is_q_pressed(seconds: float) -> bool:
    pressed, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(pressed) and sys.stdin.read(1) in ("q", "Q", "")
