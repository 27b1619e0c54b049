"""The mapping that somebody tries out: edited text, or the one in use."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from onehook.core.mapping.document import CompiledMapping
from onehook.errors import FieldError, InvalidRequestError
from onehook.mappings import compile_text
from onehook.web.gateway import Gateway
from onehook.web.operations import Form

NAME = "mapping"  # how messages call the text that was sent
MAX_TEXT = 1024 * 1024


class Candidate(Form):
    """Either the text of a mapping, YAML, or the platform whose mapping in use is meant."""

    mapping: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    platform: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.mapping is None) == (self.platform is None):
            msg = "give either mapping, the YAML text, or platform"
            raise ValueError(msg)
        return self


def compile_candidate(gateway: Gateway, candidate: Candidate) -> CompiledMapping:
    """The mapping that *candidate* means. Compiling takes its time: off the loop.

    Raises:
        MappingError: with every problem in the text.
        InvalidRequestError: 422, there is no such platform.
    """
    if candidate.mapping is not None:
        return compile_text(candidate.mapping, gateway.mappings.folders, NAME)
    name = candidate.platform or ""
    file = gateway.mappings.get(name)
    if file is None:
        detail = f"there is no platform {name[:40]!r}; there are {', '.join(gateway.mappings)}"
        raise InvalidRequestError(detail, errors=[FieldError("/platform", detail)])
    return file.mapping
