"""Webhooks in quarantine: their order, what is said of them, and how they leave."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from onehook.core.mapping.normalize import Quarantined
from onehook.core.model import WebhookId
from onehook.core.receipts import GONE, Receipt
from onehook.errors import NotFoundError
from onehook.store.events import CommitWebhook
from onehook.store.keys import Keys
from onehook.store.quarantine import Held, Position, QuarantineStore
from tests.builders import NOW
from tests.store.test_events import HOUR_MS, Shelf

HELD = Held("int_1", "acme", "no_rule", "why", None, "hi", NOW, 5, ("part",), ("marker",))


class Ward(Shelf):
    """A shelf with a quarantine."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        super().__init__(client, keys)
        self.quarantine = QuarantineStore(client, keys)  # type: ignore[arg-type]

    async def hold(self, *names: str) -> list[str]:
        """Commit quarantined webhooks of these *names* at once; their ids."""
        held = [self.webhook(name, events=0, quarantined="no_rule") for name in names]
        made = [replace(HELD, detail=name).pack() for name in names]
        await self.events.commit(
            [
                CommitWebhook(one.receipt, "int_1", one.markers, one.native, (), said)
                for one, said in zip(held, made, strict=True)
            ]
        )
        return [one.receipt.webhook_id for one in held]

    def released(self, name: str, *subscriptions: str, events: int = 1) -> CommitWebhook:
        """The webhook of that *name* as it comes out of the quarantine."""
        made = self.webhook(name, *subscriptions, events=events)
        return CommitWebhook(made.receipt, "int_1", made.markers, None, made.events)

    async def places(self) -> list[str]:
        """Who is in quarantine, newest first."""
        return [place.webhook_id for place in await self.quarantine.newest(count=99)]


@pytest.fixture
def ward(client: Redis, keys: Keys) -> Ward:
    """A store of this test's own."""
    return Ward(client, keys)


async def test_listed_newest_first_or_oldest_first(ward: Ward) -> None:
    """Places come by time, either way, with what was said of each."""
    for name in "abc":
        await ward.hold(name)

    newest = await ward.quarantine.newest(count=9)
    oldest = await ward.quarantine.oldest(count=9)

    assert oldest == newest[::-1]
    assert [entry.held.detail for entry in await ward.quarantine.entries(newest)] == [*"cba"]


async def test_pages_through_one_millisecond(ward: Ward) -> None:
    """Webhooks of one commit are of one moment; pages miss none of them and give none twice."""
    ids = await ward.hold(*[f"{n:02}" for n in range(30)])
    await ward.hold("later")

    down: list[str] = []
    place: Position | None = None
    while places := await ward.quarantine.newest(before=place, count=7):
        down += [one.webhook_id for one in places]
        place = places[-1]
    up: list[str] = []
    place = None
    while places := await ward.quarantine.oldest(after=place, count=7):
        up += [one.webhook_id for one in places]
        place = places[-1]

    assert sorted(down) == sorted(up) == sorted([*ids, f"whk_{'later':0>26}"])
    assert down == up[::-1]


async def test_time_range(ward: Ward) -> None:
    """*since* is inclusive, *until* exclusive."""
    await ward.hold("a")
    (place,) = await ward.quarantine.newest(count=1)
    step = timedelta(milliseconds=1)

    for since, until, found in (
        (place.at, place.at + step, 1),
        (place.at + step, None, 0),
        (None, place.at, 0),
    ):
        assert len(await ward.quarantine.newest(since=since, until=until, count=9)) == found


def test_position_comes_back() -> None:
    """A place written into a cursor is read from it."""
    place = Position(1_700_000_000_123, "whk_x")

    assert Position.parse(str(place)) == place
    assert place.at == datetime.fromtimestamp(1_700_000_000.123, UTC)


async def test_restated_only_while_it_is_there(ward: Ward) -> None:
    """A new reason replaces the old one; of what has left, nothing is written."""
    (id_,) = await ward.hold("a")
    again = HELD.again(Quarantined("schema_violation", "null", "/data/title"), "hello")

    await ward.quarantine.restate(id_, again)

    assert (await ward.quarantine.get(id_)).held == again
    await ward.quarantine.discard(id_)
    before = await ward.dump()
    await ward.quarantine.restate(id_, again)
    assert await ward.dump() == before


