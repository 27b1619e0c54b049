"""Which headers a subscriber may add (threats.md F5)."""

import pytest

from onehook.core.profiles.headers import MAX_VALUE, basic, name_problem, overlay, value_problem

FINE = ["Authorization", "X-API-Key", "x-acme-token", "accept", "X-Automation-Webhook-Token", "a"]
REFUSED = [
    "Host", "content-length", "Transfer-Encoding", "CONNECTION", "TE", "Trailer", "Upgrade",
    "Expect", "Content-Type", "Content-Encoding", "User-Agent", "Keep-Alive", "webhook-id",
    "Webhook-Signature", "webhook-anything", "x-onehook-event", "X-Onehook-Own", "x-p-signature",
    "X-P-Timestamp", "x-p-event", "x-p-delivery", "proxy-authorization",
    "", "a b", "a:b", "a\r\nb", "a\n", "é", "a" * 129, "(x)", "x,y", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_f5_a_name_that_may_be_added(name: str) -> None:
    """Whatever is neither HTTP's own nor the gateway's."""
    assert name_problem(name, "p") is None


@pytest.mark.parametrize("name", REFUSED)
def test_f5_a_name_that_may_not_be_added(name: str) -> None:
    """It would be sent twice, end the body elsewhere, or be no header."""
    assert name_problem(name, "p") is not None


def test_f5_names_of_another_prefix_are_free() -> None:
    """Only the subscription's own prefix is taken."""
    assert name_problem("x-q-signature", "p") is None


@pytest.mark.parametrize("value", ["", "x", "Splunk 1-2", "a\tb", "~!@#$%^&*()", "x" * MAX_VALUE])
def test_f5_a_value_that_fits(value: str) -> None:
    """Printable ASCII."""
    assert value_problem(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nx-evil: 1",
        "a\n",
        "\na",
        "a\x00",
        " a",
        "a ",
        "\ta",
        "é",
        "a\x7f",
        "x" * (MAX_VALUE + 1),
    ],
)
def test_f5_a_value_that_does_not_fit(value: str) -> None:
    """It would begin another header, or arrive as something else."""
    assert value_problem(value) is not None


def test_basic_is_base64_of_both() -> None:
    """RFC 7617's own examples."""
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic("test", "123£") == "Basic dGVzdDoxMjPCow=="


def test_an_overlay_knows_names_without_case() -> None:
    """Each header is there once, under the name that it had."""
    under = {"X-A": "1", "b": "2"}
    overlay(under, {"x-a": "3", "C": "4"})
    assert under == {"X-A": "3", "b": "2", "C": "4"}
