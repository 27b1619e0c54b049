"""What tests are made of: a gateway under test, a subscriber that obeys a script, webhooks."""

import asyncio
import hashlib
import itertools
import json
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from redis.asyncio import Redis

from onehook.core.jsontext import encode
from onehook.core.model import Headers, Webhook
from onehook.core.notices import Claim, Telling
from onehook.core.schema.events import EVENT_TYPES
from onehook.core.signatures import sign
from onehook.mappings import MappingFile, by_platform, read_all, shipped_folder
from onehook.store.connection import call
from onehook.store.keys import Keys
from onehook.wiring import Runtime

API_KEY = "an-admin-key-for-tests"
SECRET = "it-is-a-secret-to-everybody"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_serial = itertools.count(1)
# All that vendors can send; what the gateway tells of itself is for the tests that ask for it.
FOREIGN = sorted({type_.partition(".")[0] + ".*" for type_ in EVENT_TYPES} - {"integration.*"})
FOREIGN.append("integration.webhook.received")

# A platform with everything that the shipped ones do not have: handshakes, batches.
ACME = """\
onehook: mapping/v1
platform: acme
version: "1.0.0"
settings: {secret: {secret: true, required: true}}
verify: {scheme: hmac, header: X-Acme-Signature, prefix: "sha256=", secret: {setting: secret}}
answer_within: 8s
handshake:
  - method: GET
    match: {header: X-Acme-Challenge}
    verify: false
    answer: {content_type: application/json, body: '{"challenge": {{ value | tojson }}}'}
  - {method: POST, match: {query: validationToken}, verify: false, answer: {body: "{{ value }}"}}
  - {match: {body: {$.kind: hello}}, verify: true, answer: {body: "{{ body.challenge }}"}}
  - {match: {body: empty, header: X-Acme-Probe}, verify: true, answer: {status: 204}}
dedupe: {key: [{header: X-Acme-Id}]}
event_name: $.kind
rules:
  - id: tickets
    when: {$.kind: tickets}
    foreach: {in: "$.tickets[*]", key: $.id, max: 2}
    emit: ticketing.ticket.created
    data: {urn: [$.id], id: $.id, key: $.id, title: $.title, status_category: {const: todo}}
ignore:
  - {when: {$.kind: ping}, reason: ping}
"""
IMPATIENT = ACME.replace("answer_within: 8s", "answer_within: 1s")


class FixedClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        """The time it was set to."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Let *by* pass."""
        self.at += by


async def until(condition: Callable[[], bool], within: float = 15) -> None:
    """Wait for *condition*, *within* seconds at most."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what it looks at sets no Event
            await asyncio.sleep(0.01)


async def eventually(check: Callable[[], Awaitable[bool]], within: float = 15) -> None:
    """Wait until awaiting *check* gives True, *within* seconds at most."""
    async with asyncio.timeout(within):
        while not await check():  # noqa: ASYNC110 - what it asks sets no Event
            await asyncio.sleep(0.01)


# -- HTTP -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]


class Api:
    """An HTTP client of a gateway; it sends the API key unless told otherwise."""

    def __init__(self, url: str, key: str | None = API_KEY) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        connector = aiohttp.TCPConnector(limit=0)
        self.session = aiohttp.ClientSession(
            url, headers=headers, connector=connector, timeout=aiohttp.ClientTimeout(total=30)
        )

    async def call(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """Send one request; *body* as JSON, or *data* as bytes."""
        if body is not None:
            more["json"] = body
        async with self.session.request(method, path, **more) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    async def get(self, path: str, **query: str) -> Answer:
        """GET with a query."""
        return await self.call("GET", path, params=query)

    async def post(self, path: str, body: object = None) -> Answer:
        """POST JSON."""
        return await self.call("POST", path, body)

    async def patch(self, path: str, body: object) -> Answer:
        """PATCH with JSON."""
        return await self.call("PATCH", path, body)

    async def delete(self, path: str) -> Answer:
        """DELETE."""
        return await self.call("DELETE", path)


# -- webhooks -------------------------------------------------------------------------------------


@cache
def shipped() -> Mapping[str, MappingFile]:
    """The mappings of this repository by platform, compiled once."""
    return by_platform(read_all([shipped_folder()]))


def read_mappings(extra: Path | None) -> Sequence[MappingFile]:
    """As ``onehook.mappings.read_all``, the shipped part compiled once for all tests."""
    return [*shipped().values(), *(() if extra is None else read_all([extra]))]


@cache
def sample(name: str) -> Any:
    """A body of ``mappings/samples``, without its ``.json``; not to be changed."""
    return json.loads((shipped_folder() / "samples" / f"{name}.json").read_bytes())


@dataclass(frozen=True, slots=True)
class Native:
    """A webhook as its vendor sends it, not yet signed."""

    headers: Mapping[str, str]
    body: bytes

    def with_headers(self, **headers: str) -> "Native":
        """The same webhook with more headers; ``_`` stands for ``-``."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})


