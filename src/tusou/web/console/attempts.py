"""How often somebody may try to sign in: by user name and by address, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_REMEMBERED = 4096


class Attempts:
    """A bucket of tries for each key: each failure takes one, time gives them back one by one.

    Args:
        tries: What a full bucket holds.
        seconds: How long one try takes to come back.
    """

    def __init__(
        self, tries: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tries = tries
        self._seconds = seconds
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when a bucket is full again

    def wait(self, key: str) -> float:
        """Seconds until there is a try again; 0 where there is one."""
        owed = self._full_at.get(key, 0.0) - self._clock()
        return max(0.0, owed - (self._tries - 1) * self._seconds)

    def take(self, key: str) -> None:
        """Take a try, before it is known whether it fails: many may come at the same time."""
        now = self._clock()
        self._full_at[key] = max(now, self._full_at.get(key, 0.0)) + self._seconds
        self._full_at.move_to_end(key)
        while len(self._full_at) > _REMEMBERED:
            # The least recently tried goes; buckets that are full again go unnoticed.
            self._full_at.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Give back a try that did not fail."""
        if key in self._full_at:
            self._full_at[key] -= self._seconds


def network(address: str) -> str:
    """What one person is likely to have of addresses: an IPv4 address, or half an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return address
