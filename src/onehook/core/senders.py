"""Who sends: the address that a request comes from, also behind proxies; which may send.

Source: RFC 7239 §5.2 and §7.4 on what a hop may be written as, and on whom to believe.
"""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from onehook.core.addresses import Address, Network

MAX_HOPS = 32  # of a chain, from its end, that are looked at
_V6_SITE = 64  # bits of an IPv6 address that belong to one site: it has all the others to choose


def parse_senders(text: str) -> Network:
    """An address or a network that may send, such as ``192.0.2.7`` or ``2001:db8::/32``.

    Raises:
        ValueError: saying what to write instead.
    """
    try:
        network = ip_network(text)
    except ValueError:
        msg = "is an address or a network without host bits, such as 192.0.2.7 or 192.0.2.0/24"
        raise ValueError(msg) from None
    if isinstance(network.network_address, IPv6Address) and network.network_address.ipv4_mapped:
        msg = "is an IPv4 network written as IPv6: write it as IPv4"
        raise ValueError(msg)
    return network


def sender_address(
    peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """The address of whoever sent a request; None if a proxy of ours says nothing that is one.

    *peer* is who connected, *forwarded* the lines of X-Forwarded-For. A line's last hop was added
    by who connected, and so on back: each is believed as long as the one that added it lies in
    *trusted*. The first that does not is the sender; of a chain of ours alone, its beginning.
    """
    found = parse_hop(peer or "")
    if found is None or not is_listed(found, trusted):
        return found
    hops = [hop for line in forwarded for hop in line.split(",")]
    for hop in hops[: -MAX_HOPS - 1 : -1]:
        found = parse_hop(hop)
        if found is None or not is_listed(found, trusted):
            return found
    return found


def parse_hop(text: str) -> Address | None:
    """One hop: an address, perhaps in brackets, with a port, or IPv4 in IPv6; None if it is none.

    Proxies of Azure add a port to IPv4 too.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_listed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether *address* lies in one of *networks*."""
    return any(address.version == n.version and address in n for n in networks)


def site_of(address: Address | None) -> str:
    """What *address* is counted under: itself, or the /64 that it could choose it from."""
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _V6_SITE), strict=False))
    return str(address)
