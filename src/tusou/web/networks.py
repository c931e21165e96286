"""Whether an address is one of some networks."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

from tusou.settings import Network


def holds(networks: Iterable[Network], client: str) -> bool:
    """Whether one of the networks has the address; what is no address is in none."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
