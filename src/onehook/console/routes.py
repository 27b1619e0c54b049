"""The console's URL table."""

from collections.abc import Iterable

from aiohttp import web

from onehook.console import (
    dead_letters,
    deliveries,
    event,
    events,
    integrations,
    mappings,
    overview,
    playground,
    quarantine,
    references,
    replays,
    settings_page,
    signing_in,
    subscription_form,
    subscriptions,
)
from onehook.console.assets import PREFIX
from onehook.console.backend import BACKEND, Backend
from onehook.console.rendering import assets
from onehook.console.session import PATH, Sessions
from onehook.console.visits import SESSIONS, Outcome, View, Visit, serve
from onehook.errors import NotFoundError
from onehook.web.gateway import GATEWAY
from onehook.web.operations import Operation

PAGES: tuple[tuple[str, str, View], ...] = (
    ("GET", "", overview.show),
    ("GET", "/events", events.listing),
    ("GET", "/events/tail", events.tail),
    ("GET", "/find", events.find),
    ("GET", "/events/{id}", event.show),
    ("POST", "/events/{id}/replay", event.replay),
    ("GET", "/events/{id}/native", event.native),
    ("GET", "/references", references.show),
    ("GET", "/integrations", integrations.listing),
    ("GET", "/integrations/new", integrations.new),
    ("POST", "/integrations/new", integrations.create),
    ("GET", "/integrations/{id}", integrations.show),
    ("POST", "/integrations/{id}", integrations.update),
    ("GET", "/integrations/{id}/connect", integrations.connect),
    ("POST", "/integrations/{id}/rotate-secret", integrations.rotate),
    ("POST", "/integrations/{id}/delete", integrations.delete),
    ("GET", "/mappings", mappings.listing),
    ("GET", "/mappings/{name}", mappings.show),
    ("GET", "/mappings/{name}/coverage", mappings.covered),
    ("GET", "/mappings/{name}/drift", mappings.drift),
    ("POST", "/mappings/{name}/drift/clear", mappings.clear),
    ("GET", "/playground", playground.show),
    ("POST", "/playground", playground.run),
    ("GET", "/settings", settings_page.show),
    ("GET", "/quarantine", quarantine.listing),
    ("POST", "/quarantine/retry", quarantine.retry_many),
    ("GET", "/quarantine/{id}", quarantine.show),
    ("POST", "/quarantine/{id}/retry", quarantine.retry),
    ("POST", "/quarantine/{id}/discard", quarantine.discard),
    ("GET", "/subscriptions", subscriptions.listing),
    ("GET", "/subscriptions/new", subscription_form.new),
    ("POST", "/subscriptions/new", subscription_form.create),
    ("GET", "/subscriptions/{id}", subscriptions.log),
    ("GET", "/subscriptions/{id}/statistics", subscriptions.statistics),
    ("GET", "/subscriptions/{id}/settings", subscription_form.edit),
    ("POST", "/subscriptions/{id}/settings", subscription_form.update),
    ("POST", "/subscriptions/{id}/test", subscriptions.test),
    ("POST", "/subscriptions/{id}/pause", subscriptions.pause),
    ("POST", "/subscriptions/{id}/resume", subscriptions.resume),
    ("POST", "/subscriptions/{id}/rotate-secret", subscription_form.rotate),
    ("POST", "/subscriptions/{id}/delete", subscriptions.delete),
    ("GET", "/deliveries", deliveries.listing),
    ("GET", "/deliveries.{kind:csv|jsonl}", deliveries.export),
    ("POST", "/deliveries/retry", deliveries.retry_many),
    ("GET", "/deliveries/{id}", deliveries.show),
    ("POST", "/deliveries/{id}/retry", deliveries.retry),
    ("GET", "/dead-letters", dead_letters.listing),
    ("POST", "/dead-letters/retry", dead_letters.retry_all),
    ("GET", "/replays", replays.listing),
    ("GET", "/replays/new", replays.form),
    ("POST", "/replays/new", replays.create),
    ("GET", "/replays/{id}", replays.show),
    ("POST", "/replays/{id}/cancel", replays.cancel),
)


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
