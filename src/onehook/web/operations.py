"""Operations of the management API: declared once, served and described from the same value."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar, get_args

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import RedisError

from onehook.core.bodies import media_type
from onehook.core.jsontext import JsonSyntaxError, decode
from onehook.core.mapping.problems import nearest
from onehook.core.model import Headers
from onehook.errors import (
    FieldError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    OnehookError,
    StaleError,
)
from onehook.store.connection import translate
from onehook.store.records import Scope
from onehook.web.access import ADMIN, READ, Access, authenticate
from onehook.web.gateway import GATEWAY, Gateway
from onehook.web.problems import problem

log = structlog.get_logger()
MAX_BODY = 1024 * 1024
Steps: TypeAlias = tuple[int | str, ...]  # from the top of a body to something in it

Body = TypeVar("Body", bound=BaseModel)
Query = TypeVar("Query", bound=BaseModel)


class Form(BaseModel):
    """A body or query: unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class NoBody(Form):
    """No body is read."""


class NoQuery(Form):
    """No query parameter is taken."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """One call of an operation, already checked."""

    gateway: Gateway
    body: Body
    query: Query
    path: dict[str, str]
    request: web.Request  # for answers that are written bit by bit
    access: Access  # whose *gateway* is: nothing of another tenant is in it

    def check_match(self, updated_at: datetime) -> None:
        """Go on only if ``If-Match`` is not sent, or names the state of *updated_at*.

        Source: RFC 9110 §13.1.1.

        Raises:
            StaleError: 412, the caller saw an earlier state.
        """
        wanted = self.request.headers.get("If-Match")
        if wanted is None or wanted.strip() == "*":
            return
        present = entity_tag(updated_at)
        if present not in (tag.strip() for tag in wanted.split(",")):
            msg = f"it is {present} now: read it again, and change what it is now"
            raise StaleError(msg)

    @property
    def still_allowed(self) -> bool:
        """Whether the API key is good still: for answers that take long."""
        return self.access.holds(self.gateway.registry.whole, self.gateway.clock.now())


Handler = Callable[[Call[Any, Any]], Awaitable[web.StreamResponse | BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: where it is, what it takes, what it gives, and who may call it.

    That may an API key with one of *scopes*, any key with the scope ``admin``, and with ``read``
    if it is a GET. What *manages_tenants* is for admins of the default tenant alone.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    body: type[BaseModel] = NoBody
    query: type[BaseModel] = NoQuery
    answer: type[BaseModel] | None = None
    status: int = 200
    content_type: str = "application/json"
    problems: Sequence[int] = field(default=())
    aliases: Sequence[str] = field(default=())
    creates: bool = False  # it may also answer 201
    scopes: Sequence[Scope] = field(default=())
    manages_tenants: bool = False

    @property
    def allowed(self) -> list[Scope]:
        """The scopes that may call it."""
        if self.manages_tenants:
            return [ADMIN]
        reading: list[Scope] = [READ] if self.method == "GET" else []
        return [ADMIN, *reading, *self.scopes]

    def refusal(self, access: Access) -> str | None:
        """What *access* lacks to call it; None: nothing."""
        if self.manages_tenants and not access.manages_tenants:
            return f"{self.name} needs an API key of the default tenant with the scope admin"
        if set(self.allowed).isdisjoint(access.scopes):
            has, needed = ", ".join(access.scopes), " or ".join(self.allowed)
            return f"{self.name} needs the scope {needed}; this API key has {has}"
        return None

    def admit(self, access: Access) -> None:
        """Let only those through who may call it.

        Raises:
            ForbiddenError: naming what is needed.
        """
        refusal = self.refusal(access)
        if refusal is not None:
            raise ForbiddenError(refusal)


def entity_tag(updated_at: datetime) -> str:
    """What ``ETag`` says of a record: when it was last changed, in microseconds."""
    return f'"{round(updated_at.timestamp() * 1_000_000)}"'


def register(app: web.Application, operations: Sequence[Operation]) -> None:
    """Serve *operations*, and 405 on their paths for every other method."""
    allowed: dict[str, list[str]] = {}
    for operation in operations:
        for path in (operation.path, *operation.aliases):
            app.router.add_route(operation.method, path, _serve(operation))
            allowed.setdefault(path, []).append(operation.method)
    for path, methods in allowed.items():
        app.router.add_route("*", path, _not_allowed(sorted(methods)))


def guarded(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """*handler*, with every error it raises made a problem."""

    async def guard(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except OnehookError as error:
            return problem(error)
        except (RedisError, TimeoutError, OSError) as error:
            unavailable = translate(error)
            unavailable.retry_after = 5
            log.warning("api.store_unavailable", error=type(error).__name__)
            return problem(unavailable)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("api.crashed", path=request.path)
            return problem(OnehookError("the request failed; the gateway's log says why"))

    return guard


def _serve(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        gateway = request.app[GATEWAY]
        access = authenticate(request, gateway)
        operation.admit(access)
        query = read_query(operation.query, request)
        body = await read_body(operation.body, request)
        own = gateway.of(access.tenant)
        call = Call(own, body, query, dict(request.match_info), request, access)
        result = await operation.handler(call)
        if isinstance(result, web.StreamResponse):
            return result
        if result is None:
            return web.Response(status=204)
        headers: dict[str, str] = {}
        if operation.status == 201:
            headers["Location"] = f"{operation.path}/{getattr(result, 'id', '')}"
        if isinstance(changed := getattr(result, "updated_at", None), datetime):
            headers["ETag"] = entity_tag(changed)
        text = result.model_dump_json(exclude_unset=True).encode()
        return web.Response(
            status=operation.status, body=text, content_type="application/json", headers=headers
        )

    return guarded(serve)


def _not_allowed(methods: list[str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def refuse(request: web.Request) -> web.StreamResponse:
        allow = ", ".join(methods)
        detail = f"{request.method} is not allowed here; allowed: {allow}"
        error = InvalidRequestError(detail, code="method_not_allowed", status=405)
        return problem(error, {"Allow": allow})

    return refuse


async def not_found(request: web.Request) -> web.StreamResponse:
    """The answer for every path that nothing serves."""
    return problem(NotFoundError(f"there is nothing at {request.path[:200]}"))


def read_query(model: type[BaseModel], request: web.Request) -> BaseModel:
    """The query, checked.

    Raises:
        InvalidRequestError: 422, naming each parameter that is wrong, unknown or given twice.
    """
    given = request.query
    twice = [name for name in given if len(given.getall(name)) > 1]
    if twice:
        detail = f"{twice[0]} is given twice"
        raise InvalidRequestError(detail, errors=[FieldError(f"/{twice[0]}", "is given twice")])
    return check_query(model, given)


def check_query(model: type[BaseModel], given: Mapping[str, str]) -> BaseModel:
    """*given* as a query, checked.

    Raises:
        InvalidRequestError: 422, naming each parameter that is wrong or unknown.
    """
    try:
        return model.model_validate_strings(dict(given))
    except ValidationError as error:
        wrong = refusal(error, "query", model)
        raise wrong from None


async def read_body(model: type[BaseModel], request: web.Request) -> BaseModel:
    """The JSON body, checked.

    Raises:
        InvalidRequestError: 400 for what is no JSON, 413, 415, 422 with pointers.
    """
    if model is NoBody:
        return NoBody()
    headers = Headers(request.headers.items())
    if headers.get("content-encoding") not in (None, "identity"):
        detail = "the management API takes no Content-Encoding"
        raise InvalidRequestError(detail, code="encoding_unsupported", status=415)
    raw = await _read(request)
    if not raw and not model.model_json_schema().get("required"):
        raw = b"{}"
    elif media_type(headers) != "application/json":
        detail = "send Content-Type: application/json"
        raise InvalidRequestError(detail, code="media_type_unsupported", status=415)
    try:
        value = decode(raw)
    except JsonSyntaxError as error:
        raise InvalidRequestError(str(error), code="json_invalid", status=400) from None
    return check_body(model, value)


def check_body(model: type[BaseModel], value: object) -> BaseModel:
    """*value*, decoded JSON, as a body, checked.

    Raises:
        InvalidRequestError: 422, with a pointer to each thing wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = refusal(error, "body", model)
        raise wrong from None


