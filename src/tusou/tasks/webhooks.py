"""Telling of the end of tasks: signed, again and again until it is received."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tusou.errors import TusouError
from tusou.images.fetch import Fetcher
from tusou.storage.batches import Batches, News
from tusou.tasks.facts import task

_log = logging.getLogger(__name__)

AGAIN = (10, 60, 300, 1800, 7200)
"""Seconds until the next try, after the first, the second …"""
_AT_ONCE = 4


class Webhooks:
    """Posts the ends of tasks to those who asked for it.

    Args:
        batches: The tasks.
        fetcher: Reaches addresses.
        secret: Gives an application's secret key, by which what is sent is signed.
    """

    def __init__(self, batches: Batches, fetcher: Fetcher, secret: Callable[[int], str]) -> None:
        self._batches = batches
        self._fetcher = fetcher
        self._secret = secret

    def run(self) -> None:
        """Tell all that is to be told now."""
        if news := self._batches.news():
            with ThreadPoolExecutor(_AT_ONCE, "tusou-webhook") as threads:
                list(threads.map(self._tell, news))

    def _tell(self, news: News) -> None:
        try:
            status = self._post(news)
        except TusouError as error:
            status, reason = 0, error.message
        else:
            reason = f"it answered {status}"
        if 200 <= status < 300:
            self._batches.told(news, None)
            return
        again = AGAIN[news.tries] if news.tries < len(AGAIN) else None
        _log.info("webhook of task %d: %s; again in %s s", news.batch.id, reason, again)
        self._batches.told(news, again)

    def _post(self, news: News) -> int:
        facts = {**task(news.batch), "service": news.service}
        body = json.dumps(facts, ensure_ascii=False).encode()
        moment = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Tusou-Timestamp": moment,
            "X-Tusou-Signature": sign(self._secret(news.app_id), moment, body),
        }
        return self._fetcher.post(news.batch.webhook, body, headers)


def sign(secret: str, moment: str, body: bytes) -> str:
    """What proves that a body comes from here, and when it was sent."""
    made = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256)
    return f"sha256={made.hexdigest()}"
