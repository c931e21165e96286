"""Signatures of requests by the rules of bce-auth-v1.

Source: shared contract, WIRE section 3.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_SECONDS = 1800


def headers(url: str, query: Mapping[str, str], api_key: str, secret_key: str) -> dict[str, str]:
    """The headers that sign a POST to `url` with `query`."""
    parts = urlsplit(url)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    prefix = f"bce-auth-v1/{api_key}/{now}/{_SECONDS}"
    own = {"host": parts.netloc, "x-bce-date": now}
    request = "\n".join(
        (
            "POST",
            quote(parts.path),
            "&".join(sorted(f"{_encode(name)}={_encode(text)}" for name, text in query.items())),
            *(f"{name}:{_encode(text)}" for name, text in own.items()),
        )
    )
    signature = _digest(_digest(secret_key, prefix), request)
    return own | {"authorization": f"{prefix}/{';'.join(own)}/{signature}"}


def _encode(text: str) -> str:
    return quote(text, safe="")


def _digest(key: str, message: str) -> str:
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
