"""The URL table."""

from aiohttp import web
from prometheus_client import generate_latest

from onehook.api import openapi
from onehook.console.routes import add_console
from onehook.console.session import PATH
from onehook.core.jsontext import encode
from onehook.ingest.handler import Ingest
from onehook.web.access import authenticate, check_sees_all, sees_all
from onehook.web.gateway import GATEWAY, Gateway
from onehook.web.operations import guarded, not_found, register
from onehook.web.problems import problem_page


def make_app(gateway: Gateway, ingest: Ingest) -> web.Application:
    """The application of one gateway.

    There is no middleware: ingest, the busiest route, would pay for it on every webhook.
    """
    app = web.Application()
    app[GATEWAY] = gateway
    app.router.add_route("*", "/ingest/{integration_id}", ingest.handle)
    register(app, openapi.OPERATIONS)
    app.router.add_get("/", front)
    app.router.add_get("/openapi.json", openapi.serve)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", guarded(metrics))
    app.router.add_get("/problems/{code}", problem_page)
    add_console(app, openapi.OPERATIONS)
    app.router.add_route("*", "/{path:.*}", not_found)
    return app


async def front(request: web.Request) -> web.StreamResponse:
    """``GET /``: a person with a browser is led to the console; nothing else is here."""
    if "text/html" not in request.headers.get("Accept", "").lower():
        return await not_found(request)
    return web.Response(status=302, headers={"Location": PATH, "Vary": "Accept"})


async def healthz(_request: web.Request) -> web.Response:
    """The process lives and answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 while webhooks are taken, with what is amiss; 503 with the reasons while they are not.

    Whoever has an API key is told besides where the store is, and what an
    acknowledgement is worth there (``ack``).
    """
    gateway = request.app[GATEWAY]
    reasons, warnings = sorted(gateway.readiness.reasons), gateway.readiness.warnings
    body: dict[str, object] = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
    known = sees_all(request, gateway)  # files and what is in them are not for everybody
    if known:
        body["ack"] = gateway.settings.ack
        body["store"] = "embedded" if gateway.settings.redis_url is None else "external"
    if warnings:
        body["warnings"] = sorted(warnings)
        if known:
            body["details"] = [
                {"code": code, "detail": detail}
                for code, details in sorted(warnings.items())
                for detail in details
            ]
    status = 503 if reasons else 200
    return web.Response(status=status, body=encode(body), content_type="application/json")


async def metrics(request: web.Request) -> web.Response:
    """Prometheus metrics; they name every tenant's integrations, so not every API key will do."""
    gateway = request.app[GATEWAY]
    check_sees_all(authenticate(request, gateway))
    return web.Response(
        body=generate_latest(gateway.metrics.registry),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
