"""One request of the console: who asks, and how pages, forms and errors are answered."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import structlog
from aiohttp import web
from aiohttp.web import HTTPException
from multidict import MultiDict, MultiMapping
from redis.exceptions import RedisError

from onehook.console.backend import BACKEND, Answer, Backend, Fields
from onehook.console.rendering import THEMES, Frame, Page, Redirect, respond, url
from onehook.console.session import FIELD, NOTICE, PATH, Session, Sessions
from onehook.core.model import DEFAULT_TENANT
from onehook.errors import FieldError, InvalidRequestError, OnehookError
from onehook.store.client import Client
from onehook.store.connection import translate
from onehook.web.access import ACCESS, Access, sees_whole
from onehook.web.gateway import GATEWAY, Gateway
from onehook.web.problems import KINDS

log = structlog.get_logger()
THEME = "onehook_theme"
SESSIONS = web.AppKey("sessions", Sessions)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request by somebody who signed in, its form already found to be ours."""

    request: web.Request
    gateway: Gateway
    backend: Backend
    session: Session
    form: MultiMapping[str]

    @property
    def access(self) -> Access:
        """What the visitor may do, and whose pages are shown."""
        return self.request[ACCESS]

    @property
    def sees_whole(self) -> bool:
        """Whether the visitor may see what is about the gateway as a whole."""
        return sees_whole(self.access)

    @property
    def still_allowed(self) -> bool:
        """Whether the API key is good still: for answers that take long."""
        return self.access.holds(self.gateway.registry.whole, self.gateway.clock.now())

    def allows(self, name: str) -> bool:
        """Whether the visitor may call the API's operation *name*."""
        return self.backend.allows(self.access, name)

    def opens(self, to: str) -> bool:
        """Whether the visitor may open the page that the link *to* leads to."""
        return self.backend.opens(self.access, to)

    @property
    def client(self) -> Client:
        """The store, for what only it knows of itself."""
        return self.gateway.events.client

    @property
    def path(self) -> Mapping[str, str]:
        """The parts of the path that vary."""
        return self.request.match_info

    @property
    def query(self) -> Mapping[str, str]:
        """The query; of what is given twice, the last."""
        return {name: value.strip() for name, value in self.request.query.items()}

    async def call(
        self,
        name: str,
        path: Mapping[str, str] | None = None,
        *,
        query: Fields | None = None,
        body: object = None,
    ) -> Answer:
        """What the API's operation *name* answers.

        Raises:
            OnehookError: as the operation does.
        """
        return await self.backend.call(self.request, name, path, query=query or {}, body=body)

    async def stream(
        self, name: str, query: Fields, path: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Have the API's operation *name* answer by itself.

        Raises:
            OnehookError: as the operation does.
        """
        return await self.backend.stream(self.request, name, path, query=query)


Outcome: TypeAlias = Page | Redirect | web.StreamResponse
View: TypeAlias = Callable[[Visit], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What went wrong and what to do about it."""

    title: str
    status: int
    detail: str
    remedy: str
    errors: Sequence[FieldError] = ()


def error_page(error: OnehookError) -> Page:
    """The page that tells of *error*."""
    kind = KINDS.get(error.code)
    context = ErrorPage(
        title=kind.title if kind else error.code.replace("_", " ").capitalize(),
        status=error.status,
        detail=error.detail,
        remedy=_remedy(error),
        errors=error.errors,
    )
    return Page(
        "error.html",
        context,
        fragment="failure",
        status=error.status,
        retry_after=error.retry_after,
    )


def _remedy(error: OnehookError) -> str:
    """What to do about *error*, for a person: who reads a page sees no header."""
    if error.retry_after is not None:
        return f"Try again in {error.retry_after} s."
    kind = KINDS.get(error.code)
    return kind.remedy if kind else ""


def serve(view: View, needed: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answer with *view* for who signed in and may call *needed*; ask all others to sign in."""

    async def answer(request: web.Request) -> web.StreamResponse:
        session = request.app[SESSIONS].read(request)
        if session.access is None:
            return _ask_to_sign_in(request)
        access = request[ACCESS] = session.access
        whole = request.app[GATEWAY]
        whole.key_uses.note(access.key_id, whole.clock.now())

        async def view_it() -> Outcome:
            request.app[BACKEND].admit(access, needed)
            form = await read_form(request, session)
            gateway, backend = whole.of(access.tenant), request.app[BACKEND]
            return await view(Visit(request, gateway, backend, session, form))

        return finish(request, session, await guarded(request, view_it))

    return answer


async def guarded(request: web.Request, act: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """What *act* gives, or the page that tells of its error.

    Raises:
        HTTPException: aiohttp's own way to answer.
    """
    try:
        return await act()
    except OnehookError as error:
        return error_page(error)
    except (RedisError, TimeoutError, OSError) as error:
        log.warning("console.store_unavailable", error=type(error).__name__)
        return error_page(translate(error))
    except HTTPException:
        raise
    except Exception:
        log.exception("console.crashed", path=request.path)
        return error_page(OnehookError("the page failed; the gateway's log says why"))


async def read_form(request: web.Request, session: Session) -> MultiMapping[str]:
    """The form of a POST, checked to be ours; of any other request an empty one.

    Raises:
        ForbiddenError: it is not ours.
        InvalidRequestError: it is too large.
    """
    found = MultiDict[str]()
    if request.method != "POST":
        return found
    try:
        given = await request.post()
    except web.HTTPRequestEntityTooLarge:
        msg = "the form is larger than 1 MiB"
        raise InvalidRequestError(msg, code="body_too_large", status=413) from None
    except ValueError:
        msg = "this is no form that a browser sends"
        raise InvalidRequestError(msg, code="body_invalid", status=400) from None
    for name, value in given.items():
        if isinstance(value, str):
            found.add(name, value.replace("\r\n", "\n"))
    request.app[SESSIONS].check_form(request, session, found.get(FIELD, ""))
    return found


def finish(request: web.Request, session: Session, outcome: Outcome) -> web.StreamResponse:
    """*outcome* as an answer to *request*."""
    sessions = request.app[SESSIONS]
    match outcome:
        case Redirect(to=to, notice=notice):
            response = web.Response(status=303, headers={"Location": to})
            if notice is not None:
                sessions.tell(response, notice)
            return response
        case Page():
            notice = sessions.told(request)
            shown = _render(request, _frame(request, session, notice), outcome)
            if notice is not None:
                shown.del_cookie(NOTICE, path=PATH)
            if session.access is None:
                sessions.keep(shown, session)
            return shown
        case _:
            return outcome


def _render(request: web.Request, frame: Frame, page: Page) -> web.Response:
    part = "HX-Request" in request.headers
    try:
        return respond(page, frame, fragment=part)
    except Exception:
        log.exception("console.crashed", path=request.path)
        error = OnehookError("the page failed; the gateway's log says why")
        return respond(error_page(error), frame, fragment=part)


def _frame(request: web.Request, session: Session, notice: str | None) -> Frame:
    access, backend, gateway = session.access, request.app[BACKEND], request.app[GATEWAY]
    manages = access is not None and access.manages_tenants
    theme = request.cookies.get(THEME, "")
    return Frame(
        nonce=secrets.token_urlsafe(16),
        csrf=request.app[SESSIONS].token(session),
        theme=theme if theme in THEMES else THEMES[0],
        path=request.path,
        query=dict(request.query),
        here=request.path_qs,
        signed_in=access is not None,
        tenant=DEFAULT_TENANT if access is None else access.tenant,
        tenants=sorted(gateway.registry.whole.snapshot.tenants) if manages else (),
        now=gateway.clock.now(),
        notice=notice,
        allows=partial(backend.allows, access),
        opens=partial(backend.opens, access),
    )


def _ask_to_sign_in(request: web.Request) -> web.StreamResponse:
    place = request.path_qs if request.method == "GET" else PATH
    to = url(f"{PATH}/sign-in", to=place)
    if "HX-Request" in request.headers:  # a part of a page is no place for a form to sign in
        return web.Response(headers={"HX-Redirect": to})
    return web.Response(status=303, headers={"Location": to})


def own_path(text: str) -> str:
    """*text* if it is a page of the console, else its first page: no form leads elsewhere."""
    safe = text == PATH or text.startswith((f"{PATH}/", f"{PATH}?"))
    return text if safe and "\\" not in text and text.isprintable() else PATH
