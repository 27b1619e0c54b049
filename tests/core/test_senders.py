"""Where a request comes from; row A12 of the threats."""

from ipaddress import ip_address

import pytest

from onehook.core.addresses import parse_networks
from onehook.core.senders import is_listed, parse_hop, parse_senders, sender_address, site_of

PROXIES = parse_networks("10.0.0.0/8,fd00::/8")
# What connected, its X-Forwarded-For lines, who sent.
CHAINS = {
    "no proxy": ("203.0.113.7", (), "203.0.113.7"),
    "spoofed without a proxy": ("203.0.113.7", ("192.0.2.1",), "203.0.113.7"),
    "through one": ("10.0.0.1", ("203.0.113.7",), "203.0.113.7"),
    "spoofed before it": ("10.0.0.1", ("192.0.2.1, 203.0.113.7",), "203.0.113.7"),
    "spoofed as a proxy of ours": ("10.0.0.1", ("10.9.9.9, 203.0.113.7",), "203.0.113.7"),
    "through two": ("10.0.0.1", ("192.0.2.1, 203.0.113.7, 10.0.0.2",), "203.0.113.7"),
    "two lines": ("10.0.0.1", ("192.0.2.1", "203.0.113.7,10.0.0.2"), "203.0.113.7"),
    "with a port": ("10.0.0.1", ("203.0.113.7:51234",), "203.0.113.7"),
    "IPv6 with a port": ("10.0.0.1", ("[2001:db8::7]:443",), "2001:db8::7"),
    "IPv6 in quotes": ("10.0.0.1", ('"[2001:db8::7]"',), "2001:db8::7"),
    "IPv6 plain": ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
    "mapped peer": ("::ffff:10.0.0.1", ("::ffff:203.0.113.7",), "203.0.113.7"),
    "with a zone": ("fe80::1%eth0", (), "fe80::1"),
    "no header behind a proxy": ("10.0.0.1", (), "10.0.0.1"),
    "only ours": ("10.0.0.1", ("10.3.0.1, 10.2.0.1",), "10.3.0.1"),
    "hidden": ("10.0.0.1", ("192.0.2.1, unknown",), None),
    "empty": ("10.0.0.1", ("192.0.2.1,",), None),
    "garbage": ("10.0.0.1", ("192.0.2.1, 1.2.3.4.5:80",), None),
    "octal": ("10.0.0.1", ("0313.0.113.7",), None),
    "a socket without a name": (None, ("192.0.2.1",), None),
}


@pytest.mark.parametrize(("peer", "forwarded", "sender"), CHAINS.values(), ids=CHAINS)
def test_a12_the_right_most_hop_that_is_not_ours(
    peer: str | None, forwarded: tuple[str, ...], sender: str | None
) -> None:
    """A header is believed as far as proxies of ours wrote it, and no further."""
    expected = None if sender is None else ip_address(sender)

    assert sender_address(peer, forwarded, PROXIES) == expected


def test_a12_a_long_chain_is_read_from_its_end() -> None:
    """Of a chain of thousands of hops the last few are looked at."""
    chain = ",".join(["192.0.2.1"] + ["10.0.0.1"] * 50_000)

    assert sender_address("10.0.0.1", (chain,), PROXIES) == ip_address("10.0.0.1")


@pytest.mark.parametrize("text", ["office", "192.0.2.1/24", "::ffff:192.0.2.0/120", "", "1.2.3"])
def test_a12_what_is_no_network_is_refused(text: str) -> None:
    """The message says how to write it."""
    with pytest.raises(ValueError, match=r"^is an "):
        parse_senders(text)


def test_a12_lists_hold_addresses_and_networks() -> None:
    """An address is a network of one."""
    networks = [parse_senders("192.0.2.7"), parse_senders("2001:db8::/32")]

    found = [
        is_listed(ip_address(text), networks) for text in ("192.0.2.7", "192.0.2.8", "2001:db8::1")
    ]

    assert found == [True, False, True]


def test_a13_an_ipv6_sender_is_counted_by_its_site() -> None:
    """Whoever has a /64 has all its addresses; IPv4 in IPv6 is IPv4."""
    hops = [parse_hop(text) for text in ("2001:db8::1", "2001:db8::ffff:2", "::ffff:192.0.2.7")]

    assert [site_of(hop) for hop in hops] == ["2001:db8::/64", "2001:db8::/64", "192.0.2.7"]
    assert site_of(None) == "unknown"
