"""Who is let in: rows A12, A13 and B8 of the threats."""

import asyncio
from typing import Any, cast

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from onehook.errors import NotFoundError, RateLimitedError, SignatureError
from onehook.ingest.guard import MAX_SITES, Guard
from tests.builders import Answer, Native, Running, Sender, eventually, issue
from tests.conftest import StartGateway


async def send(gateway: Running, sender: Sender, native: Native, **headers: str) -> Answer:
    """POST *native*, signed, with more headers."""
    given = [*native.headers.items(), *gateway.proof(sender, native), *headers.items()]
    named = [(name.replace("_", "-"), value) for name, value in given]
    return await gateway.post(sender, native.body, named)


async def forge(gateway: Running, sender: Sender, times: int = 1, **headers: str) -> list[int]:
    """The statuses of *times* webhooks that are signed wrongly."""
    native = issue()
    given = {**native.headers, "X-Hub-Signature-256": "sha256=" + "0" * 64, **headers}
    named = [(name.replace("_", "-"), value) for name, value in given.items()]
    return [(await gateway.post(sender, native.body, named)).status for _ in range(times)]


# -- A12 ------------------------------------------------------------------------------------------


async def test_a12_only_listed_addresses_may_send(gateway: Running) -> None:
    """Any other is 403 ip_not_allowed, whatever it forwards; an emptied list lets all in."""
    sender = await gateway.integrate(allow_from=["192.0.2.0/24"])

    refused = await send(gateway, sender, issue(), X_Forwarded_For="192.0.2.1")
    path = f"/v1/integrations/{sender.id}"
    listed = await gateway.api.patch(path, {"allow_from": ["192.0.2.1", "127.0.0.1"]})
    taken = await send(gateway, sender, issue())
    emptied = await gateway.api.patch(path, {"allow_from": None})

    assert (refused.status, refused.json["code"]) == (403, "ip_not_allowed")
    assert listed.json["allow_from"] == ["192.0.2.1", "127.0.0.1"]
    assert taken.status == 202
    assert emptied.json["allow_from"] == []


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.1", 202),
        ("192.0.2.1:4711", 202),
        ("::ffff:192.0.2.1", 202),
        ("192.0.2.1, 203.0.113.5", 403),
        ("203.0.113.5, 192.0.2.1", 202),
        ("unknown", 403),
    ],
)
async def test_a12_forwarded_addresses_count_behind_a_named_proxy(
    start_gateway: StartGateway, forwarded: str, status: int
) -> None:
    """With ONEHOOK_TRUSTED_PROXIES its X-Forwarded-For tells the sender: what it added itself."""
    gateway = await start_gateway(trusted_proxies="127.0.0.0/8")
    sender = await gateway.integrate(allow_from=["192.0.2.0/24"])

    assert (await send(gateway, sender, issue(), X_Forwarded_For=forwarded)).status == status


# -- A13 ------------------------------------------------------------------------------------------


