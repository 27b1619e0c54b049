"""Which addresses we refuse to call, and which URLs cannot be a subscriber's.

The list is our own: ``ipaddress.is_global`` of Python 3.11 lets several of these through.
Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052 (NAT64), RFC 3056 (6to4),
RFC 3879 (site local); 168.63.129.16 is Azure's host agent.
"""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from onehook.errors import AddressError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
        "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
        "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NUMERIC_HOST = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*\.?")
MAX_URL = 2048


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks separated by commas, such as ``127.0.0.0/8,::1/128``.

    Raises:
        ValueError: naming the part that is none.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a connection to *address*, an IP literal, may be made."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if _within(parsed, allowed):
        return True
    if isinstance(parsed, IPv6Address) and parsed not in _GLOBAL_UNICAST:
        return False  # nothing else is allocated (RFC 4291 §2.4, IANA)
    return not _within(parsed, _REFUSED)


def is_named(address: str, allowed: Sequence[Network]) -> bool:
    """Whether *address*, an IP literal, lies in one of the networks *allowed* by name."""
    try:
        return _named(ip_address(address.partition("%")[0]), allowed)
    except ValueError:
        return False


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == n.version and address in n for n in networks)


def check_url(
    url: str,
    allowed: Sequence[Network],
    schemes: Sequence[str] = ("https", "http"),
    ports: Sequence[int] = (),
) -> SplitResult:
    """Refuse at save what can never be delivered to; names are judged when we connect.

    *schemes* are those taken, the best one first; *ports* those that may be named, none: any. A URL
    that names none goes to its scheme's own. Plain http, and private addresses, only where
    *allowed* names some network.

    Raises:
        AddressError: saying what to change.
    """
    if len(url) > MAX_URL or not url.isascii() or any(c <= " " or c == "\\" for c in url):
        msg = (
            f"the URL is longer than {MAX_URL} characters, or holds spaces or non-ASCII characters"
        )
        raise AddressError(msg)
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        msg = "this is not a URL"
        raise AddressError(msg) from None
    if split.scheme not in schemes or not host:
        msg = f"the URL must begin with {schemes[0]}:// and name a host"
        raise AddressError(msg)
    if ports and port is not None and port not in ports:
        msg = f"port {port} may not be called; ONEHOOK_DELIVERY_PORTS names those that may"
        raise AddressError(msg)
    if split.username is not None or split.password is not None:
        msg = "the URL holds a user name or password: leave them out"
        raise AddressError(msg)
    if "%" in host or ("[" in split.netloc and ":" not in host):
        msg = "the host is written in an unusual way: write its plain name or address"
        raise AddressError(msg)
    _check_host(host, split.scheme, allowed)
    return split


def _check_host(host: str, scheme: str, allowed: Sequence[Network]) -> None:
    try:
        literal = ip_address(host.partition("%")[0])
    except ValueError:
        literal = None
        if _NUMERIC_HOST.fullmatch(host):
            msg = "the host is an address in an unusual spelling: write it as four decimal numbers"
            raise AddressError(msg) from None
    if literal is not None and not is_allowed(host, allowed):
        msg = f"{literal} is not a public address; ONEHOOK_DELIVERY_ALLOW names the exceptions"
        raise AddressError(msg)
    if scheme == "http":
        inside = literal is not None and is_allowed(host, allowed) and _named(literal, allowed)
        local = host == "localhost" and bool(allowed)
        if not inside and not local:
            msg = "plain http is refused; ONEHOOK_DELIVERY_ALLOW names networks where it is allowed"
            raise AddressError(msg)


def _named(address: Address, allowed: Sequence[Network]) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return _within(address, allowed)
