"""The tests inside a destination's file: that they can fail."""

import pytest

from onehook.core.destinations.testing import run_tests
from onehook.core.jsontext import encode
from tests.core.destinations.building import compiled
from tests.core.profiles.outgoing import event

BODY = 'body: {t: "{{ event_type }}", title: "{{ title }}"}\nsuccess: {when: {$: ok}}\n'


def no_file(name: str) -> bytes:
    """There is none."""
    raise FileNotFoundError(name)


def problems(test: str, top: str = BODY) -> tuple[str, ...]:
    """What the one test says."""
    (result,) = run_tests(compiled(f"{top}tests:\n  - {test}\n"), no_file)
    assert str(result.place).startswith("acme.yaml:")
    return result.problems


EVENT = "event: {type: scm.tag.created, data: {title: T}}"


@pytest.mark.parametrize(
    "test",
    [
        f"{{name: n, {EVENT}, expect: {{body: {{t: scm.tag.created}}}}}}",
        f"{{name: n, {EVENT}, expect: {{exact: true, body: {{t: scm.tag.created, title: T}}}}}}",
        f"{{name: n, {EVENT}, expect: {{headers: {{X-Onehook-Event: scm.tag.created}}}}}}",
        f"{{name: n, {EVENT}, answers: [{{status: 200, body: ok, taken: true}}]}}",
        f"{{name: n, {EVENT}, answers: [{{status: 200, body: {{a: 1}}, taken: false}}]}}",
    ],
)
def test_a_right_expectation_passes(test: str) -> None:
    """Bodies as subsets unless exact; names of headers without case."""
    assert problems(test) == ()


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (f"{{name: n, {EVENT}, expect: {{body: {{t: other}}}}}}", "body/t: expected"),
        (f"{{name: n, {EVENT}, expect: {{exact: true, body: {{}}}}}}", "body/t: not expected"),
        (f"{{name: n, {EVENT}, expect: {{headers: {{x-a: b}}}}}}", "headers/x-a: there is no"),
        (f"{{name: n, {EVENT}, answers: [{{status: 200, body: ok}}]}}", "counts as success"),
        (f"{{name: n, {EVENT}, answers: [{{status: 200, taken: true}}]}}", "answers/0: the answer"),
        ("{name: n, event: {data: {}}}", "the event has no type"),
        ("{name: n, event_file: gone.json}", "gone.json"),
        (f"{{name: n, {EVENT}, settings: {{x: y}}}}", "no setting of this name"),
        (f"{{name: n, {EVENT}, events: ['sales.*'], colour: red}}", "unknown key 'colour'"),
        (f"{{{EVENT}}}", "name: is missing"),
        (f"{{name: n, {EVENT}, expect: {{bdy: {{}}}}}}", "did you mean body?"),
        (f"{{name: n, {EVENT}, answers: [{{state: 200}}]}}", "did you mean status?"),
    ],
)
def test_a_wrong_expectation_fails(test: str, words: str) -> None:
    """With a sentence that says where."""
    assert any(words in problem for problem in problems(test)), problems(test)


def test_a_body_that_cannot_be_made_fails() -> None:
    """Unless that is what is expected."""
    text = f"{{name: n, {EVENT}}}"
    top = 'body: "{{ link }}"\n'
    assert problems(text, top) == ("nothing is sent: the body is no JSON object",)
    assert problems(f"{{name: n, {EVENT}, expect: {{error: true}}}}", top) == ()


def test_an_error_that_does_not_come_fails() -> None:
    """Or an expectation of one could never fail."""
    assert problems(f"{{name: n, {EVENT}, expect: {{error: true}}}}") != ()


def test_an_event_may_lie_in_a_file() -> None:
    """What stands in the test is laid over it."""
    text = (
        f"{BODY}tests:\n  - {{name: n, event_file: a.json, event: {{data: {{title: Over}}}},"
        " expect: {body: {t: security.vulnerability.detected, title: Over}}}\n"
    )
    (result,) = run_tests(compiled(text), lambda _name: encode(event(title="Under")))
    assert result.problems == ()
