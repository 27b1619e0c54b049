"""The console's URL table."""

from collections.abc import Iterable

from aiohttp import web

from onehook.console import (
    api_keys,
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
    tenants,
)
from onehook.console.assets import PREFIX
from onehook.console.backend import BACKEND, Backend
from onehook.console.rendering import assets
from onehook.console.session import PATH, Sessions
from onehook.console.visits import SESSIONS, Outcome, View, Visit, serve
from onehook.errors import NotFoundError
from onehook.web.gateway import GATEWAY
from onehook.web.operations import Operation

# Method, path, what answers, and the operation of the API that a visitor has to be allowed for it.
PAGES: tuple[tuple[str, str, View, str], ...] = (
    ("GET", "", overview.show, ""),
    ("GET", "/events", events.listing, "listEvents"),
    ("GET", "/events/tail", events.tail, "listEvents"),
    ("GET", "/find", events.find, ""),
    ("GET", "/events/{id}", event.show, "getEvent"),
    ("POST", "/events/{id}/replay", event.replay, "replayEvent"),
    ("GET", "/events/{id}/native", event.native, "getNativeWebhook"),
    ("GET", "/references", references.show, "getTimeline"),
    ("GET", "/integrations", integrations.listing, "listIntegrations"),
    ("GET", "/integrations/new", integrations.new, "createIntegration"),
    ("POST", "/integrations/new", integrations.create, "createIntegration"),
    ("GET", "/integrations/{id}", integrations.show, "getIntegration"),
    ("POST", "/integrations/{id}", integrations.update, "updateIntegration"),
    ("GET", "/integrations/{id}/connect", integrations.connect, "getIntegration"),
    ("POST", "/integrations/{id}/rotate-secret", integrations.rotate, "rotateIntegrationSecret"),
    ("POST", "/integrations/{id}/delete", integrations.delete, "deleteIntegration"),
    ("GET", "/mappings", mappings.listing, "listPlatforms"),
    ("GET", "/mappings/{name}", mappings.show, "listDrift"),
    ("GET", "/mappings/{name}/coverage", mappings.covered, "listDrift"),
    ("GET", "/mappings/{name}/drift", mappings.drift, "listDrift"),
    ("POST", "/mappings/{name}/drift/clear", mappings.clear, "clearDrift"),
    ("GET", "/playground", playground.show, "previewMapping"),
    ("POST", "/playground", playground.run, "previewMapping"),
    ("GET", "/settings", settings_page.show, ""),
    ("GET", "/settings/keys", api_keys.listing, "listKeys"),
    ("POST", "/settings/keys", api_keys.create, "createKey"),
    ("POST", "/settings/keys/{id}/revoke", api_keys.revoke, "revokeKey"),
    ("GET", "/settings/tenants", tenants.listing, "listTenants"),
    ("POST", "/settings/tenants", tenants.create, "createTenant"),
    ("GET", "/settings/tenants/{id}", tenants.show, "getTenant"),
    ("POST", "/settings/tenants/{id}", tenants.update, "updateTenant"),
    ("POST", "/settings/tenants/{id}/delete", tenants.delete, "deleteTenant"),
    ("GET", "/quarantine", quarantine.listing, "listQuarantine"),
    ("POST", "/quarantine/retry", quarantine.retry_many, "retryQuarantine"),
    ("GET", "/quarantine/{id}", quarantine.show, "getQuarantinedWebhook"),
    ("POST", "/quarantine/{id}/retry", quarantine.retry, "retryQuarantinedWebhook"),
    ("POST", "/quarantine/{id}/discard", quarantine.discard, "deleteQuarantinedWebhook"),
    ("GET", "/subscriptions", subscriptions.listing, "listSubscriptions"),
    ("GET", "/subscriptions/new", subscription_form.new, "createSubscription"),
    ("POST", "/subscriptions/new", subscription_form.create, "createSubscription"),
    ("GET", "/subscriptions/{id}", subscriptions.log, "listDeliveries"),
    ("GET", "/subscriptions/{id}/statistics", subscriptions.statistics, "getSubscriptionStats"),
    ("GET", "/subscriptions/{id}/settings", subscription_form.edit, "getSubscription"),
    ("POST", "/subscriptions/{id}/settings", subscription_form.update, "updateSubscription"),
    ("POST", "/subscriptions/{id}/test", subscriptions.test, "testSubscription"),
    ("POST", "/subscriptions/{id}/pause", subscriptions.pause, "pauseSubscription"),
    ("POST", "/subscriptions/{id}/resume", subscriptions.resume, "resumeSubscription"),
    (
        "POST",
        "/subscriptions/{id}/rotate-secret",
        subscription_form.rotate,
        "rotateSubscriptionSecret",
    ),
    ("POST", "/subscriptions/{id}/delete", subscriptions.delete, "deleteSubscription"),
    ("GET", "/deliveries", deliveries.listing, "listDeliveries"),
    ("GET", "/deliveries.{kind:csv|jsonl}", deliveries.export, "exportDeliveriesCsv"),
    ("POST", "/deliveries/retry", deliveries.retry_many, "retryDelivery"),
    ("GET", "/deliveries/{id}", deliveries.show, "getDelivery"),
    ("POST", "/deliveries/{id}/retry", deliveries.retry, "retryDelivery"),
    ("GET", "/dead-letters", dead_letters.listing, "listDeliveries"),
    ("POST", "/dead-letters/retry", dead_letters.retry_all, "createReplay"),
    ("GET", "/replays", replays.listing, "listReplays"),
    ("GET", "/replays/new", replays.form, "createReplay"),
    ("POST", "/replays/new", replays.create, "createReplay"),
    ("GET", "/replays/{id}", replays.show, "getReplay"),
    ("POST", "/replays/{id}/cancel", replays.cancel, "cancelReplay"),
)


def add_console(app: web.Application, operations: Iterable[Operation]) -> None:
    """Serve the console, which acts through *operations*, those of the management API."""
    pages = [(path, needed) for method, path, _, needed in PAGES if method == "GET"]
    app[BACKEND] = Backend(operations, [(PATH + path, needed) for path, needed in pages])
    app[SESSIONS] = Sessions(app[GATEWAY])
    router = app.router
    router.add_get(f"{PREFIX}/{{file:.+}}", _static)
    router.add_get(f"{PATH}/sign-in", signing_in.show)
    router.add_post(f"{PATH}/sign-in", signing_in.sign_in)
    router.add_post(f"{PATH}/sign-out", signing_in.sign_out)
    router.add_post(f"{PATH}/theme", signing_in.choose_theme)
    router.add_post(f"{PATH}/tenant", signing_in.choose_tenant)
    for method, path, view, needed in PAGES:
        router.add_route(method, PATH + path, serve(view, needed))
    router.add_get(f"{PATH}/", _to_first_page)
    router.add_route("*", f"{PATH}/{{path:.*}}", serve(_nothing, ""))


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