async def test_a13_who_fails_too_often_is_429(start_gateway: StartGateway) -> None:
    """Wrong signatures and unknown URLs share a budget; then 429 with Retry-After, told once."""
    gateway = await start_gateway(sender_failures=5)
    sender = await gateway.integrate()

    with capture_logs() as logs:
        first = await forge(gateway, sender, 3)
        unknown = [(await gateway.vendor.call("POST", "/ingest/x")).status for _ in range(4)]
        answer = await gateway.vendor.call("POST", f"{sender.path}")

    assert (first, unknown) == ([401] * 3, [404, 404, 429, 429])
    assert (answer.status, answer.json["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert [one["event"] for one in logs].count("sender.throttled") == 1


async def test_a13_unknown_and_disabled_are_throttled_alike(start_gateway: StartGateway) -> None:
    """Guessing learns nothing from the order of 404 and 429 either."""
    answers: list[list[tuple[int, bytes]]] = []
    for active in (True, False):
        gateway = await start_gateway(sender_failures=3)
        sender = await gateway.integrate(active=False)
        path = "/ingest/int_nobody" if active else sender.path
        got = [await gateway.vendor.call("POST", path) for _ in range(5)]
        answers.append([(answer.status, answer.body) for answer in got])

    assert answers[0] == answers[1]
    assert [status for status, _ in answers[0]] == [404, 404, 404, 429, 429]


async def test_a13_others_are_taken_meanwhile(start_gateway: StartGateway) -> None:
    """The budget is of one address: a sender elsewhere is not touched by it."""
    gateway = await start_gateway(sender_failures=3, trusted_proxies="127.0.0.0/8")
    sender = await gateway.integrate()

    bad = await forge(gateway, sender, 5, X_Forwarded_For="198.51.100.9")
    same = await send(gateway, sender, issue(), X_Forwarded_For="198.51.100.9")
    good = await send(gateway, sender, issue(), X_Forwarded_For="198.51.100.10")

    assert bad == [401, 401, 401, 429, 429]
    assert (same.status, good.status) == (429, 202)


async def test_a13_who_was_verified_is_heard_beside_forgers(start_gateway: StartGateway) -> None:
    """Where honest and forged come from one address, only the forged ones are refused."""
    gateway = await start_gateway(sender_failures=3)
    sender = await gateway.integrate()
    assert (await gateway.send(sender, issue())).status == 202

    bad = await forge(gateway, sender, 6)

    assert bad == [401, 401, 401, 429, 429, 429]
    assert (await gateway.send(sender, issue(2))).status == 202


class Request:
    """What the guard looks at of a request."""

    def __init__(self, remote: str) -> None:
        self.remote, self.headers = remote, {}


def request(remote: str) -> web.Request:
    """A request from *remote*."""
    return cast("Any", Request(remote))


def test_a13_what_is_remembered_is_bounded() -> None:
    """Failures from very many addresses forget the oldest, never more than so many are kept."""
    guard = Guard((), 1, 1, lambda: 0.0)
    wrong = SignatureError("none of 1 secret(s) fits")
    addresses = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(MAX_SITES + 10)]

    for address in addresses:
        assert guard.judge(request(address), wrong) is wrong

    assert isinstance(guard.judge(request(addresses[-1]), wrong), RateLimitedError)
    assert guard.judge(request(addresses[0]), wrong) is wrong  # forgotten
    assert guard.sites == MAX_SITES


def test_a13_the_budget_comes_back_with_time() -> None:
    """A minute gives the whole budget back; other errors use nothing of it."""
    now = [0.0]
    guard, unknown = Guard((), 2, 1, lambda: now[0]), NotFoundError("there is none")
    bad = [guard.judge(request("192.0.2.1"), unknown) for _ in range(3)]
    now[0] = 60.0
    again = [guard.judge(request("192.0.2.1"), unknown) for _ in range(3)]

    for answers in (bad, again):
        assert [answer is unknown for answer in answers] == [True, True, False]


# -- B8 -------------------------------------------------------------------------------------------


async def test_b8_one_integration_at_its_limit_leaves_the_others(
    start_gateway: StartGateway,
) -> None:
    """Beyond so many at once its requests are 503 overloaded; another's are taken."""
    gateway = await start_gateway(sender_concurrency=2)
    busy, other = await gateway.integrate(verify="none"), await gateway.integrate()
    native = issue()
    gates = [asyncio.Event(), asyncio.Event()]

    async def slowly(gate: asyncio.Event):
        yield native.body[:10]
        await gate.wait()
        yield native.body[10:]

    async def is_full() -> bool:
        return (await gateway.vendor.get(busy.path)).status == 503

    slow = [
        asyncio.create_task(gateway.post(busy, slowly(gate), native.headers.items()))
        for gate in gates
    ]
    try:
        await eventually(is_full)  # a GET is 405 until both are here
        refused = await gateway.post(busy, native.body, native.headers.items())
        assert refused.status == 503
        assert refused.json["code"] == "overloaded"
        assert refused.headers["Retry-After"] == "1"
        assert (await gateway.send(other, issue())).status == 202
    finally:
        for gate in gates:
            gate.set()
    assert {(await one).status for one in slow} <= {200, 202}
    last = issue(3)
    assert (await gateway.post(busy, last.body, last.headers.items())).status == 202


async def test_b8_a_rate_limit_is_of_one_integration(gateway: Running) -> None:
    """Beyond its rate_limit an integration is 429 with Retry-After; another is not."""
    limited = await gateway.integrate(rate_limit={"per_minute": 1, "burst": 2})
    other = await gateway.integrate()

    answers = [await gateway.send(limited, issue(n)) for n in range(3)]

    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[2].json["code"] == "rate_limited"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert (await gateway.send(other, issue())).status == 202


async def test_b8_forgers_use_up_no_rate(gateway: Running) -> None:
    """Only verified webhooks count: what is forged cannot starve the real sender."""
    sender = await gateway.integrate(rate_limit={"per_minute": 1, "burst": 2})

    await forge(gateway, sender, 10)

    assert [(await gateway.send(sender, issue(n))).status for n in range(2)] == [202, 202]


async def test_b8_a_rate_limit_is_changed_and_taken_away(gateway: Running) -> None:
    """PATCH merges it; null takes it away."""
    sender = await gateway.integrate(rate_limit={"per_minute": 120})
    path = f"/v1/integrations/{sender.id}"

    shown = [
        (await gateway.api.patch(path, {"rate_limit": change})).json["rate_limit"]
        for change in ({"burst": 9}, {"per_minute": 60}, None)
    ]

    assert shown == [{"per_minute": 120, "burst": 9}, {"per_minute": 60, "burst": 9}, None]
