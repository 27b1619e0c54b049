"""Files of destinations: what they may say, and where they are wrong."""

from datetime import timedelta
from typing import Any

import pytest

from onehook.core.destinations.document import Defaults, UrlSpec, find_destination
from onehook.core.flow import PauseAfter
from onehook.core.jsontext import JsonValue
from onehook.core.profiles.outlet import RenderError
from onehook.core.profiles.variables import variables_of
from onehook.core.retry import PRESETS, Retry
from tests.core.destinations.building import HEAD, compiled, problems
from tests.core.profiles.outgoing import event


def variables(settings: dict[str, str] | None = None, **data: JsonValue) -> dict[str, object]:
    """What a template may name, of an event of a vulnerability."""
    found = event(title="T", url=None, labels=["a", "b"], score=1.5, **data)
    return variables_of(found, found, found["type"], "dlv_1", "p", settings or {})


def body(text: str, settings: dict[str, str] | None = None, **data: JsonValue) -> Any:
    """What the body *text* comes to."""
    found = compiled(text).body
    assert found is not None
    return found(variables(settings, **data))


def test_a_file_may_say_nothing_but_its_name() -> None:
    """Then everything is as usual."""
    found = compiled()
    assert (found.name, found.body, found.success, found.headers) == ("acme", None, None, ())
    assert (found.url, found.defaults, found.events) == (UrlSpec(), Defaults(), ())


def test_defaults_are_read() -> None:
    """Profile, prefix, names of types, retries."""
    text = "defaults: {profile: hex, prefix: q, type_names: alias, retry: [2s, 4s]}\n"
    retry = Retry((timedelta(seconds=2), timedelta(seconds=4)))
    assert compiled(text).defaults == Defaults("hex", "q", "alias", retry)
    assert compiled("defaults: {retry: []}\n").defaults.retry == Retry(())
    text = "defaults:\n  retry: quick\n  pause_after: {deliveries: 3, attempts: 10}\n"
    assert compiled(text).defaults == Defaults(
        retry=PRESETS["quick"], pause_after=PauseAfter(3, 10)
    )


def test_a_url_may_be_a_secret_or_known() -> None:
    """And of another scheme."""
    assert compiled("url: {secret: true}\n").url.secret
    assert compiled("url: {default: 'https://a.example/x'}\n").url.default == "https://a.example/x"
    assert compiled("url: {schemes: [smtps, smtp]}\n").url.schemes == ("smtps", "smtp")


def test_settings_are_declared() -> None:
    """As a platform's are."""
    text = "settings: {token: {secret: true, required: true, help: h}, region: {default: eu}}\n"
    found = compiled(text).settings
    assert (found["token"].secret, found["token"].required) == (True, True)
    assert found["region"].default == "eu"