async def _read(request: web.Request) -> bytes:
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BODY:
            detail = f"the body is larger than {MAX_BODY} bytes"
            raise InvalidRequestError(detail, code="body_too_large", status=413)
    return bytes(raw)


def refusal(error: ValidationError, where: str, model: type[BaseModel]) -> InvalidRequestError:
    """What pydantic found, field by field of *model*, as a 422."""
    errors = [
        FieldError(
            "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in row["loc"]),
            _message(row["type"], row["msg"], row["loc"], model),
        )
        for row in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    detail = f"the {where} is wrong: {errors[0].pointer} {errors[0].detail}"
    return InvalidRequestError(detail, errors=errors)


def _message(kind: str, text: str, path: Steps, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        hint = nearest(str(path[-1]), _beside(path, model))
        return "; ".join(filter(None, ("is not a field that exists here", hint)))
    return text.removeprefix("Value error, ")


def _beside(path: Steps, model: type[BaseModel]) -> Collection[str]:
    """The fields that stand where *path* leads to, from *model* downwards."""
    for step in path[:-1]:
        if isinstance(step, int):
            continue  # the items of a list are of the form that the list names
        field_ = model.model_fields.get(step)
        forms = () if field_ is None else tuple(_forms_in(field_.annotation))
        if len(forms) != 1:
            return ()
        (model,) = forms
    return model.model_fields


def _forms_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The forms that *annotation* names: ``AuthIn`` of ``AuthIn | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _forms_in(part)
