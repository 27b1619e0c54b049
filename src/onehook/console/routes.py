"""The console's URL table."""

from collections.abc import Iterable

from aiohttp import web

from onehook.console import events, signing_in
from onehook.console.assets import PREFIX
from onehook.console.backend import BACKEND, Backend
from onehook.console.rendering import assets
from onehook.console.session import PATH, Sessions
from onehook.console.visits import SESSIONS, Outcome, View, Visit, serve
from onehook.errors import NotFoundError
from onehook.web.gateway import GATEWAY
from onehook.web.operations import Operation

PAGES: tuple[tuple[str, str, View], ...] = (("GET", "/events", events.listing),)


def add_console(app: web.Application, operations: Iterable[Operation]) -> None:
    """Serve the console, which acts through *operations*, those of the management API."""
    app[BACKEND] = Backend(operations)
    app[SESSIONS] = Sessions(app[GATEWAY])
    router = app.router
    router.add_get(f"{PREFIX}/{{file:.+}}", _static)
    router.add_get(f"{PATH}/sign-in", signing_in.show)
    router.add_post(f"{PATH}/sign-in", signing_in.sign_in)
    router.add_post(f"{PATH}/sign-out", signing_in.sign_out)
    router.add_post(f"{PATH}/theme", signing_in.choose_theme)
    for method, path, view in PAGES:
        router.add_route(method, PATH + path, serve(view))
    router.add_get(f"{PATH}/", _to_first_page)
    router.add_route("*", f"{PATH}/{{path:.*}}", serve(_nothing))


async def _static(request: web.Request) -> web.StreamResponse:
    return assets().serve(request)


async def _to_first_page(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=308, headers={"Location": PATH})


async def _nothing(visit: Visit) -> Outcome:
    """No page.

    Raises:
        NotFoundError: always.
    """
    msg = f"the console has no page {visit.request.path[:200]}"
    raise NotFoundError(msg)
