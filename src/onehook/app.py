"""The URL table."""

from aiohttp import web
from prometheus_client import generate_latest

from onehook.api import openapi
from onehook.core.jsontext import encode
from onehook.ingest.announcer import Announcer
from onehook.ingest.committer import Committer
from onehook.ingest.guard import Guard
from onehook.ingest.handler import ANNOUNCER, COMMITTER, GUARD, STEPS, ingest
from onehook.ingest.steps import Steps
from onehook.web.auth import authenticate, is_authentic
from onehook.web.gateway import GATEWAY, Gateway
from onehook.web.operations import guarded, not_found, register
from onehook.web.problems import problem_page


def make_app(gateway: Gateway, committer: Committer, announcer: Announcer) -> web.Application:
    """The application of one gateway.

    There is no middleware: ingest, the busiest route, would pay for it on every webhook.
    """
    app = web.Application()
    app[GATEWAY] = gateway
    app[COMMITTER] = committer
    app[ANNOUNCER] = announcer
    settings = gateway.settings
    app[GUARD] = Guard(
        settings.trusted_proxies, settings.sender_failures, settings.sender_concurrency
    )
    app[STEPS] = Steps(gateway.registry, gateway.events.keys, gateway.settings.max_body)
    app.router.add_route("*", "/ingest/{integration_id}", ingest)
    register(app, openapi.OPERATIONS)
    app.router.add_get("/openapi.json", openapi.serve)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", guarded(metrics))
    app.router.add_get("/problems/{code}", problem_page)
    app.router.add_route("*", "/{path:.*}", not_found)
    return app


async def healthz(_request: web.Request) -> web.Response:
    """The process lives and answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 while webhooks are taken, with what is amiss; 503 with the reasons while they are not."""
    gateway = request.app[GATEWAY]
    reasons, warnings = sorted(gateway.readiness.reasons), gateway.readiness.warnings
    body: dict[str, object] = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
    if warnings:
        body["warnings"] = sorted(warnings)
        if is_authentic(request, gateway):  # files and what is in them are not for everybody
            body["details"] = [
                {"code": code, "detail": detail}
                for code, details in sorted(warnings.items())
                for detail in details
            ]
    status = 503 if reasons else 200
    return web.Response(status=status, body=encode(body), content_type="application/json")


async def metrics(request: web.Request) -> web.Response:
    """Prometheus metrics; they name integrations, so an API key is needed."""
    gateway = request.app[GATEWAY]
    authenticate(request, gateway)
    return web.Response(
        body=generate_latest(gateway.metrics.registry),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
