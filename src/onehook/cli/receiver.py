"""A small subscriber: verifies what it gets with the Standard Webhooks library, and counts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(slots=True)
class Receiver:
    """Listens on a free loopback port; *got* is called for each delivery, verified or not."""

    got: Callable[[str, str, bool], None]  # event id, type, whether its signature fits
    secret: str = ""
    _runner: web.AppRunner | None = field(default=None, init=False)

    async def start(self) -> str:
        """Listen; the URL to subscribe with."""
        app = web.Application()
        app.router.add_post("/events", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/events"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except (WebhookVerificationError, ValueError):
            verified = False
        else:
            verified = True
        event = msgspec.json.decode(body, type=dict[str, object])
        self.got(str(event["id"]), str(event["type"]), verified)
        return web.Response(status=204 if verified else 401)
