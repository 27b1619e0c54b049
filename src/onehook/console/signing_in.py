"""Signing in and out, and the choice of light or dark: what works without being signed in."""

from dataclasses import dataclass

from aiohttp import web

from onehook.console.rendering import THEMES, Page, Redirect
from onehook.console.session import COOKIE, PATH, Session
from onehook.console.visits import (
    SESSIONS,
    THEME,
    Outcome,
    finish,
    guarded,
    own_path,
    read_form,
)
from onehook.errors import ForbiddenError
from onehook.web.gateway import GATEWAY
from onehook.web.guesses import site


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The form that asks for an API key; *to*: where it leads."""

    title: str
    to: str
    key_file: str
    error: str | None = None


async def show(request: web.Request) -> web.StreamResponse:
    """``GET /console/sign-in``."""
    session = request.app[SESSIONS].read(request)
    to = own_path(request.query.get("to", PATH))
    page = Page("sign_in.html", _page(request, to))
    return finish(request, session, Redirect(to) if session.access is not None else page)


def _page(request: web.Request, to: str, error: str | None = None) -> SignInPage:
    settings = request.app[GATEWAY].settings
    file = "" if settings.api_key is not None else "data/api-key"
    return SignInPage("Sign in", to, file, error)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """``POST /console/sign-in``: a session for who knows an API key."""
    sessions = request.app[SESSIONS]
    session = sessions.read(request)
    new: list[Session] = []

    async def act() -> Outcome:
        form = await read_form(request, session)
        to = own_path(form.get("to", PATH))
        try:
            sender = site(request, request.app[GATEWAY].settings.trusted_proxies)
            new.append(sessions.sign_in(form.get("api_key", ""), sender))
        except ForbiddenError as error:
            return Page("sign_in.html", _page(request, to, error.detail), status=error.status)
        return Redirect(to)

    response = finish(request, session, await guarded(request, act))
    if new:
        sessions.keep(response, new[0])
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """``POST /console/sign-out``: the browser forgets the session."""
    session = request.app[SESSIONS].read(request)

    async def act() -> Outcome:
        await read_form(request, session)
        return Redirect(f"{PATH}/sign-in", "You are signed out.")

    outcome = await guarded(request, act)
    response = finish(request, session, outcome)
    if isinstance(outcome, Redirect):
        response.del_cookie(COOKIE, path=PATH)
    return response


async def choose_tenant(request: web.Request) -> web.StreamResponse:
    """``POST /console/tenant``: whose pages an admin of the default tenant is shown."""
    sessions = request.app[SESSIONS]
    session = sessions.read(request)
    chosen: list[Session] = []

    async def act() -> Outcome:
        form = await read_form(request, session)
        chosen.append(sessions.act_for(session, form.get("tenant", "")))
        return Redirect(PATH)  # ids of the page before are another tenant's

    response = finish(request, session, await guarded(request, act))
    if chosen:
        sessions.keep(response, chosen[0])
    return response


async def choose_theme(request: web.Request) -> web.StreamResponse:
    """``POST /console/theme``: light, dark, or as the system has it."""
    session = request.app[SESSIONS].read(request)
    chosen: list[str] = []

    async def act() -> Outcome:
        form = await read_form(request, session)
        theme = form.get("theme", "")
        chosen.append(theme if theme in THEMES else THEMES[0])
        return Redirect(own_path(form.get("to", PATH)))

    response = finish(request, session, await guarded(request, act))
    if chosen:
        response.set_cookie(
            THEME,
            chosen[0],
            path=PATH,
            samesite="Strict",
            httponly=True,
            max_age=400 * 86400,  # as long as browsers keep any cookie,
        )
    return response
