"""What a destination's answer means: some say no with a 200."""

import pytest

from onehook.core.destinations.answers import judge_of
from tests.core.destinations.building import compiled

CASES = [
    ("{status: 200, when: {$: ok}}", 200, b"ok", True),
    ("{status: 200, when: {$: ok}}", 200, b" ok\n", True),
    ("{status: 200, when: {$: ok}}", 200, b"no_team", False),
    ("{status: 200, when: {$: ok}}", 202, b"ok", False),
    ("{when: {$.code: 0}}", 200, b'{"text":"Success","code":0}', True),
    ("{when: {$.code: 0}}", 200, b'{"text":"Invalid token","code":4}', False),
    ("{when: {$.code: 0}}", 200, b"<html>", False),
    ("{when: {$.code: 0}}", 200, b"", False),
    ("{when: {$.code: 0}}", 200, b"\xff\xfe", False),
    ("{when: {$.dedup_key: {exists: true}}}", 202, b'{"dedup_key":"k"}', True),
    ("{when: {header.x-taken: 'yes'}}", 200, b"", True),
    ("{status: [202, 204]}", 204, b"", True),
    ("{status: [202, 204]}", 200, b"", False),
]


@pytest.mark.parametrize(("success", "status", "content", "taken"), CASES)
def test_an_answer_is_judged(success: str, status: int, content: bytes, taken: bool) -> None:
    """By status and by what the body or a header says."""
    judge = judge_of(compiled(f"success: {success}\n").success)
    assert judge is not None
    refused = judge(status, [("x-taken", "yes")], content)
    assert (refused is None) is taken, refused


def test_by_default_every_2xx_is_a_success() -> None:
    """Nothing to judge."""
    assert judge_of(compiled().success) is None
