"""``/openapi.json``: OpenAPI 3.1, made from the operations that are served."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, TypeAlias, cast

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from onehook import __version__
from onehook.api import (
    addresses,
    backtest,
    declared,
    deliveries,
    drift,
    events,
    exports,
    integrations,
    keys,
    lineage,
    origins,
    platforms,
    preview,
    pull,
    quarantine,
    references,
    replays,
    schemas,
    statistics,
    streams,
    subscriptions,
    tenants,
    trials,
)
from onehook.core.jsontext import encode
from onehook.web.access import TENANT_HEADER
from onehook.web.operations import NoBody, NoQuery, Operation

OPERATIONS: Sequence[Operation] = (
    *platforms.OPERATIONS,
    *drift.OPERATIONS,
    *preview.OPERATIONS,
    *backtest.OPERATIONS,
    *schemas.OPERATIONS,
    *integrations.OPERATIONS,
    *subscriptions.OPERATIONS,
    *declared.OPERATIONS,
    *statistics.OPERATIONS,
    *trials.OPERATIONS,
    *pull.OPERATIONS,
    *streams.OPERATIONS,
    *events.OPERATIONS,
    *lineage.OPERATIONS,
    *origins.OPERATIONS,
    *deliveries.OPERATIONS,
    *exports.OPERATIONS,
    *replays.OPERATIONS,
    *quarantine.OPERATIONS,
    *references.OPERATIONS,
    *addresses.OPERATIONS,
    *keys.OPERATIONS,
    *tenants.OPERATIONS,
)
Mode: TypeAlias = Literal["validation", "serialization"]
_TENANT: dict[str, Any] = {
    "name": TENANT_HEADER,
    "in": "header",
    "required": False,
    "description": "The tenant to act for; for admins of the default tenant.",
    "schema": {"type": "string"},
}
_PARAMETER = re.compile(r"\{(\w+)\}")


class ProblemOut(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] = []


@cache
def document() -> bytes:
    """The OpenAPI document."""
    inputs = {m for o in OPERATIONS for m in (o.body, o.query) if m not in (NoBody, NoQuery)}
    outputs: set[type[BaseModel]] = {o.answer for o in OPERATIONS if o.answer is not None}
    outputs.add(ProblemOut)
    keyed: list[tuple[type[BaseModel], Mode, TypeAdapter[Any]]] = [
        (model, "validation", TypeAdapter(model)) for model in sorted(inputs, key=_name)
    ]
    outgoing: list[tuple[type[BaseModel], Mode, TypeAdapter[Any]]] = [
        (model, "serialization", TypeAdapter(model)) for model in sorted(outputs, key=_name)
    ]
    schemas, shared = TypeAdapter.json_schemas(
        [*keyed, *outgoing], ref_template="#/components/schemas/{model}"
    )
    refs: dict[type[BaseModel], dict[str, Any]] = {
        model: schema for (model, _), schema in schemas.items()
    }
    definitions = cast("dict[str, Any]", shared["$defs"])
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        for path in (operation.path, *operation.aliases):
            alias = path != operation.path
            described = _describe(operation, refs, definitions, alias=alias)
            paths.setdefault(path, {})[operation.method.lower()] = described
    scopes: list[str] = []
    return encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "onehook", "version": __version__, "license": {"name": "Apache-2.0"}},
            "security": [{"apiKey": scopes}],
            "paths": paths,
            "components": {
                "schemas": definitions,
                "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _who(operation: Operation) -> str:
    """Who may call it, in a sentence."""
    needed = f"Needs an API key with the scope {' or '.join(operation.allowed)}"
    return needed + (" of the default tenant." if operation.manages_tenants else ".")


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _describe(
    operation: Operation,
    refs: dict[type[BaseModel], dict[str, Any]],
    shared: dict[str, Any],
    *,
    alias: bool,
) -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": refs[ProblemOut]}}}
    codes = {401, 403, 404, 405, 422, 429, 500, 503, *operation.problems}
    described: dict[str, Any] = {
        "operationId": operation.name + ("Alias" if alias else ""),
        "summary": operation.summary,
        "description": _who(operation),
        "x-required-scopes": operation.allowed,
        "parameters": [*_parameters(operation, refs, shared), _TENANT],
        "responses": {},
    }
    if alias:
        del described["operationId"]
    if operation.body is not NoBody:
        codes |= {400, 413, 415}
        content = {"application/json": {"schema": refs[operation.body]}}
        required = bool(operation.body.model_json_schema().get("required"))
        described["requestBody"] = {"required": required, "content": content}
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None:
        answer["content"] = {operation.content_type: {"schema": refs[operation.answer]}}
    elif operation.status != 204:
        answer["content"] = {operation.content_type: {}}
    described["responses"][str(operation.status)] = answer
    if operation.creates:
        described["responses"]["201"] = answer
    for code in sorted(codes):
        described["responses"][str(code)] = {"description": "a problem", **problem}
    return described


def _parameters(
    operation: Operation, refs: dict[type[BaseModel], dict[str, Any]], shared: dict[str, Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.query is NoQuery:
        return found
    schema = refs[operation.query]
    schema = shared.get(schema.get("$ref", "").rpartition("/")[2], schema)
    required = schema.get("required", [])
    return found + [
        {"name": name, "in": "query", "required": name in required, "schema": below}
        for name, below in schema.get("properties", {}).items()
    ]


async def serve(_request: web.Request) -> web.Response:
    """``GET /openapi.json``."""
    return web.Response(body=document(), content_type="application/json")
