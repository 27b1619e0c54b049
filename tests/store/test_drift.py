"""Counts of what does not fit: added up in the store, bounded, and written in the background."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as AwayError

from onehook.core.drift import Oddity
from onehook.core.integration import Normalized
from onehook.core.mapping.normalize import Emitted, Ignored
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.store import drift as module
from onehook.store.drift import Drift
from onehook.store.keys import Keys
from tests.builders import NOW

WEBHOOK = Webhook(Headers([("content-type", "application/json")]), b'{"kind": "x"}', NOW)
ACME = IntegrationInfo(IntegrationId("int_1"), "acme", "Acme")
OTHER = IntegrationInfo(IntegrationId("int_2"), "other", "Other")
DAY_MS = 24 * 3600 * 1000


def unmapped(*values: str) -> Normalized:
    """A webhook with these states, which no table names."""
    return Normalized(Emitted((), tuple(("state", v) for v in values)), ("1",), None, "", "hi")


def ignored(event: str) -> Normalized:
    """A webhook that its mapping ignores."""
    return Normalized(Ignored("not mapped"), ("1",), None, "", event)


@pytest.fixture
def drift(client: Redis, keys: Keys) -> Drift:
    """The counts of this test."""
    return Drift(client, keys)  # type: ignore[arg-type]


async def counts(drift: Drift) -> dict[str, int]:
    """Value to count."""
    return {seen.oddity.value: seen.count for seen in (await drift.read("acme"))[0]}


async def test_counted_with_the_last_sample(drift: Drift) -> None:
    """Equal oddities add up, over flushes and processes; the last webhook is the sample."""
    drift.note(ACME, unmapped("a", "b"), WEBHOOK, "whk_1")
    drift.note(ACME, unmapped("a"), WEBHOOK, "whk_2")
    await drift.flush()
    other = Drift(drift.client, drift.keys)
    other.note(ACME, unmapped("a"), WEBHOOK, "whk_3")
    await other.flush()

    found, uncounted = await drift.read("acme")

    assert {(s.oddity, s.count, s.sample.webhook_id) for s in found} == {
        (Oddity("value", "state", "a"), 3, "whk_3"),
        (Oddity("value", "state", "b"), 1, "whk_1"),
    }
    assert found[0].oddity.value == "a"  # seen last
    assert all(seen.first_seen <= seen.last_seen for seen in found)
    assert uncounted == 0


async def test_clean_webhooks_cost_nothing(drift: Drift) -> None:
    """A webhook in which all fits leaves no trace, neither here nor in the store."""
    drift.note(ACME, unmapped(), WEBHOOK, "whk_1")

    assert drift._pending == {}
    assert await drift.read("acme") == ([], 0)
    assert await drift.client.hgetall(drift.keys.drift("acme")) == {}


async def test_ignored_is_sampled_by_its_members(drift: Drift) -> None:
    """What is not kept has no id: its body's members and their kinds stand for it."""
    drift.note(ACME, ignored("star"), WEBHOOK)

    ((seen,), _) = await drift.read("acme")

    assert (seen.sample.webhook_id, seen.sample.members) == (None, {"kind": "string"})
    assert seen.oddity == Oddity("ignored", "not mapped", "star")


@pytest.mark.parametrize("body", [b"{oops", b"", b"[" * 100_000, b'"' + b"x" * 99_999 + b'"'])
async def test_body_that_cannot_be_sampled(drift: Drift, body: bytes) -> None:
    """A body that is no JSON, or too large, is counted without a sample."""
    drift.note(ACME, ignored("star"), Webhook(WEBHOOK.headers, body, NOW))

    ((seen,), _) = await drift.read("acme")

    assert seen.count == 1
    assert seen.sample.members is None


async def test_platforms_are_apart(drift: Drift) -> None:
    """Counts of one platform are not another's; forgetting one leaves the other."""
    drift.note(ACME, unmapped("a"), WEBHOOK, "whk_1")
    drift.note(OTHER, unmapped("b"), WEBHOOK, "whk_2")
    await drift.flush()
    drift.note(OTHER, unmapped("c"), WEBHOOK, "whk_2")

    await drift.clear("other")

    assert await drift.read("other") == ([], 0)
    assert await counts(drift) == {"a": 1}


async def test_h8_names_are_bounded_here_and_there(
    drift: Drift, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many values are invented, a bounded number is kept, and the rest is counted."""
    monkeypatch.setattr(module, "MOST", 10)
    for n in range(25):
        drift.note(ACME, unmapped(str(n)), WEBHOOK, "whk_1")
    assert len(drift._pending[drift.keys.drift("acme")]) == 10
    found, uncounted = await drift.read("acme")
    assert (len(found), uncounted) == (10, 15)

    for n in range(5, 15):
        drift.note(ACME, unmapped(str(n)), WEBHOOK, "whk_1")
    found, uncounted = await drift.read("acme")

    assert (len(found), uncounted) == (10, 20)
    assert await counts(drift) == {str(n): 1 + (n >= 5) for n in range(10)}
    assert await drift.client.pttl(drift.keys.drift("acme")) > 29 * DAY_MS  # type: ignore[attr-defined]


async def test_names_not_seen_for_long_make_room(
    drift: Drift, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full list drops what was not seen for 30 days before it counts without a name."""
    monkeypatch.setattr(module, "MOST", 3)
    drift.note(ACME, unmapped("old", "a", "b"), WEBHOOK, "whk_1")
    await drift.flush()
    key, name = drift.keys.drift("acme"), b'["value","state","old",""]'
    row = (await client.hget(key, name)).split(b"|", 3)
    ago = str(int(row[2]) - 31 * DAY_MS).encode()
    await client.hset(key, name, b"|".join([row[0], ago, ago, row[3]]))
    assert await counts(drift) == {"a": 1, "b": 1}

    drift.note(ACME, unmapped("new", "newer"), WEBHOOK, "whk_2")

    found, uncounted = await drift.read("acme")
    assert {seen.oddity.value for seen in found} == {"a", "b", "new"}
    assert uncounted == 1


async def test_store_away_postpones(drift: Drift, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written stays, is added to what comes, and is written later."""
    drift.note(ACME, unmapped("a", "b"), WEBHOOK, "whk_1")

    async def fail(*_: object) -> None:
        raise AwayError

    with monkeypatch.context() as away:
        away.setattr(module.DRIFT, "run", fail)
        await drift.flush()
        drift.note(ACME, unmapped("a"), WEBHOOK, "whk_2")
        await drift.flush()

    assert await counts(drift) == {"a": 2, "b": 1}