def issue(number: int = 1, delivery: str | None = None) -> Native:
    """GitHub's ``issues.opened``: one ``ticketing.ticket.created``."""
    body = sample("github/issues.opened")
    changed = {**body, "issue": {**body["issue"], "number": number, "id": 4_000_000 + number}}
    return github("issues", changed, delivery)


def github(event: str, body: object, delivery: str | None = None) -> Native:
    """A webhook of GitHub; each has a delivery id of its own unless one is given."""
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or f"delivery-{next(_serial)}",
    }
    return Native(headers, body if isinstance(body, bytes) else encode(body))  # type: ignore[arg-type]


def membership(delivery: str | None = None) -> Native:
    """GitHub's ``membership.added``: a webhook without a time, which may come again as news."""
    return github("membership", sample("github/membership.added"), delivery)


def acme(kind: str, id_: str | None = None, **more: object) -> Native:
    """A webhook of `ACME`."""
    headers = {"Content-Type": "application/json", "X-Acme-Id": id_ or f"acme-{next(_serial)}"}
    return Native(headers, encode({"kind": kind, **more}))  # type: ignore[dict-item]


def tickets(*ids: str, delivery: str | None = None) -> Native:
    """A batch of `ACME` tickets: an event each."""
    return acme("tickets", delivery, tickets=[{"id": id_, "title": f"Ticket {id_}"} for id_ in ids])


def write_acme(folder: Path, text: str = ACME) -> Path:
    """A folder with `ACME` in it, for ``mappings``."""
    folder.mkdir(exist_ok=True)
    (folder / "acme.yaml").write_text(text, encoding="utf-8")
    return folder


# -- time -----------------------------------------------------------------------------------------


async def let_pass(store: Redis, keys: Keys, subscription_id: str, by: timedelta) -> None:
    """Shift every moment that the store keeps of a subscription: *by* has passed since then."""
    ms = round(by.total_seconds() * 1000)
    queue, gate = keys.queue(subscription_id), keys.gate(subscription_id)
    scores = await store.zrange(queue, 0, -1, withscores=True)
    if scores:
        await store.zadd(queue, {member: score - ms for member, score in scores}, xx=True)
    for name in ("u", "h", "r"):
        if await store.hexists(gate, name):
            await store.hincrby(gate, name, -ms)


# -- a gateway ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sender:
    """A vendor that knows the secret of one integration."""

    id: str
    path: str
    type: str
    secrets: Mapping[str, Sequence[bytes]]
    settings: Mapping[str, str]


