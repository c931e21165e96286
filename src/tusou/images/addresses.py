"""Which network addresses a URL from outside may lead to."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PUBLIC = (ip_network("0.0.0.0/0"), ip_network("2000::/3"))
"""All of IPv4, and what of IPv6 is given out as global unicast."""

_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared behind a carrier's NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments; Teredo, which wraps any IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which wraps any IPv4 address
        "3fff::/20",  # documentation
    )
)
"""Source: IANA's special-purpose address registries (RFC 6890), which `ipaddress` follows
differently in each version of Python."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""Public IPv4 addresses as IPv6-only hosts see them (RFC 6052)."""


def is_allowed(text: str, allowed_networks: Iterable[Network] = ()) -> bool:
    """Tell whether to connect to an address: a public one, or one in `allowed_networks`.

    Raises:
        ValueError: `text` is no IP address.
    """
    address = _unwrap(ip_address(text))
    if any(address in network for network in allowed_networks):
        return True
    return any(address in network for network in _PUBLIC) and not any(
        address in network for network in _SPECIAL
    )


def _unwrap(address: Address) -> Address:
    """Take the IPv4 address out of an IPv6 one that leads to it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
