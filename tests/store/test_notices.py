"""What waits to be told: written with what it tells of, once, until it is taken off."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from redis.asyncio import Redis
from structlog.testing import capture_logs

from onehook.core.model import IntegrationId, IntegrationInfo
from onehook.core.notices import (
    Claim,
    Notice,
    Telling,
    established,
    group_claim,
    pause_changed,
    quarantined,
)
from onehook.store.keys import Keys
from onehook.store.notices import NoticeStore
from onehook.store.untold import Untold
from tests.builders import NOW
from tests.store.test_events import Shelf

GITHUB = IntegrationInfo(IntegrationId("int_a"), "github", "acme")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Shelf:
    """A store of this test's own."""
    return Shelf(client, keys)


@pytest.fixture
def notices(client: Redis, keys: Keys) -> NoticeStore:
    """The notices of the same store."""
    return NoticeStore(client, keys)  # type: ignore[arg-type]


def odd(webhook_id: str, at: datetime = NOW) -> Notice:
    """The notice of a quarantined webhook."""
    return quarantined(GITHUB, webhook_id, "no_rule: none takes it", at)


def said(untold: list[Untold]) -> list[tuple[str, int]]:
    """Of each what it is about, and how many there are."""
    return [(one.notice.id, one.count) for one in untold]


# -- claims ---------------------------------------------------------------------------------------


async def test_claim_once_and_for_all_is_given_once(notices: NoticeStore) -> None:
    """Whoever asks second is refused, however much later, and writes nothing down."""
    notice, claim = established(GITHUB, NOW)

    assert await notices.claim(claim, notice)
    again = replace(claim, moment=NOW + timedelta(days=400))
    assert not await notices.claim(again, replace(notice, at=again.moment))

    assert [one.notice for one in await notices.untold()] == [notice]


async def test_claims_lie_apart(notices: NoticeStore) -> None:
    """A claim is given again once its time has passed since the last one that was given."""
    given = [
        await notices.claim(group_claim("sub_1", NOW + after))
        for after in (timedelta(0), MINUTE - timedelta(milliseconds=1), MINUTE, 1.5 * MINUTE)
    ]

    assert given == [True, False, True, False]
    assert await notices.claim(group_claim("sub_2", NOW))
    assert await notices.untold() == []


async def test_claim_for_an_earlier_moment_is_refused(notices: NoticeStore) -> None:
    """A silence that was told of is not told of again because an older webhook is looked at."""
    silence = Claim(Telling.SILENT, "int_a", NOW, timedelta(milliseconds=1))
    assert await notices.claim(silence)

    assert not await notices.claim(silence)
    assert not await notices.claim(replace(silence, moment=NOW - MINUTE))
    assert await notices.claim(replace(silence, moment=NOW + timedelta(milliseconds=1)))


async def test_d3_claim_run_twice_leaves_the_same_state(shelf: Shelf, notices: NoticeStore) -> None:
    """A repeated claim, after a lost answer, changes nothing: its notice is written down once."""
    notice, claim = established(GITHUB, NOW)
    await notices.claim(claim, notice)
    before = await shelf.dump()

    await notices.claim(claim, notice)

    assert await shelf.dump() == before
    assert said(await notices.untold()) == [("int_a", 1)]


# -- what is to be told ---------------------------------------------------------------------------


async def test_untold_come_in_order_of_what_happened(notices: NoticeStore) -> None:
    """A pause and its resumption are told in their order, whatever order they are found in."""
    sequence = [(None, "manual"), ("manual", None), (None, "gone")]
    for n, (before, after) in reversed(list(enumerate(sequence))):
        notice = pause_changed("sub_1", None, before, after, NOW + n * MINUTE)
        assert notice is not None
        await notices.announce(notice)

    assert [one.notice.reason for one in await notices.untold()] == ["manual", None, "gone"]


