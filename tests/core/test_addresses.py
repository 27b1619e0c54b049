"""Which addresses we refuse to call, in every spelling (threats.md F1, F4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.addresses import MAX_URL, check_url, is_allowed, parse_networks
from onehook.errors import AddressError

# An address inside, in the forms that resolvers, browsers and C libraries have taken.
SPELLINGS = [
    # loopback
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0X7F.1",
    "0x7f.0x0.0x0.0x1", "017700000001", "0177.0.0.1", "0177.0.0.01", "127.0.0.1.", "127.1.",
    "000127.0.0.1", "127.000.000.001", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::FFFF:127.0.0.1]",
    "[::1%25lo]", "[::1%lo]",
    # this host, unspecified
    "0.0.0.0", "0", "0.0", "0x0", "00", "[::]", "[::0]", "0.1.2.3",  # noqa: S104 refused here
    # private
    "10.0.0.1", "10.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "192.168.1", "0xc0a80001", "3232235521", "[fc00::1]", "[fd00::1]", "[::ffff:10.0.0.1]",
    "[::ffff:c0a8:1]",
    # link local and metadata services
    "169.254.169.254", "169.254.1.1", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
    "[fe80::1]", "[fe80::1%25eth0]", "[fd00:ec2::254]", "[fd20:ce::254]",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "168.63.129.16", "100.100.100.200",
    "192.0.0.192",
    # carrier, benchmark, documentation, reserved
    "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "192.88.99.1", "240.0.0.1", "255.255.255.255",
    # multicast
    "224.0.0.1", "239.255.255.255", "[ff02::1]", "[ff0e::1]",
    # addresses within addresses: NAT64, 6to4, Teredo, site local, others
    "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[fec0::1]",
    "[100::1]", "[3fff::1]", "[5f00::1]", "[::ffff:0.0.0.0]",
]  # fmt: skip


def test_f1_there_are_more_than_sixty_spellings() -> None:
    """The figure of threats.md."""
    assert len(set(SPELLINGS)) == len(SPELLINGS) > 60


@pytest.mark.parametrize("host", SPELLINGS)
def test_f1_an_address_inside_is_refused_in_any_spelling(host: str) -> None:
    """At save, with 422; with a port, a path and upper case as well."""
    for url in (f"https://{host}", f"https://{host}:8443/hook?x=1", f"HTTPS://{host.upper()}/"):
        with pytest.raises(AddressError) as caught:
            check_url(url, ())
        assert (caught.value.code, caught.value.status) == ("blocked_address", 422)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com", "https://hooks.example.com/a?b=c#d", "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/", "https://a.example:8443", "HTTPS://A.EXAMPLE/",
        "https://xn--bcher-kva.example/", "https://1.2.3.4.example.com/", "https://172.32.0.1/",
        "https://11.0.0.1/", "https://100.128.0.1/", "https://192.167.255.255/", "https://3com.com/",
    ],
)  # fmt: skip
def test_a_public_url_is_taken(url: str) -> None:
    """Names are judged when we connect."""
    assert check_url(url, ()).geturl().lower() == url.lower()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://hooks.example.com", "plain http is refused"),
        ("http://8.8.8.8", "plain http is refused"),
        ("http://localhost:8080", "plain http is refused"),
        ("ftp://a.example", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("gopher://a.example", "must begin with https://"),
        ("//a.example", "must begin with https://"),
        ("a.example", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https:///path", "must begin with https://"),
        ("https:a.example", "must begin with https://"),
        ("https://?a", "must begin with https://"),
        ("", "must begin with https://"),
        ("https://user@a.example", "user name or password"),
        ("https://user:pass@a.example", "user name or password"),
        ("https://@a.example", "user name or password"),
        ("https://:@a.example", "user name or password"),
        ("https://a.example@127.0.0.1", "user name or password"),
        ("https://a.example:99999", "not a URL"),
        ("https://a.example:x", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://a.example/a b", "spaces or non-ASCII"),
        ("https://a.example/\n", "spaces or non-ASCII"),
        ("https://a.example\t", "spaces or non-ASCII"),
        (" https://a.example", "spaces or non-ASCII"),
        ("https://a.example\\@127.0.0.1", "spaces or non-ASCII"),
        ("https://bücher.example", "spaces or non-ASCII"),
        ("https://①②⑦.⓪.⓪.①", "spaces or non-ASCII"),
        ("https://127。0。0。1", "spaces or non-ASCII"),
        ("https://a.example/" + "x" * MAX_URL, f"longer than {MAX_URL}"),
    ],
)  # fmt: skip
def test_f4_other_urls_are_refused_and_the_message_says_why(url: str, says: str) -> None:
    """Scheme, user information, ports, spaces, length."""
    with pytest.raises(AddressError) as caught:
        check_url(url, ())
    assert says in str(caught.value)


LOCAL = parse_networks("127.0.0.0/8, ::1/128,10.1.0.0/16")


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("http://127.0.0.1:9000/x", True), ("https://127.0.0.1", True), ("http://[::1]/", True),
        ("http://[::ffff:127.0.0.1]/", True), ("http://localhost:9000", True),
        ("http://10.1.2.3", True),
        ("https://10.1.2.3", True), ("http://10.2.0.1", False), ("https://10.2.0.1", False),
        ("http://8.8.8.8", False), ("http://a.example", False), ("http://0x7f.1", False),
        ("http://2130706433", False), ("https://169.254.169.254", False),
    ],
)  # fmt: skip
def test_named_networks_are_the_exceptions(url: str, *, taken: bool) -> None:
    """Plain http goes there too; other spellings of the same address do not."""
    if taken:
        check_url(url, LOCAL)
    else:
        with pytest.raises(AddressError):
            check_url(url, LOCAL)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True), ("2606:4700::1", True), ("127.0.0.1", False),
        ("::ffff:127.0.0.1", False), ("fe80::1%eth0", False), ("::1", False), ("", False),
        ("a.example", False), ("127.1", False),
        ("2130706433", False), ("169.254.169.254", False), ("::ffff:169.254.169.254", False),
    ],
)  # fmt: skip
def test_f1_the_address_really_used_is_judged(address: str, *, allowed: bool) -> None:
    """At connect, as the socket has it; what is no address is not called."""
    assert is_allowed(address, ()) is allowed


def test_networks_are_read_from_text() -> None:
    """Separated by commas; what is none is named."""
    assert [str(n) for n in LOCAL] == ["127.0.0.0/8", "::1/128", "10.1.0.0/16"]
    assert parse_networks("") == parse_networks(" , ") == ()
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        parse_networks("10.0.0.1/8")
    with pytest.raises(ValueError, match="nonsense"):
        parse_networks("127.0.0.0/8,nonsense")


@given(st.integers(0, 2**32 - 1))
def test_f1_an_ipv4_address_is_judged_alike_in_ipv6(number: int) -> None:
    """Mapped addresses are the addresses that they map."""
    dotted = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    assert is_allowed(dotted, ()) is is_allowed(f"::ffff:{dotted}", ())
    assert not is_allowed(f"64:ff9b::{dotted}", ())
    assert not is_allowed(f"::{dotted}", ())


@settings(max_examples=300)
@given(st.text(max_size=40) | st.text(alphabet="htps:/[]%.0123456789abcdefx@?#", max_size=40))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    """Nothing else is raised."""
    for url in (text, f"https://{text}", f"https://[{text}]/", f"https://a.example:{text}"):
        for allowed in ((), LOCAL):
            try:
                check_url(url, allowed)
            except AddressError:
                continue


@pytest.mark.parametrize(
    "host",
    ["%31%32%37.0.0.1", "127%2e0%2e0%2e1", "%6c%6f%63%61%6c%68%6f%73%74", "[::ffff:0:127.0.0.1]",
     "[::ffff:0:7f00:1]", "[4000::1]", "[v1.x]"],
)  # fmt: skip
def test_f1_more_spellings_are_refused_at_save(host: str) -> None:
    """A host is letters, digits, dots and hyphens; SIIT (RFC 7915) holds an IPv4 address too."""
    with pytest.raises(AddressError):
        check_url(f"https://{host}/", ())
