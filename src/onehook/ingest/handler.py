"""``/ingest/{integration_id}``: take one webhook; answer once it is fsynced.

One line: receive, verify, normalize, route, commit. Each step is one call here.
"""

import asyncio
from collections.abc import Iterable
from urllib.parse import parse_qsl

import msgspec
import structlog
from aiohttp import web

from onehook.core.bodies import BodyError, parse_body
from onehook.core.integration import Integration, Normalized
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.handshakes import Handshake
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from onehook.core.model import Headers, Webhook
from onehook.errors import (
    InvalidRequestError,
    NotFoundError,
    OnehookError,
    RateLimitedError,
    SignatureError,
    forget_frames,
)
from onehook.ingest.announcer import Announcer
from onehook.ingest.body import read_bounded
from onehook.ingest.committer import Committed, WebhookToCommit
from onehook.ingest.guard import Caller, Guard
from onehook.ingest.steps import LARGE, Made, Steps
from onehook.web.gateway import Gateway
from onehook.web.problems import problem

log = structlog.get_logger()

_UNKNOWN = "unknown"  # the metric label of what is no integration


class Reply(msgspec.Struct, frozen=True):
    """What a webhook that is taken is answered: JSON."""

    status: int
    body: bytes


class Ingest:
    """Takes webhooks, by whatever way they come in."""

    def __init__(self, gateway: Gateway, announcer: Announcer, guard: Guard, steps: Steps) -> None:
        self.gateway, self.guard, self.steps = gateway, guard, steps
        self._announcer = announcer

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one webhook; every error is a problem."""
        caller = Caller(request.remote, request.headers)
        integration: Integration | None = None
        try:
            integration = self.find(request.match_info["integration_id"])
            self.guard.enter(caller, integration)
            try:
                return await self._take(request, caller, integration)
            finally:
                self.guard.leave(integration)
        except Exception as error:  # noqa: BLE001 whatever it is has an answer
            return self.refuse(caller, integration, error)

    def find(self, name: str) -> Integration:
        """The active integration of that id or key.

        Raises:
            NotFoundError: there is none; one that is switched off looks no different from outside.
        """
        registry = self.gateway.registry
        own = registry.snapshot  # keys are of the default tenant; ids are of all
        found = registry.whole.snapshot.running.get(name)
        found = found or own.running.get(own.by_key.get(name, ""))
        if found is None or not found.active:
            detail = "there is no integration at this URL: copy its ingest URL again"
            raise NotFoundError(detail, code="integration_not_found")
        return found

    async def _take(
        self, request: web.Request, caller: Caller, integration: Integration
    ) -> web.Response:
        handshakes = integration.mapping.handshakes
        if request.method != "POST" and not any(h.method == request.method for h in handshakes):
            detail = f"{request.method} is not taken here: webhooks are sent by POST"
            raise InvalidRequestError(detail, code="method_not_allowed", status=405)
        settings = self.gateway.settings
        body = await read_bounded(request, settings.max_body, settings.body_timeout)
        query = request.rel_url.raw_query_string
        webhook = self.webhook(request.raw_headers, body, request.method, request.raw_path, query)
        if handshakes and (answer := _shake(webhook, handshakes, verified=False)) is not None:
            return answer
        if handshakes:
            if len(body) > LARGE:
                await asyncio.to_thread(integration.verify, webhook, webhook.received_at)
            else:
                integration.verify(webhook, webhook.received_at)
            if (answer := _shake(webhook, handshakes, verified=True)) is not None:
                return answer
        if webhook.method != "POST":
            detail = f"{webhook.method} is only taken for the vendor's handshake"
            raise InvalidRequestError(detail, code="method_not_allowed", status=405)
        made = await self.steps.take(integration, webhook, verified=bool(handshakes))
        reply = self.conclude(caller, integration, webhook, made)
        return web.Response(status=reply.status, body=reply.body, content_type="application/json")

    def webhook(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
        method: str,
        path: str,
        query: str = "",
    ) -> Webhook:
        """A webhook that came now to *path*, which has its *query* in it."""
        gateway = self.gateway
        return Webhook(
            Headers.of_bytes(headers),
            body,
            gateway.clock.now(),
            method,
            gateway.origin[0].rstrip("/") + path,
            parse_qsl(query, keep_blank_values=True, errors="surrogateescape") if query else (),
        )

    def conclude(
        self, caller: Caller, integration: Integration, webhook: Webhook, made: Made
    ) -> Reply:
        """What to answer a webhook that went through the steps, once that is noted and counted."""
        gateway, taken, committed = self.gateway, made.taken, made.committed
        self._announcer.verified(integration.info, webhook.received_at)
        self.guard.verified(caller, integration)
        if taken.commit is None or committed is None:
            gateway.drift.note(integration.info, taken.made, webhook)
            return _ignored(gateway, integration, taken.made)
        if not committed.duplicate:
            webhook_id = committed.receipt.webhook_id
            gateway.drift.note(integration.info, taken.made, webhook, webhook_id)
        return _answer(gateway, integration, taken.made, taken.commit, committed)

    def refuse(
        self, caller: Caller, integration: Integration | None, error: BaseException
    ) -> web.Response:
        """The problem that *error* is for whoever sent a webhook; a fault of ours is logged."""
        if not isinstance(error, OnehookError):
            log.error("ingest.crashed", exc_info=error)
            detail = "the webhook could not be taken; the gateway's log says why"
            return problem(OnehookError(detail))
        # Those hold the webhook and the future that holds the error, for each one that is forged.
        forget_frames(error)
        if integration is not None and isinstance(error, SignatureError):
            self._announcer.refused(integration.info, self.gateway.clock.now())
        error = self.guard.judge(caller, error)
        label = _UNKNOWN if integration is None else integration.info.id
        self.gateway.metrics.rejected.labels(label, error.code).inc()
        level = log.info if isinstance(error, SignatureError | NotFoundError) else log.warning
        if isinstance(error, RateLimitedError):
            level = log.debug  # a flood of these must not drown the rest
        level("webhook.rejected", integration_id=label, reason=error.code, status=error.status)
        headers = None
        if error.status == 405:
            shakes = () if integration is None else integration.mapping.handshakes
            headers = {"Allow": ", ".join(sorted({"POST", *(h.method for h in shakes)}))}
        field = None if integration is None else integration.mapping.reply.error_field
        response = problem(error, headers, {} if field is None else {field: error.detail})
        if error.status in (400, 408, 413):
            # Part of the body may still be on its way: the connection cannot be used again.
            response.force_close()
        return response


def _shake(
    webhook: Webhook, handshakes: tuple[Handshake, ...], *, verified: bool
) -> web.Response | None:
    """The answer to a handshake; None if this is none."""
    for handshake in handshakes:
        if handshake.verify is not verified or not handshake.matches(webhook):
            continue
        body: JsonValue = None
        if handshake.condition is not None:
            if len(webhook.body) > LARGE:
                continue  # no vendor's hello is so long, and nobody has proven anything yet
            try:
                body = parse_body(webhook, LARGE)
            except (BodyError, OnehookError):
                continue
        answer = handshake.answer(webhook, body)
        if answer is not None:
            return web.Response(
                status=answer.status,
                body=answer.body.encode(),
                content_type=answer.content_type,
                charset="utf-8",
                headers={"X-Content-Type-Options": "nosniff"},
            )
    return None


def _ignored(gateway: Gateway, integration: Integration, made: Normalized) -> Reply:
    reason = made.outcome.reason if isinstance(made.outcome, Ignored) else None
    gateway.metrics.webhook(integration.info.id, "ignored").inc()
    log.info("webhook.ignored", integration_id=integration.info.id, reason=reason)
    status = integration.mapping.reply.accepted
    return Reply(status, encode({"status": "ignored", "reason": reason}))


def _answer(
    gateway: Gateway,
    integration: Integration,
    made: Normalized,
    commit: WebhookToCommit,
    committed: Committed,
) -> Reply:
    receipt, info = committed.receipt, integration.info
    events = [{"id": id_, "type": type_} for id_, type_ in receipt.events]
    if committed.duplicate:
        outcome = "duplicate"
        if receipt.body_digest != commit.receipt.body_digest:
            log.warning(
                "webhook.delivery_id_conflict",
                integration_id=info.id,
                webhook_id=receipt.webhook_id,
            )
        body: dict[str, object] = {"status": "duplicate", "events": events}
        if receipt.quarantined is not None:
            body["id"] = receipt.webhook_id
    elif isinstance(made.outcome, Quarantined):
        outcome = "quarantined"
        body = {
            "status": "quarantined",
            "reason": made.outcome.reason,
            "detail": made.outcome.detail,
            "id": receipt.webhook_id,
        }
    else:
        outcome = "accepted"
        body = {"status": "accepted", "events": events}
        for event in commit.events:
            gateway.registry.whole.see(info.tenant, event.indexed.things)
        gateway.metrics.event(info.type, info.id).inc(len(events))
        if isinstance(made.outcome, Emitted):
            for field, _ in made.outcome.unmapped:
                gateway.metrics.unmapped.labels(info.type, field).inc()
    gateway.metrics.webhook(info.id, outcome).inc()
    log.info(
        "webhook.committed",
        integration_id=info.id,
        webhook_id=receipt.webhook_id,
        outcome=outcome,
        events=len(events),
    )
    status = 200 if committed.duplicate else integration.mapping.reply.accepted
    return Reply(status, encode(body))
