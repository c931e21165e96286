"""One structured line a request, and the log_id that ties an answer to its line."""

import itertools
import json
import logging
import re
import secrets
import time
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tusou.types import UNSEEN

_log = logging.getLogger("tusou.request")

_EPOCH_MS = 1_704_067_200_000  # 2024-01-01: leaves 41 bits of milliseconds until 2093
_counter = itertools.count(secrets.randbelow(1 << 12))


def new_log_id() -> int:
    """A number no other answer has, below 2^53, so that JavaScript reads it exactly."""
    milliseconds = time.time_ns() // 1_000_000 - _EPOCH_MS
    return (milliseconds & ((1 << 41) - 1)) << 12 | (next(_counter) & 0xFFF)


class RequestLog:
    """Gives each request a log_id (`request.state.log_id`) and logs it when it has ended.

    Handlers add to the line through `request.state.note`. The query string is never logged: it
    holds the token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        log_id, note, status = new_log_id(), dict[str, object](), 0
        scope.setdefault("state", {}).update(log_id=log_id, note=note)
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-log-id"] = str(log_id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            line = {
                "event": "request",
                "log_id": log_id,
                "client": (scope.get("client") or ("", 0))[0],
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                **note,
            }
            _log.info("request", extra={"line": line})


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line; whatever clients send is escaped by it."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        extra = getattr(record, "line", None)
        line |= extra if isinstance(extra, dict) else {"event": record.getMessage()}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        # JSON leaves some of them as they are, 8-bit control sequences for one.
        return UNSEEN.sub(_escape, json.dumps(line, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
