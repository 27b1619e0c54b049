"""The load generator and the subscriber: what kill tests and benchmarks rely on."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession, web

from benchmarks.load import BROKEN, Answer, Patience, run_load
from benchmarks.payloads import SIGNED_WITH, make_templates, make_webhooks
from benchmarks.sizes import SIZES, body_of
from benchmarks.subscriber import Behaviour, Subscriber
from onehook.core.integration import Integration
from onehook.core.mapping.normalize import Emitted
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.mappings import read_file, shipped_folder

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A real server on a port of its own, with whatever handler a test needs."""

    def __init__(self, handler: Handler) -> None:
        app = web.Application()
        app.router.add_post("/{name}", handler)
        self._runner = web.AppRunner(app)
        self.url = ""

    async def __aenter__(self) -> "Server":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/ingest"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    """One that notes the ids."""
    started = Subscriber(Behaviour(keep_ids=True))
    await started.start()
    yield started
    await started.stop()


def test_no_two_webhooks_share_a_delivery_id_or_a_body() -> None:
    """A second dedupe marker is over the signed bytes: equal bodies would count as duplicates."""
    webhooks = make_webhooks(500, SIGNED_WITH) + make_webhooks(500, SIGNED_WITH, first=500)
    assert len({webhook.delivery_id for webhook in webhooks}) == 1000
    assert len({hashlib.sha256(webhook.body).digest() for webhook in webhooks}) == 1000


def test_a_body_is_a_signed_pull_request_of_22_kb() -> None:
    """What is sent is JSON, of GitHub's usual size, with a signature that fits."""
    (webhook,) = make_webhooks(1, SIGNED_WITH, first=7)
    body = json.loads(webhook.body)
    assert body["pull_request"]["number"] == body["number"] == 100_000_007
    assert 21_000 < len(webhook.body) < 24_000
    expected = hmac.digest(SIGNED_WITH.encode(), webhook.body, "sha256").hex()
    assert webhook.signature.decode() == expected
    assert webhook.wire(b"").endswith(b"\r\n\r\n" + webhook.body)


@pytest.mark.parametrize(("name", "size"), list(SIZES.items()))
def test_a_body_of_every_size_becomes_an_event(name: str, size: int | None) -> None:
    """Larger or smaller, it is a pull request; an ingest figure of quarantined ones is none."""
    mapping = read_file(shipped_folder() / "github.yaml").mapping
    info = IntegrationInfo(IntegrationId("int_a"), "github", "")
    platform = Integration(info, mapping, {}, unsigned=True, active=True)
    templates = make_templates(1, body_of(size))
    (webhook,) = make_webhooks(1, SIGNED_WITH, templates=templates)
    assert 0.8 < len(webhook.body) / (size or 22_000) < 1.25, name
    headers = Headers([("Content-Type", "application/json"), ("X-GitHub-Event", "pull_request")])
    received = Webhook(headers, webhook.body, datetime(2026, 11, 22, tzinfo=UTC))
    outcome = platform.normalize(received, 2_000_000).outcome
    assert isinstance(outcome, Emitted)
    assert [event.type for event in outcome.events] == ["scm.pull_request.created"]


async def test_with_a_rate_requests_are_sent_when_they_are_due() -> None:
    """Evenly, not as fast as they are answered; and each moment of an answer is told."""
    answers: list[Answer] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202)

    async with Server(take) as server:
        webhooks = make_webhooks(30, SIGNED_WITH)
        result = await run_load(server.url, webhooks, 4, answers.append, rate=100)
    assert result.last - result.first >= 29 / 100
    moments = [answer.moment for answer in answers]
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] > 0.2


async def test_every_request_is_sent_once_and_answered() -> None:
    """All webhooks arrive whole, whatever the number of connections."""
    seen: list[str] = []

    async def take(request: web.Request) -> web.Response:
        assert len(await request.read()) == request.content_length
        seen.append(request.headers["X-GitHub-Delivery"])
        return web.json_response({}, status=202)

    webhooks = make_webhooks(200, SIGNED_WITH)
    async with Server(take) as server:
        result = await run_load(server.url, webhooks, connections=7)
    assert sorted(seen) == [webhook.delivery_id for webhook in webhooks]
    assert result.statuses == {202: 200}
    assert result.answers == 200


async def test_a_broken_connection_is_retried_with_the_same_bytes() -> None:
    """A load goes on through a death: each request ends with an answer, and repeats are counted."""
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        if len(bodies) % 3 == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({}, status=202)

    answers: list[Answer] = []
    patience = Patience(retry_for=20)
    webhooks = make_webhooks(20, SIGNED_WITH)
    async with Server(take) as server:
        result = await run_load(server.url, webhooks, 4, answers.append, patience)
    assert result.statuses == {202: 20}
    assert result.retries == sum(answer.retries for answer in answers) == len(bodies) - 20 > 0
    assert set(bodies) == {webhook.body for webhook in webhooks}


async def test_without_patience_a_broken_request_is_counted_as_broken() -> None:
    """Nobody listens: the load ends, and says that nothing was answered."""
    result = await run_load("http://127.0.0.1:9/ingest", make_webhooks(3, SIGNED_WITH), 2)
    assert result.statuses == {BROKEN: 3}


async def test_a_status_can_be_retried_like_a_broken_connection() -> None:
    """While the store is away a gateway says 503, and a sender that comes back gets through."""
    times = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal times
        await request.read()
        times += 1
        return web.json_response({}, status=503 if times <= 2 else 202)

    patience = Patience(retry_for=20, retry_statuses={503})
    async with Server(take) as server:
        result = await run_load(server.url, make_webhooks(1, SIGNED_WITH), 1, None, patience)
    assert (result.statuses, result.retries) == ({202: 1}, 2)


async def test_a_request_without_an_answer_ends_at_its_timeout(subscriber: Subscriber) -> None:
    """A hanging server cannot hold a load up for ever."""
    subscriber.behaviour.hang = True
    async with asyncio.timeout(20):
        result = await run_load(
            subscriber.url, make_webhooks(2, SIGNED_WITH), 1, None, Patience(timeout=0.2)
        )
    assert result.statuses == {BROKEN: 2}


async def test_a_subscriber_notes_what_it_got_and_answers_as_told(subscriber: Subscriber) -> None:
    """Ids are kept in the order of arrival; the status can be changed between two requests."""
    async with ClientSession() as session:
        for id_, status in (("evt_1", 200), ("evt_2", 500)):
            subscriber.behaviour.status = status
            async with session.post(subscriber.url, data=b"{}", headers={"webhook-id": id_}) as got:
                assert got.status == status
    assert [id_ for id_, _ in subscriber.received.ids] == ["evt_1", "evt_2"]