BODIES: list[tuple[str, JsonValue]] = [
    ('{a: "{{ payload.data.score }}"}', {"a": 1.5}),
    ('{a: "{{ payload.data.labels }}"}', {"a": ["a", "b"]}),
    ('{a: "n {{ payload.data.score }}"}', {"a": "n 1.5"}),
    ('{a: "{{ title }} {{ link }}."}', {"a": "T ."}),
    ('{a: "{{ link }}", b: 1}', {"b": 1}),
    ('{a: ["{{ link }}", x, "{{ title }}"]}', {"a": ["x", "T"]}),
    ('{"{{ entity }}": {x: y}}', {"vulnerability": {"x": "y"}}),
    ("{a: null, b: true, c: 1, d: 1.5, e: x}", {"a": None, "b": True, "c": 1, "d": 1.5, "e": "x"}),
    ('{a: "{{ payload.data.labels | tojson }}"}', {"a": ["a", "b"]}),
    ('{a: "{{ settings.x }}"}', {"a": "set"}),
    ('{a: "{{ settings.x }}-{{ prefix }}-{{ delivery_id }}"}', {"a": "set-p-dlv_1"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BODIES)
def test_a_body_is_yaml_whose_texts_are_templates(text: str, expected: JsonValue) -> None:
    """One expression alone gives its own value; one that comes to nothing leaves its member out."""
    assert body(f"settings: {{x: {{}}}}\nbody: {text}\n", {"x": "set"}) == expected


def test_a_body_may_be_one_expression() -> None:
    """If it gives an object."""
    assert body('body: "{{ payload }}"\n')["type"] == "security.vulnerability.detected"
    for other in ("{{ title }}", "{{ link }}", "text"):
        with pytest.raises(RenderError, match="no JSON object"):
            body(f'body: "{other}"\n')


WRONG = [
    ("colour: red\n", "E002", 3, 1),
    ("body: [1]\n", "E103", 3, 7),
    ("body: 5\n", "E103", 3, 7),
    ('body: {a: "{{ nope }}"}\n', "E103", 3, 11),
    ('body: {a: {b: ["{{ title | shout }}"]}}\n', "E103", 3, 16),
    ('body: {"{{ nope }}": 1}\n', "E103", 3, 8),
    ('body: {a: "{% if x %}{% endif %}"}\n', "E103", 3, 11),
    ('settings: {x: {}}\nbody: {a: "{{ settings.y }}"}\n', "E104", 4, 11),
    ("settings: {x: 5}\n", "E002", 3, 15),
    ("settings: {x: {colour: red}}\n", "E002", 3, 16),
    ("url: https://a.example\n", "E002", 3, 6),
    ("url: {schemes: [ftp]}\n", "E002", 3, 16),
    ("url: {default: a.example}\n", "E002", 3, 16),
    ("defaults: {profile: md5}\n", "E002", 3, 21),
    ("defaults: {prefix: Not_OK}\n", "E002", 3, 20),
    ("defaults: {type_names: other}\n", "E002", 3, 24),
    ("defaults: {retry: [5]}\n", "E002", 3, 20),
    ("defaults: {retry: slowly}\n", "E002", 3, 19),
    ("defaults: {pause_after: {}}\n", "E002", 3, 25),
    ("defaults: {pause_after: {attempts: 0}}\n", "E002", 3, 36),
    ("events: [sales.*]\n", "E105", 3, 10),
    ("headers: {Host: x}\n", "E002", 3, 11),
    ("headers: {webhook-id: x}\n", "E002", 3, 11),
    ('headers: {"x-{{ prefix }}-signature": x}\n', "E002", 3, 11),
    ("headers: {X-A: [1]}\n", "E103", 3, 16),
    ("defaults: {profile: bearer}\nheaders: {Authorization: x}\n", "E002", 4, 11),
    ("success: {status: [404]}\n", "E002", 3, 20),
    ("success: {when: {a: b}}\n", "E101", 3, 18),
    ("success: {colour: red}\n", "E002", 3, 11),
    ("tests: [5]\n", "E002", 3, 9),
]


@pytest.mark.parametrize(("text", "code", "line", "column"), WRONG, ids=[w[0][:35] for w in WRONG])
def test_what_is_wrong_is_refused_with_its_place(
    text: str, code: str, line: int, column: int
) -> None:
    """File, line and column, as in mapping files."""
    (found,) = problems(text)
    assert (found.code, str(found.place)) == (code, f"acme.yaml:{line}:{column}")


def test_everything_wrong_is_said_at_once() -> None:
    """Nobody mends one thing at a time."""
    text = 'colour: red\nbody: {a: "{{ nope }}"}\nurl: 5\n'
    assert [p.code for p in problems(text)] == ["E002", "E103", "E002"]


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("name: acme\n", "E003"),
        ("onehook: destination/v2\nname: acme\n", "E003"),
        ("onehook: mapping/v1\nname: acme\n", "E003"),
        ("onehook: destination/v1\n", "E002"),
        ("onehook: destination/v1\nname: Not A Slug\n", "E002"),
    ],
)
def test_a_file_says_what_it_is(head: str, code: str) -> None:
    """A mapping, or another version, is none."""
    assert code in [problem.code for problem in problems("", head)]


def test_a_file_of_many_faults_is_one_error() -> None:
    """M6: aliases, tags and keys that stand twice are refused as in mappings."""
    text = 'body: &a {x: 1}\nheaders: {X-A: "1", X-A: "2"}\n'
    assert {problem.code for problem in problems(text)} == {"E001"}


def test_other_is_generic() -> None:
    """As other senders call it."""
    found = {"generic": compiled()}
    assert find_destination(found, "other") is found["generic"]
    assert find_destination(found, "generic") is found["generic"]
    assert find_destination(found, "acme") is None


def test_the_head_alone_is_fine() -> None:
    """What the tests above add is what is wrong."""
    assert HEAD
    assert problems("") == []
