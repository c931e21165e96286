"""Whether what came at a webhook's address was sent by the server."""

import hashlib
import hmac
import re
import time

FRESH_SECONDS = 300.0
"""A genuine one is older than this only if someone has kept it, to send it again."""


def is_genuine(
    secret_key: str,
    timestamp: str,
    body: bytes,
    signature: str,
    *,
    fresh_seconds: float | None = FRESH_SECONDS,
) -> bool:
    """Whether the server has sent this, and lately.

    Args:
        secret_key: The application's Secret Key.
        timestamp: The header X-Tusou-Timestamp.
        body: As it came, before any reading; `Task.read(json.loads(body))` is the task.
        signature: The header X-Tusou-Signature.
        fresh_seconds: How far its time may lie from this machine's; None: however far.
    """
    made = hmac.new(secret_key.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    # As bytes: a header may have any letters, and text with such is not compared but refused.
    if not hmac.compare_digest(f"sha256={made.hexdigest()}".encode(), signature.encode()):
        return False
    if fresh_seconds is None:
        return True
    return bool(re.fullmatch(r"[0-9]{1,12}", timestamp)) and (
        abs(time.time() - int(timestamp)) <= fresh_seconds
    )