class Running:
    """A whole gateway on loopback, and what tests ask of it."""

    def __init__(self, runtime: Runtime, key: str | None = API_KEY) -> None:
        self.runtime, self.key = runtime, key
        self.url = runtime.url
        self.api = Api(runtime.url, key)
        self.vendor = Api(runtime.url, None)  # sends no API key

    @property
    def store(self) -> Redis:
        """The gateway's own client of the store."""
        return self.runtime.client  # type: ignore[return-value]

    @property
    def keys(self) -> Keys:
        """The names of the gateway's keys."""
        return self.runtime.gateway.events.keys

    async def close(self) -> None:
        """Close the clients, then stop the gateway."""
        await self.leave()
        await self.runtime.stop()

    async def leave(self) -> None:
        """Close the clients; the gateway goes on."""
        await self.api.session.close()
        await self.vendor.session.close()

    async def integrate(self, type_: str = "github", *, told: bool = True, **fields: Any) -> Sender:
        """Make an integration; it has `SECRET` unless *fields* say otherwise.

        Nothing is told of its connection, as if it had been long ago, unless *told* is False.
        """
        unsigned = fields.get("verify") == "none"
        if not unsigned and "secret" not in fields and "settings" not in fields:
            fields["secret"] = SECRET
        answer = await self.api.post("/v1/integrations", {"type": type_, **fields})
        assert answer.status == 201, answer.body
        made = answer.json
        if told:
            await self._tell(made["id"])
        mapping = self.runtime.gateway.mappings[type_].mapping
        given = dict(fields.get("settings", {}))
        if "secret" in fields:
            given["secret"] = fields["secret"]
        hidden = {name for name, spec in mapping.settings.items() if spec.secret} | {"secret"}
        plain = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
        plain |= {name: value for name, value in given.items() if name not in hidden}
        secrets = {name: [value.encode()] for name, value in given.items() if name in hidden}
        path = "/" + made["ingest_url"].split("/", 3)[3]
        return Sender(made["id"], path, type_, secrets, plain)

    async def _tell(self, integration_id: str) -> None:
        """Take the right to tell of an integration's connection, and note it as heard of."""
        notices, now = self.runtime.gateway.notices, self.runtime.clock.now()
        for telling in (Telling.ESTABLISHED, Telling.REFUSED):
            await notices.claim(Claim(telling, integration_id, now, None))
        await notices.hear({integration_id: now})

    async def subscribe(self, subscriber: "Subscriber", **fields: Any) -> dict[str, Any]:
        """Subscribe *subscriber* to what vendors send, or to what *fields* say."""
        body = {"url": subscriber.url, "events": FOREIGN, **fields}
        answer = await self.api.post("/v1/subscriptions", body)
        assert answer.status == 201, answer.body
        subscriber.secret = answer.json["secret"]
        found: dict[str, Any] = answer.json
        return found

    def proof(self, sender: Sender, native: Native) -> list[tuple[str, str]]:
        """The headers that prove *native* to be the vendor's."""
        now = self.runtime.clock.now()
        scheme = self.runtime.gateway.mappings[sender.type].mapping.verify.scheme(sender.settings)
        webhook = Webhook(Headers(native.headers.items()), native.body, now)
        return sign(scheme, webhook, sender.secrets, sender.settings, now)

    async def send(self, sender: Sender, native: Native, via: Api | None = None) -> Answer:
        """POST *native*, signed, as the vendor does."""
        headers = [*native.headers.items(), *self.proof(sender, native)]
        return await self.post(sender, native.body, headers, via)

    async def post(
        self,
        sender: Sender,
        body: Any,
        headers: Iterable[tuple[str, str]],
        via: Api | None = None,
        query: str = "",
    ) -> Answer:
        """POST *body* with exactly these *headers*."""
        given = list(headers)
        skip = [] if any(n.lower() == "content-type" for n, _ in given) else ["Content-Type"]
        return await (via or self.vendor).call(
            "POST", sender.path + query, data=body, headers=given, skip_auto_headers=skip
        )

    async def accept(self, sender: Sender, native: Native) -> list[str]:
        """Send *native*, which must be accepted; the ids of its events."""
        answer = await self.send(sender, native)
        assert answer.status == 202, answer.body
        assert answer.json["status"] == "accepted", answer.body
        return [event["id"] for event in answer.json["events"]]

    async def dbsize(self) -> int:
        """How many keys the whole store has."""
        return int(await call(self.store, "DBSIZE"))  # type: ignore[call-overload]

    async def own_keys(self) -> set[str]:
        """The keys of this gateway."""
        pattern = f"{self.keys.prefix}:*"
        return {key.decode() async for key in self.store.scan_iter(pattern, count=1000)}

    async def delivery(self, event_id: str, subscription_id: str) -> dict[str, Any]:
        """A delivery with its attempts."""
        id_ = f"dlv_{event_id[4:]}{subscription_id[4:]}"
        answer = await self.api.get(f"/v1/deliveries/{id_}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    async def settled(
        self, event_id: str, subscription_id: str, *, within: float = 15, **want: object
    ) -> dict[str, Any]:
        """The delivery once its fields are as *want* says; by default once it was attempted."""
        wanted = want or {"attempt_count": 1}
        found: dict[str, Any] = {}

        async def fits() -> bool:
            found.update(await self.delivery(event_id, subscription_id))
            return all(found[name] == value for name, value in wanted.items())

        await eventually(fits, within)
        return found

    async def age(self, subscription_id: str, by: timedelta) -> None:
        """Let *by* pass for what a subscription has queued, by the store's clock."""
        await let_pass(self.store, self.keys, subscription_id, by)
        await self.runtime.gateway.deliveries.expedite(subscription_id)

    async def quiet(self, subscription_id: str, within: float = 15) -> None:
        """Wait until nothing of a subscription is on its way, *within* seconds at most."""
        queue = self.keys.queue(subscription_id)

        async def empty() -> bool:
            return int(await self.store.zcard(queue)) == 0

        await eventually(empty, within)


# -- a subscriber ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """How a subscriber answers one request; *hold*: only once this is set."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One request that a subscriber got."""

    headers: Mapping[str, str]
    body: bytes
    path: str
    raw_headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The event's id."""
        return self.headers["webhook-id"]


Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Subscriber:
    """A real HTTP server: answers what *script* says next, then *usual*; keeps what it got."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.usual = Reply()
        self.received: list[Received] = []
        self.behave: Behaviour | None = None  # in place of script and usual
        self.url = self.secret = ""
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen; on the port of the first start when it was stopped."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/events"

    async def stop(self) -> None:
        """Stop listening: connections are refused from now on."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def ids(self) -> list[str]:
        """The event ids of what it got, in order."""
        return [one.id for one in self.received]

    async def wait(self, count: int = 1) -> list[Received]:
        """What it got, once that is *count* requests."""
        await until(lambda: len(self.received) >= count)
        return self.received

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(
            Received(request.headers.copy(), body, request.path, request.raw_headers)
        )
        if self.behave is not None:
            return await self.behave(request)
        reply = self.script.popleft() if self.script else self.usual
        if reply.hold is not None:
            await reply.hold.wait()
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


class Names(AbstractResolver):
    """Resolves every name to the addresses it was given, one list a question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The next answer; the last one for ever."""
        if not self.answers:
            raise OSError(None, "no such name")
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET6 if ":" in text else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for text in answer
        ]

    async def close(self) -> None:
        """Nothing is open."""


def sha256(body: bytes) -> str:
    """Hex digest of *body*."""
    return hashlib.sha256(body).hexdigest()