async def test_settled_are_told_and_newcomers_stay(notices: NoticeStore) -> None:
    """Facts of a group that come while it is being told are counted for the next time."""
    await notices.announce(odd("whk_1"))
    await notices.announce(odd("whk_2", NOW + MINUTE))
    (told,) = await notices.untold()
    assert (told.notice.id, told.count) == ("whk_2", 2)
    await notices.announce(odd("whk_3", NOW + 2 * MINUTE))

    await notices.settle(told)

    (left,) = await notices.untold()
    assert (left.notice.id, left.count) == ("whk_3", 1)
    await notices.settle(left)
    assert await notices.untold() == []


async def test_settled_twice_is_settled_once(shelf: Shelf, notices: NoticeStore) -> None:
    """Two gateways that told the same fact both take it off; nothing of it is left behind."""
    await notices.announce(odd("whk_1"))
    (told,) = await notices.untold()

    await notices.settle(told)
    await notices.settle(told)

    assert await shelf.dump() == {}


async def test_unreadable_notice_holds_up_no_other(notices: NoticeStore) -> None:
    """What another release wrote is left for it, and said; the rest is told."""
    await notices.announce(odd("whk_1"))
    key = notices.keys.config("untold")
    pipe = notices.client.pipeline()
    pipe.hset(key, "t:from the future", b'{"fact":1}')
    await pipe.execute()

    with capture_logs() as logs:
        found = await notices.untold()

    assert said(found) == [("whk_1", 1)]
    assert [(line["event"], line["topic"]) for line in logs] == [
        ("notice.unreadable", "from the future")
    ]


# -- written with what they tell of ---------------------------------------------------------------


async def test_quarantine_and_its_notice_are_one_commit(shelf: Shelf, notices: NoticeStore) -> None:
    """A quarantined webhook is committed with its notice; a repeated batch adds none."""
    held = shelf.webhook("a", events=0, quarantined="no_rule")
    held = structs.replace(held, notice=odd(held.receipt.webhook_id))
    plain = shelf.webhook("b", "sub_1")
    await shelf.events.commit([held, plain])
    (untold,) = await notices.untold()
    assert (untold.notice, untold.count) == (held.notice, 1)

    await shelf.events.commit([held, plain])

    assert await notices.untold() == [untold]
    assert await shelf.deliveries.due() == ["sub_1"]


async def test_dead_letter_and_its_notice_are_one_record(
    shelf: Shelf, notices: NoticeStore
) -> None:
    """A dead letter is recorded with its notice; a record whose lease was lost writes none."""
    ids = {name: await shelf.commit_one(name, "sub_1") for name in "abc"}
    leased = {one.event_id: one.token for one in await shelf.deliveries.lease("sub_1", 3, MINUTE)}
    records = [
        shelf.record(name, ids[name], "sub_1", leased[ids[name]], outcome)
        for name, outcome in (("a", "dead"), ("b", "dead"), ("c", "delivered"))
    ]
    records[0] = replace(records[0], notice=odd("whk_a"))

    assert await shelf.deliveries.record(records) == [True, True, True]
    assert await shelf.deliveries.record(records) == [False, False, False]

    assert said(await notices.untold()) == [("whk_a", 1)]
    assert await shelf.client.zcard(shelf.keys.dead("sub_1")) == 2


# -- who was heard --------------------------------------------------------------------------------


async def test_heard_never_goes_back(notices: NoticeStore) -> None:
    """Of several gateways that heard an integration the last one counts, to the millisecond."""
    at = datetime(2026, 11, 22, 10, 15, 0, 123_000, tzinfo=UTC)
    await notices.hear({"int_a": at, "int_b": at})
    await notices.hear({"int_a": at - MINUTE, "int_b": at + MINUTE})

    assert await notices.heard() == {"int_a": at, "int_b": at + MINUTE}


async def test_forgotten_leaves_nothing(shelf: Shelf, notices: NoticeStore) -> None:
    """Of a deleted integration or subscription neither claims nor moments are kept."""
    for telling in Telling:
        await notices.claim(Claim(telling, "int_a", NOW, None))
    await notices.hear({"int_a": NOW})

    await notices.forget("int_a")

    assert await shelf.dump() == {}
