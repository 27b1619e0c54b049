"""``redact``: what of a native body nobody downstream may see."""

from copy import deepcopy

import pytest

from onehook.core.jsontext import JsonValue
from tests.core.mapping.building import HEAD, compiled, problems

BODY: JsonValue = {
    "token": "t",
    "users": [{"name": "a", "password": "p"}, {"name": "b"}],
    "keys": {"one": "1", "two": "2"},
    "x-y": {"z": ["first", "last"]},
}


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("$.token", {"token": "[redacted]"}),
        ("$$.token", {"token": "[redacted]"}),
        (
            "$.users[*].password",
            {"users": [{"name": "a", "password": "[redacted]"}, {"name": "b"}]},
        ),
        ("$.users[0]", {"users": ["[redacted]", {"name": "b"}]}),
        ("$.users[-1].name", {"users": [{"name": "a", "password": "p"}, {"name": "[redacted]"}]}),
        ("$.keys.*", {"keys": {"one": "[redacted]", "two": "[redacted]"}}),
        ("$.keys", {"keys": "[redacted]"}),
        ("$['x-y'].z[*]", {"x-y": {"z": ["[redacted]", "[redacted]"]}}),
        ("$.nothing.there[3]", {}),
        ("$.token.deeper", {}),
    ],
)
def test_a_path_is_blanked(path: str, left: dict[str, JsonValue]) -> None:
    """Whatever it leads to; a path that leads nowhere blanks nothing."""
    body = deepcopy(BODY)
    compiled(HEAD + f'redact: ["{path}"]\n').redact(body)
    assert isinstance(BODY, dict)
    assert body == {**BODY, **left}


def test_nothing_is_blanked_by_default() -> None:
    """A mapping without the section leaves bodies as they are, of any kind."""
    for whole in (deepcopy(BODY), [1], "text", None):
        body = deepcopy(whole)
        compiled(HEAD).redact(body)
        assert body == whole


@pytest.mark.parametrize(
    ("path", "code"),
    [("token", "E101"), ("5", "E101"), ("$..token", "E102"), ("$", "E102"), ("$.a[0:2]", "E102")],
)
def test_what_cannot_be_blanked_is_refused(path: str, code: str) -> None:
    """At load, with its place."""
    (found,) = problems(HEAD + f'redact: ["{path}"]\n')
    assert found.code == code
    assert found.place.source.line(found.place.line).startswith("redact:")
