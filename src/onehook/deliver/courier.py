"""One attempt, from the delivery to its row in the history."""

from dataclasses import dataclass, replace
from datetime import datetime

from onehook import __version__
from onehook.core.model import Delivery
from onehook.core.profiles.outlet import Outlet, RenderError
from onehook.core.profiles.request import Request, make_request, shown_headers
from onehook.core.schedule import Answer
from onehook.deliver.client import DeliveryClient, Reply
from onehook.deliver.mail import SCHEMES, MailClient
from onehook.deliver.raw import RawBodies
from onehook.store.attempts import AttemptRow, kept_answer, pack_sent

_USER_AGENT = f"onehook/{__version__}"
_MAX_DETAIL = 500  # characters


@dataclass(frozen=True, slots=True)
class Attempted:
    """What one attempt came to, and what the history keeps of it."""

    reply: Reply
    row: AttemptRow


class Courier:
    """Makes attempts: renders, sends by HTTP or mail, judges the answer, and writes it down."""

    def __init__(self, web: DeliveryClient, mail: MailClient, raws: RawBodies) -> None:
        self._web, self._mail, self._raws = web, mail, raws

    async def attempt(self, delivery: Delivery, now: datetime) -> Attempted:
        """Make one attempt at *now* (aware UTC); what fails is an answer, not an exception.

        Raises:
            redis.exceptions.RedisError: the native body is wanted and the store is away.
        """
        outlet = delivery.subscription.outlet
        raw = await self._raws.find(delivery) if outlet.include_raw else None
        try:
            request = make_request(delivery, now, _USER_AGENT, raw)
        except RenderError as error:
            detail = outlet.blank(str(error))[:_MAX_DETAIL]
            reply = Reply(Answer(None, "template"), 0, detail, {}, b"")
            return Attempted(reply, _row(delivery, now, reply, Request({}, b"")))
        reply = _judged(outlet, await self._send(delivery, request, now))
        return Attempted(reply, _row(delivery, now, reply, request))

    async def _send(self, delivery: Delivery, request: Request, now: datetime) -> Reply:
        subscription = delivery.subscription
        url, within = subscription.url, subscription.timeout
        if url.startswith(SCHEMES):
            settings = subscription.outlet.settings
            return await self._mail.send(url, request.headers, request.body, settings, now, within)
        return await self._web.post(url, request.headers, request.body, within)


def _judged(outlet: Outlet, reply: Reply) -> Reply:
    """*reply*, a failure where the destination says no in a 2xx."""
    answer = reply.answer
    if outlet.judge is None or answer.status is None or not answer.ok:
        return reply
    headers = [(name.lower(), value) for name, value in reply.headers.items()]
    refused = outlet.judge(answer.status, headers, reply.content)
    if refused is None:
        return reply
    return replace(reply, answer=Answer(answer.status, "rejected"), detail=refused)


def _row(delivery: Delivery, now: datetime, reply: Reply, request: Request) -> AttemptRow:
    """The attempt as the history keeps it, no secret; what follows from the event is kept once."""
    subscription = delivery.subscription
    outlet, headers, body = subscription.outlet, kept_answer(reply.headers), reply.body
    sent, signature = None, request.headers.get("webhook-signature", "")
    detail = reply.detail
    if delivery.replay or not outlet.plain or request.body is not delivery.body:
        shown = shown_headers(outlet, request.headers)
        sent = pack_sent(shown, outlet.blank(request.body.decode()))
        headers = {name: outlet.blank(value) for name, value in headers.items()}
        body, signature = outlet.blank(body), ""
        detail = None if detail is None else outlet.blank(detail)
    return AttemptRow(
        delivery.attempt,
        now,
        reply.duration_ms,
        reply.answer.status,
        reply.answer.error,
        detail,
        outlet.shown_url or subscription.url,
        signature,
        headers,
        body,
        sent,
    )
