"""The management API, called by the console from inside, with the caller's own rights.

This is the one place where the console touches the API: it asks for operations by their name and
knows nothing of the code behind them. Whatever the API refuses, the console refuses too.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import BaseModel

from onehook.core.jsontext import decode
from onehook.errors import NotFoundError
from onehook.web.access import ACCESS, Access
from onehook.web.gateway import GATEWAY
from onehook.web.operations import Call, NoBody, Operation, check_body, check_query

Fields: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = Any
"""An answer as its schema in the API describes it: objects as dicts, times as text or datetime."""

_NOTHING: Fields = {}


class Backend:
    """The operations of the API, by name; and which of them each page stands for.

    *pages*: the path of each, parts that vary in braces, and the operation that a visitor has to
    be allowed; none for a page that is everybody's.
    """

    def __init__(
        self, operations: Iterable[Operation], pages: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._operations = {operation.name: operation for operation in operations}
        self._pages = [(_pattern(path), needed) for path, needed in pages]

    def allows(self, access: Access | None, name: str) -> bool:
        """Whether who has *access*, None: nobody, may call the operation *name*."""
        operation = self._operations.get(name)
        if access is None or operation is None:
            return False
        return operation.refusal(access) is None

    def opens(self, access: Access | None, to: str) -> bool:
        """Whether who has *access* may open the page that the link *to* leads to."""
        path = urlsplit(to).path
        needed = next((name for form, name in self._pages if form.fullmatch(path)), "")
        return not needed or self.allows(access, needed)

    def admit(self, access: Access, name: str) -> None:
        """Let only those through who may call the operation *name*; empty: everybody.

        Raises:
            ForbiddenError: naming what is needed.
        """
        if name:
            self._operations[name].admit(access)

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


def _pattern(path: str) -> re.Pattern[str]:
    """What the links to the page of *path* look like, such as ``/console/events/{id}``."""
    parts = re.split(r"\{[^}]*\}", path)
    return re.compile("[^/]+".join(map(re.escape, parts)))


BACKEND = web.AppKey("backend", Backend)
