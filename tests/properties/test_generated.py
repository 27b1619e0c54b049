"""What is generated from a mapping does as the closures that it is generated from.

Each value and condition is written twice: as a closure, which says what is meant, and as an
expression, which is taken into generated functions. With no room for expressions all are closures.
"""

from collections.abc import Callable
from functools import cache
from inspect import getsourcefile
from pathlib import Path
from types import FunctionType

import pytest

from onehook.core.integration import Normalized
from onehook.core.mapping import code
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.templates import compile_value
from onehook.core.model import Headers, Webhook
from onehook.errors import InvalidRequestError
from onehook.mappings import read_file, shipped_folder
from tests.core.mapping.building import MAX_BYTES, NOW
from tests.properties.budget import fuzz
from tests.properties.test_fuzz import integration
from tests.properties.webhooks import SHIPPED, Case, cases, shipped

EACH = -(-1000 // len(SHIPPED))  # webhooks for each mapping where no time is given


@cache
def judge(name: str) -> CompiledMapping:
    """The shipped mapping *name*, made of closures alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "MAX_DEPTH", -1)
        compile_value.cache_clear()
        made = read_file(shipped_folder() / f"{name}.yaml").mapping
    compile_value.cache_clear()
    return made


def normalized(name: str, case: Case, mapping: CompiledMapping) -> Normalized | None:
    """What *mapping* makes of *case*; None if the request itself is refused."""
    webhook = Webhook(Headers(case.headers.items()), case.body, NOW)
    try:
        return integration(name, case, mapping).normalize(webhook, MAX_BYTES)
    except InvalidRequestError:
        return None


@pytest.mark.parametrize("name", SHIPPED)
def test_generated_functions_do_as_the_closures_they_are_made_from(name: str) -> None:
    """Any webhook comes to the same events, bytes, unmapped values and reasons."""
    mapping, judging = shipped(name).mapping, judge(name)

    def check_case(case: Case) -> None:
        assert normalized(name, case, mapping) == normalized(name, case, judging)

    assert fuzz("generated", cases(name), check_case, fixed=EACH, parts=len(SHIPPED)) > 0


def test_the_judge_is_made_of_closures() -> None:
    """Else what is generated would be held against itself."""
    rule, judging = (next(m.leaves()) for m in (shipped("github").mapping, judge("github")))
    home = getsourcefile(code.inlined)
    assert home is not None
    folder = str(Path(home).parent)
    assert not made_in(rule.at).startswith(folder)
    assert made_in(judging.at).startswith(folder)


def made_in(function: Callable[..., object]) -> str:
    """The file in which *function* stands; ``<...>`` if it was generated."""
    assert isinstance(function, FunctionType)
    return function.__code__.co_filename