async def test_discarded_is_gone_and_its_markers_stay(ward: Ward) -> None:
    """A dropped webhook leaves nothing but its markers: a redelivery of it is a duplicate."""
    (id_,) = await ward.hold("a")

    await ward.quarantine.discard(id_)

    webhook = ward.webhook("a")
    assert set(await ward.dump()) == {marker.encode() for marker in webhook.markers}
    with pytest.raises(NotFoundError):
        await ward.quarantine.get(id_)
    with pytest.raises(NotFoundError):
        await ward.quarantine.discard(id_)
    later = replace(webhook, receipt=replace(webhook.receipt, webhook_id=WebhookId("whk_later")))
    ((receipt, duplicate),) = (await ward.events.commit([later])).receipts
    assert (receipt.webhook_id, receipt.quarantined, duplicate) == (id_, "no_rule", True)


async def test_release_is_one_step(ward: Ward) -> None:
    """What comes out has its events, queued; it is listed no more, and its receipt names them."""
    await ward.hold("a")
    webhook = ward.released("a", "sub_1")
    (marker,) = webhook.markers
    left = await ward.client.pttl(marker)

    ((receipt, duplicate),) = (await ward.events.commit([webhook])).receipts

    assert (receipt, duplicate) == (webhook.receipt, False)
    assert await ward.places() == []
    (event,) = webhook.events
    assert await ward.events.find_event(event.id) is not None
    assert await ward.client.zcard(ward.keys.queue("sub_1")) == 1
    native = await ward.events.find_native(webhook.receipt.webhook_id)
    assert native is not None
    assert native.webhook.body == b"a"
    assert Receipt.of_marker((await ward.client.get(marker)).decode()) == webhook.receipt
    assert 0 < await ward.client.pttl(marker) <= left
    fields = await ward.client.hgetall(ward.keys.native(webhook.receipt.webhook_id))
    assert set(fields) == {b"b", b"n"}


async def test_d3_release_twice_is_release_once(ward: Ward) -> None:
    """The same commit, sent again after its reply was lost, changes nothing and answers alike."""
    await ward.hold("a")
    webhook = ward.released("a", "sub_1")
    await ward.events.commit([webhook])
    before = await ward.dump()

    ((receipt, duplicate),) = (await ward.events.commit([webhook])).receipts

    assert (receipt, duplicate) == (webhook.receipt, False)
    assert await ward.dump() == before


async def test_release_of_what_was_deleted_says_so(ward: Ward) -> None:
    """Nothing is written for a webhook that was dropped before it could come out."""
    (id_,) = await ward.hold("a")
    await ward.quarantine.discard(id_)
    before = await ward.dump()

    ((receipt, duplicate),) = (await ward.events.commit([ward.released("a", "sub_1")])).receipts

    assert (receipt.quarantined, duplicate) == (GONE, False)
    assert await ward.dump() == before


async def test_release_keeps_each_part_as_long_as_it_must(ward: Ward) -> None:
    """With deliveries to make the native webhook has no expiry; without any it has its own."""
    await ward.hold("a", "b", "c")

    await ward.events.commit(
        [ward.released("a", "sub_1"), ward.released("b"), ward.released("c", events=0)]
    )

    kept = [await ward.ttl(ward.keys.native(f"whk_{name:0>26}")) for name in "abc"]
    assert kept[0] == -1
    assert kept[1] == kept[2] == ward.events.retention.native / timedelta(milliseconds=HOUR_MS)


async def test_release_makes_no_second_set(ward: Ward) -> None:
    """Events that the vendor's own redelivery has made meanwhile stay as they are."""
    await ward.hold("a")
    webhook = ward.released("a", "sub_1")
    (event,) = webhook.events
    await ward.client.delete(*webhook.markers)  # 72 h later
    other = ward.webhook("b", "sub_1", markers=["a"])
    native = CommitWebhook(other.receipt, "int_1", other.markers, other.native, webhook.events)
    await ward.events.commit([native])
    token = await ward.lease("sub_1")
    record = ward.record("b", event.id, "sub_1", token, "delivered")
    assert await ward.deliveries.record([record]) == [True]

    await ward.events.commit([webhook])

    assert await ward.places() == []
    assert await ward.client.zcard(ward.keys.queue("sub_1")) == 0
    assert len(await ward.events.index(since=None, until=None, before=None, count=9)) == 1
