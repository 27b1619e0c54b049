"""Destinations written in tests."""

from onehook.core.destinations.compiler import compile_destination
from onehook.core.destinations.document import Destination
from onehook.core.mapping.problems import MappingError, Problem, Source

HEAD = "onehook: destination/v1\nname: acme\n"


def compiled(text: str = "") -> Destination:
    """The destination of `HEAD` and *text*."""
    return compile_destination(Source("acme.yaml", HEAD + text))


def problems(text: str, head: str = HEAD) -> list[Problem]:
    """What it is refused for; empty if it is not."""
    try:
        compile_destination(Source("acme.yaml", head + text))
    except MappingError as error:
        return error.problems
    return []
