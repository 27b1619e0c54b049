"""A destination and a subscription's choices, joined: what holds, and what is hidden."""

from dataclasses import replace

import pytest

from onehook.core.destinations.outlets import Auth, Choices, make_outlet, shown_url
from tests.core.destinations.building import compiled
from tests.core.profiles.outgoing import SECRET, event, request

URL = "https://hooks.example/services/T000/B000/abcdefghij"
CHOICES = Choices(URL, SECRET)
OPEN_SESAME = "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 §2


def test_a_choice_wins_over_the_destination_and_that_over_the_default() -> None:
    """Profile and prefix."""
    hex_ = compiled("defaults: {profile: hex, prefix: q}\n")
    found = make_outlet(CHOICES, hex_, None)
    assert (found.profile.name, found.prefix) == ("hex", "q")
    found = make_outlet(replace(CHOICES, profile="sha256", prefix="r"), hex_, None)
    assert (found.profile.name, found.prefix) == ("sha256", "r")
    found = make_outlet(CHOICES, compiled(), None)
    assert (found.profile.name, found.prefix) == ("standard", "onehook")


def test_aliases_are_used_only_where_they_are_wanted() -> None:
    """By the subscription, or its destination."""
    some = replace(CHOICES, events=("scan.completed", "scm.*"))
    assert make_outlet(some, compiled(), None).aliases == {}
    wanting = compiled("defaults: {type_names: alias}\n")
    assert set(make_outlet(some, wanting, None).aliases) == {"security.scan.completed"}
    assert make_outlet(replace(some, type_names="unified"), wanting, None).aliases == {}


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (Auth("bearer", None, "tok"), ("Authorization", "Bearer tok")),
        (Auth("basic", "Aladdin", "open sesame"), ("Authorization", f"Basic {OPEN_SESAME}")),
        (Auth("header", "X-Key", "k"), ("X-Key", "k")),
    ],
)  # fmt: skip
def test_auth_is_a_header(auth: Auth, header: tuple[str, str]) -> None:
    """Beside those that the subscription adds."""
    way_out = make_outlet(replace(CHOICES, auth=auth, headers={"X-A": "1"}), compiled(), None)
    made = request(event(), way_out).headers
    assert made[header[0]] == header[1]
    assert made["X-A"] == "1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "https://hooks.example/***ghij"),
        ("https://hooks.example:8443/hooks/catch/1/x?a=b", "https://hooks.example:8443/***?a=b"),
        ("https://hooks.example/short", "https://hooks.example/***"),
        ("https://hooks.example/", "https://hooks.example/***"),
        ("https://hooks.example", "https://hooks.example/***"),
        ("https://hooks.example/?token=abcdefgh", "https://hooks.example/***efgh"),
    ],
)
def test_a_secret_url_is_shown_as_host_and_last_four(url: str, shown: str) -> None:
    """And never so much of a short one that the rest could be guessed."""
    assert shown_url(url) == shown


SECRETIVE = "settings: {token: {secret: true}, open: {}}\nurl: {secret: true}\n"


def test_h2_every_secret_is_blanked() -> None:
    """As it stands in headers, in JSON and in URLs; what is no secret stays."""
    choices = replace(
        CHOICES,
        headers={"X-A": 'head"er'},
        auth=Auth("basic", "Aladdin", "open sesame"),
        settings={"token": "tok-tok", "open": "visible"},
        profile="bearer",
        secret="bearer-token",
        old_secret="older-token",
    )
    found = make_outlet(choices, compiled(SECRETIVE), None)
    told = f"""{URL} services/T000/B000/abcdefghij tok-tok head"er head\\"er Aladdin open sesame
        {OPEN_SESAME} bearer-token older-token visible"""
    blanked = found.blank(told)
    for secret in (
        "abcdefghij", "tok-tok", 'head"er', 'head\\"er', "open sesame", OPEN_SESAME,
        "bearer-token", "older-token",
    ):  # fmt: skip
        assert secret not in blanked, secret
    assert "visible" in blanked
    assert "Aladdin" in blanked
    assert found.shown_url == "https://hooks.example/***ghij"


def test_what_is_hardly_a_secret_is_not_blanked() -> None:
    """A value of three characters would blank half the history."""
    found = make_outlet(replace(CHOICES, headers={"X-A": "abc"}), compiled(), None)
    assert found.blank("abcabc") == "abcabc"
    assert found.shown_url is None


def test_settings_have_their_defaults() -> None:
    """Where the subscription says nothing."""
    text = 'settings: {region: {default: eu}}\nbody: {r: "{{ settings.region }}"}\n'
    for settings, region in (({}, "eu"), ({"region": "us"}, "us")):
        way_out = make_outlet(replace(CHOICES, settings=settings), compiled(text), None)
        assert request(event(), way_out).body == b'{"r":"%b"}' % region.encode()


def test_a_template_of_ones_own_replaces_the_destinations_body() -> None:
    """Its payload is the event."""
    way_out = make_outlet(
        replace(CHOICES, body_template='{"id": {{ event_id }}}'), compiled("body: {a: 1}\n"), None
    )
    assert request(event(), way_out).body == b'{"id":"%b"}' % event()["id"].encode()
