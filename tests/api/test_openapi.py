"""``/openapi.json``: valid, and true of what is served."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from onehook.api.openapi import OPERATIONS
from tests.builders import Running


def filled(path: str) -> str:
    """*path* with something in place of each parameter."""
    return re.sub(r"\{\w+\}", "x", path)


@pytest.fixture
async def document(gateway: Running) -> Any:
    """The document as it is served, to anybody."""
    answer = await gateway.vendor.get("/openapi.json")
    assert (answer.status, answer.media_type) == (200, "application/json")
    return answer.json


async def test_document_is_valid_openapi_3_1(document: Any) -> None:
    """The document passes the validator, and names a version."""
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


async def test_every_operation_is_described_and_needs_a_key(
    gateway: Running, document: Any
) -> None:
    """Every path that is served is described; each refuses a caller without a key."""
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    served = {(o.method, path) for o in OPERATIONS for path in (o.path, *o.aliases)}
    assert described == served
    for method, path in served:
        answer = await gateway.vendor.call(method, filled(path))
        assert (answer.status, answer.json["code"]) == (401, "unauthorized"), path
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_operation_ids_are_unique(document: Any) -> None:
    """No two operations share an id."""
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if "operationId" in operation
    ]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)


async def test_undescribed_methods_are_405(gateway: Running, document: Any) -> None:
    """A method that a path does not have is 405, and Allow names those it has."""
    for path, methods in document["paths"].items():
        answer = await gateway.api.call("PROPFIND", filled(path))
        assert (answer.status, answer.json["code"]) == (405, "method_not_allowed"), path
        allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
        assert allowed == {method.upper() for method in methods}
