"""The management API, called by the console from inside, with the caller's own rights.

This is the one place where the console touches the API: it asks for operations by their name and
knows nothing of the code behind them. Whatever the API refuses, the console refuses too.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from aiohttp import web
from pydantic import BaseModel

from onehook.core.jsontext import decode
from onehook.errors import NotFoundError
from onehook.store.records import KeyRecord
from onehook.web.access import ACCESS, Access
from onehook.web.gateway import GATEWAY
from onehook.web.operations import Call, NoBody, Operation, check_body, check_query

Fields: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = Any
"""An answer as its schema in the API describes it: objects as dicts, times as text or datetime."""

_NOTHING: Fields = {}


class Backend:
    """The operations of the API, by name."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = {operation.name: operation for operation in operations}

    def allows(self, key: KeyRecord | None, name: str) -> bool:
        """Whether who signed in with *key*, None: nobody, may call the operation *name*."""
        operation = self._operations.get(name)
        if key is None or operation is None:
            return False
        return operation.refusal(Access(key, key.tenant)) is None

    async def call(
        self,
        request: web.Request,
        name: str,
        path: Mapping[str, str] | None = None,
        *,
        query: Fields = _NOTHING,
        body: object = None,
    ) -> Answer:
        """What the operation *name* answers; parameters of *query* that are empty are left out.

        Raises:
            OnehookError: as the operation does.
        """
        result = await self._run(request, name, path, query, {} if body is None else body)
        if isinstance(result, BaseModel):
            return result.model_dump()
        if isinstance(result, web.Response) and isinstance(result.body, bytes):
            return decode(result.body)
        return None

    async def stream(
        self,
        request: web.Request,
        name: str,
        path: Mapping[str, str] | None = None,
        *,
        query: Fields = _NOTHING,
    ) -> web.StreamResponse:
        """The operation's own answer to *request*, which it writes itself: a download.

        Raises:
            OnehookError: as the operation does.
            NotFoundError: the operation gives no such answer.
        """
        result = await self._run(request, name, path, query, {})
        if not isinstance(result, web.StreamResponse):
            msg = f"{name} is no download"
            raise NotFoundError(msg)
        return result

    async def _run(
        self,
        request: web.Request,
        name: str,
        path: Mapping[str, str] | None,
        query: Fields,
        body: object,
    ) -> web.StreamResponse | BaseModel | None:
        operation, access = self._operations[name], request[ACCESS]
        operation.admit(access)
        given = {n: str(value) for n, value in query.items() if value not in (None, "")}
        call = Call(
            request.app[GATEWAY].of(access.tenant),
            NoBody() if operation.body is NoBody else check_body(operation.body, body),
            check_query(operation.query, given),
            dict(path or {}),
            request,
            access,
        )
        return await operation.handler(call)


BACKEND = web.AppKey("backend", Backend)
