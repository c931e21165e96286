"""The counters of `limits`, in this process or in Redis."""

import time
from typing import Any, cast

from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, Storage, storage_from_string

_REDIS_SECONDS = 1
_SWEEP_SECONDS = 10.0


class Memory(MemoryStorage):
    """Counters in this process, for callers that come one at a time; they `sweep` now and then.

    The library's own sweeps run in a thread of their own after almost every call, go through every
    counter there ever was (8 ms for 4,000), and take locks away from those who wait for them.
    """

    def __init__(self) -> None:
        super().__init__("memory://", wrap_exceptions=True)
        self._swept = self._last = time.time()

    def _MemoryStorage__schedule_expiry(self) -> None:  # its private name
        """Begin no sweep."""

    def sweep(self) -> None:
        """Drop what has expired, every few seconds; and calls of the future at once.

        After a clock is set back, the second before that would else count until it comes again.
        """
        now, before = time.time(), self._last
        self._last = now
        if now < before - 1:
            self.events.clear()
        elif now < self._swept + _SWEEP_SECONDS:
            return
        self._swept = now
        for key, entries in list(self.events.items()):
            self.events[key] = [entry for entry in entries if entry.expiry > now]
            if not self.events[key]:
                self.clear(key)
        for key, end in list(self.expirations.items()):
            if end <= now:
                self.clear(key)


def in_redis(url: str) -> Storage:
    """Counters that several servers share.

    Raises:
        RuntimeError: the URL is none, or the package for Redis is not installed.
    """
    try:
        # Here and not above: most servers have no Redis, and its package is not theirs.
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        storage = storage_from_string(
            url,
            wrap_exceptions=True,
            key_prefix="tusou",
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            # Once: a connection left idle may have been closed.
            retry=cast(Any, Retry(NoBackoff(), 1)),
        )
    except (ConfigurationError, ImportError, ValueError) as error:
        raise RuntimeError(
            "the redis setting must be a URL such as redis://host:6379/0, and needs the "
            "package of tusou[redis]"  # the URL may hold a password and is not shown
        ) from error
    return cast(Storage, storage)  # the other kind is for asyncio
