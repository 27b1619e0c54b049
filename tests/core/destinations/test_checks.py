"""What a subscription chooses, judged at save."""

from dataclasses import replace
from typing import Any

import pytest

from onehook.core.destinations.checks import check_choices, secret_warning
from onehook.core.destinations.outlets import Auth, Choices
from onehook.errors import InvalidRequestError
from tests.core.destinations.building import compiled
from tests.core.profiles.outgoing import SECRET

URL = "https://receiver.example/hook"
USUAL = Choices(URL, SECRET)
TOKEN = """\
settings:
  token: {secret: true, required: true, help: the token}
  region: {choices: [eu, us], default: eu}
headers: {X-Token: "{{ settings.token }}", "x-{{ prefix }}-delivery": "{{ delivery_uuid }}"}
events: [security.scan.*, scan.started]
"""


def wrong(text: str = "", **changes: Any) -> dict[str, str]:
    """Pointer and detail of each thing wrong with the choices."""
    try:
        check_choices(replace(USUAL, **changes), compiled(text))
    except InvalidRequestError as error:
        return {found.pointer: found.detail for found in error.errors}
    return {}


def test_the_usual_choices_are_fine() -> None:
    """For a destination that asks for nothing."""
    assert wrong() == {}


def test_settings_are_those_that_the_file_declares() -> None:
    """Unknown ones by name, required ones too, with the file's help."""
    events = ("security.scan.completed",)
    found = wrong(TOKEN, settings={"tokn": "x", "region": "asia"}, events=events)
    assert set(found) == {"/settings/tokn", "/settings/token", "/settings/region"}
    assert "did you mean token?" in found["/settings/tokn"]
    assert "the token" in found["/settings/token"]
    assert wrong(TOKEN, settings={"token": "x"}, events=events) == {}
    assert set(wrong(settings={"a/b": "x"})) == {"/settings/a~1b"}
    assert set(wrong(TOKEN, settings={"token": "a\nb"}, events=events)) == {"/settings/token"}


def test_events_are_those_that_the_file_can_take() -> None:
    """Each pattern must lie within."""
    fine = {"settings": {"token": "x"}}
    assert wrong(TOKEN, events=("security.scan.completed", "scan.failed"), **fine) == {}
    assert set(wrong(TOKEN, events=("security.scan.*", "*", "scm.*"), **fine)) == {
        "/events/1", "/events/2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "pointer"),
    [
        ({"Host": "x"}, "/headers/Host"),
        ({"webhook-id": "x"}, "/headers/webhook-id"),
        ({"X-Acme-Signature": "x"}, "/headers/X-Acme-Signature"),
        ({"a/b~c": "x"}, "/headers/a~1b~0c"),
        ({"X-A": "a\r\nb: c"}, "/headers/X-A"),
        ({"X-A": "1", "x-a": "2"}, "/headers/x-a"),
        ({f"x-{n}": "1" for n in range(51)}, "/headers"),
    ],
)
def test_f5_headers_that_would_change_the_request(headers: dict[str, str], pointer: str) -> None:
    """Named, at save."""
    assert set(wrong(headers=headers, prefix="acme")) == {pointer}


def test_f5_nothing_sends_a_header_twice() -> None:
    """Not the profile, the destination, auth or another header."""
    basic = Auth("basic", "u", "p")
    both = {"Authorization": "Splunk 1"}
    assert wrong(headers=both) == {}
    assert wrong(auth=basic) == {}
    assert set(wrong(headers=both, auth=basic)) == {"/auth"}
    assert set(wrong(headers=both, profile="bearer", secret="t")) == {"/headers/Authorization"}
    assert set(wrong(auth=basic, profile="bearer", secret="t")) == {"/auth"}
    own = {"settings": {"token": "x"}, "events": ("security.scan.*",), "prefix": "p"}
    assert set(wrong(TOKEN, headers={"x-token": "1"}, **own)) == {"/headers/x-token"}
    assert set(wrong(TOKEN, auth=Auth("header", "X-Token", "1"), **own)) == {"/auth/name"}


@pytest.mark.parametrize(
    "auth",
    [
        Auth("bearer", None, "a\nb"),
        Auth("bearer", None, "é"),
        Auth("header", "Host", "x"),
        Auth("header", "X-A", "a\r\nb"),
        Auth("header", "a b", "x"),
    ],
)
def test_f5_auth_is_a_header_like_others(auth: Auth) -> None:
    """With the same limits."""
    assert len(wrong(auth=auth)) == 1


def test_a_user_name_has_no_colon() -> None:
    """RFC 7617: the receiver would read another name."""
    assert set(wrong(auth=Auth("basic", "a:b", "p"))) == {"/auth/username"}
    assert wrong(auth=Auth("basic", "ab", "p:q")) == {}


def test_a_secret_must_be_one_for_the_profile() -> None:
    """Also where only the profile changes, or the destination, and for the old one."""
    bad = "whsec_***"
    assert set(wrong(secret=bad)) == {"/secret"}
    assert wrong(secret=bad, profile="sha256") == {}
    assert wrong("defaults: {profile: hex}\n", secret=bad) == {}
    assert set(wrong(secret="two words", profile="bearer")) == {"/secret"}
    assert set(wrong(old_secret=bad)) == {"/secret"}


def test_a_template_is_refused_with_line_and_column() -> None:
    """The pointer leads to the field, the detail into it."""
    found = wrong(body_template='{\n  "a": {{ nope }}\n}')
    assert found["/body_template"].startswith("line 2, column 11: 'nope' is no variable")
    assert wrong(body_template='{"a": {{ payload }}}') == {}


def test_everything_wrong_is_said_at_once() -> None:
    """One answer, every pointer."""
    found = wrong(settings={"x": "1"}, headers={"Host": "x"}, secret="whsec_", body_template="[")
    assert set(found) == {"/settings/x", "/headers/Host", "/secret", "/body_template"}


@pytest.mark.parametrize(
    ("secret", "warned"), [("x" * 31, True), ("x" * 32, False), (SECRET, False)]
)
def test_a_short_secret_is_taken_with_a_warning(secret: str, warned: bool) -> None:
    """Any length is taken."""
    assert wrong(secret=secret) == {}
    assert (secret_warning(secret) is not None) is warned
