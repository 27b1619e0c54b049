"""Facts of the gateway's own: what each says, when it is one, and the event it becomes."""

from datetime import UTC, datetime, timedelta

import pytest

from onehook.core.identity import digest, event_id
from onehook.core.jsontext import decode
from onehook.core.model import (
    Delivery,
    EventId,
    IntegrationId,
    IntegrationInfo,
    Subscription,
    SubscriptionId,
    WebhookId,
)
from onehook.core.notices import (
    FAILURES,
    HEARD_EVERY,
    STATUS,
    Notice,
    delivery_failed,
    established,
    fell_silent,
    notice_event,
    pause_changed,
    quarantined,
    refused,
)
from onehook.core.profiles.outlet import Outlet
from onehook.core.profiles.secrets import Keys as SigningKeys
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.core.schema.integration import Notice as NoticeModel

AT = datetime(2026, 11, 22, 10, 15, 0, 123_999, tzinfo=UTC)
AT_MS = "1795342500123"
HOUR = timedelta(hours=1)
GITHUB = IntegrationInfo(IntegrationId("int_a"), "github", "acme", {"owner": "not to be told"})
SUBSCRIPTION = Subscription(
    SubscriptionId("sub_" + "s" * 26),
    "https://example.com",
    ("*",),
    (),
    active=True,
    paused=False,
    filter=None,
    outlet=Outlet(SigningKeys(b"secret")),
    timeout=timedelta(seconds=10),
    retry=(),
    name="alerts",
)


def delivery(event_type: str = "scm.commit.pushed") -> Delivery:
    """A delivery of an event of that type."""
    id_ = EventId("evt_" + "e" * 26)
    return Delivery(SUBSCRIPTION, id_, event_type, WebhookId("whk_1"), b"{}", 1, 1)


def dead() -> Notice:
    """The notice of a dead letter."""
    notice = delivery_failed(delivery(), "status", 500, AT)
    assert notice is not None
    return notice


def paused() -> Notice:
    """The notice of a pause."""
    notice = pause_changed("sub_1", "alerts", None, "gone", AT)
    assert notice is not None
    return notice


EVERY = {
    "established": established(GITHUB, AT)[0],
    "refused": refused(GITHUB, AT)[0],
    "quarantined": quarantined(GITHUB, "whk_1", "no_rule: none takes it", AT),
    "dead letter": dead(),
    "paused": paused(),
    "sync": Notice("integration.sync.completed", "rpl_1", AT, events=7, failed=1),
}


def test_statuses_are_those_of_the_gateways_own_types() -> None:
    """Each type that the gateway makes itself exists and has a status of the model."""
    ours = {name for name, model in EVENT_TYPES.items() if model is NoticeModel}
    statuses = NoticeModel.model_json_schema()["properties"]["status"]["enum"]

    assert set(STATUS) == ours - {"integration.webhook.received"}
    assert set(STATUS.values()) <= set(statuses)


@pytest.mark.parametrize("notice", EVERY.values(), ids=EVERY)
def test_event_is_of_its_model(notice: Notice) -> None:
    """The event has every field of the schema and none besides; its body is the envelope."""
    event, native = notice_event(notice)

    data_model(NoticeModel).model_validate(event.data)
    assert decode(event.body) == event.envelope
    assert event.envelope["data"] == event.data
    assert event.envelope["timestamp"] == "2026-11-22T10:15:00.123Z"
    raw = event.data["raw"]
    assert isinstance(raw, dict)
    assert (raw["sha256"], raw["size"]) == (digest(native.body), len(native.body))
    assert raw["ref"] == f"/v1/events/{event.id}/native"
    assert b"not to be told" not in event.body + native.body


def test_event_id_is_of_the_thing_and_the_moment() -> None:
    """The dedupe parts are the thing's id and the moment in ms: the same fact is one event."""
    event, _ = notice_event(paused())

    type_ = "integration.subscription.paused"
    assert event.id == event_id("int_onehook", ["sub_1", AT_MS], type_, "0")


def test_two_deaths_of_one_moment_are_two_events() -> None:
    """Dead letters of one subscription and millisecond are told apart by what died."""
    other = Delivery(
        SUBSCRIPTION, EventId("evt_" + "f" * 26), "scm.commit.pushed", WebhookId("w"), b"", 1, 1
    )
    second = delivery_failed(other, "status", 500, AT)
    assert second is not None

    assert notice_event(dead())[0].id != notice_event(second)[0].id


def test_connection_is_told_of_its_integration_and_the_rest_of_the_gateway() -> None:
    """The envelope names the integration concerned; for subscriptions and syncs the gateway."""
    about = {
        name: notice_event(notice)[0].envelope["integration"] for name, notice in EVERY.items()
    }

    github = {"id": "int_a", "type": "github", "name": "acme"}
    gateway = {"id": "int_onehook", "type": "onehook", "name": "onehook"}
    assert {name for name, info in about.items() if info == github} == {
        "established",
        "refused",
        "quarantined",
    }
    assert {name for name, info in about.items() if info == gateway} == {
        "dead letter",
        "paused",
        "sync",
    }


def test_what_a_notice_says() -> None:
    """Status, reason and counts tell what happened; the change is of the status."""
    said = {
        name: (event.data["id"], event.data["status"], event.data["reason"], event.data["counts"])
        for name, notice in EVERY.items()
        for event, _ in (notice_event(notice),)
    }

    refusal = f"the signatures of {FAILURES} requests in a row were refused; the last at "
    one = {"events": None, "failed": 1}
    assert said == {
        "established": ("int_a", "established", None, None),
        "refused": ("int_a", "failed", f"{refusal}2026-11-22T10:15:00.123Z", None),
        "quarantined": ("whk_1", "failed", "no_rule: none takes it", one),
        "dead letter": (SUBSCRIPTION.id, "failed", "status 500", one),
        "paused": ("sub_1", "paused", "gone", None),
        "sync": ("rpl_1", "completed", None, {"events": 7, "failed": 1}),
    }
    event, _ = notice_event(EVERY["paused"])
    assert event.data["changes"] == [
        {"field": "status", "from": None, "to": "paused", "from_known": False}
    ]


def test_dead_letter_names_what_died() -> None:
    """A dead letter's notice leads to delivery and event; its subscription does not get it."""
    notice = dead()

    assert notice.custom == {
        "delivery_id": f"dlv_{'e' * 26}{'s' * 26}",
        "event_id": f"evt_{'e' * 26}",
        "event_type": "scm.commit.pushed",
    }
    assert (notice.subject, notice.name) == (SUBSCRIPTION.id, "alerts")


def test_dead_letter_of_a_dead_letter_is_no_fact() -> None:
    """Two dead subscribers would otherwise tell each other for ever; other notices are told of."""
    assert delivery_failed(delivery("integration.delivery.failed"), "status", 500, AT) is None
    assert delivery_failed(delivery("integration.subscription.paused"), "timeout", None, AT)


@pytest.mark.parametrize(
    ("before", "after", "type_"),
    [
        (None, "manual", "integration.subscription.paused"),
        ("manual", None, "integration.subscription.resumed"),
        (None, None, None),
        ("gone", "manual", None),
    ],
)
def test_pause_and_resume_are_facts_once(
    before: str | None, after: str | None, type_: str | None
) -> None:
    """Pausing what is paused, or resuming what runs, changes nothing and tells nothing."""
    notice = pause_changed("sub_1", None, before, after, AT)

    assert (notice.type if notice else None) == type_


def test_silence_begins_when_patience_has_ended() -> None:
    """Told of once nothing came for that long, and a minute more; the moment is the first of it."""
    due = AT + HOUR + HEARD_EVERY

    assert fell_silent(GITHUB, HOUR, AT, due - timedelta(milliseconds=1)) is None
    found = fell_silent(GITHUB, HOUR, AT, due)

    assert found is not None
    notice, claim = found
    assert notice.at == AT + HOUR
    assert notice.reason == "no webhook for 1h; the last came at 2026-11-22T10:15:00.123Z"
    assert claim.moment == AT  # whenever it is found again, it is the same silence
    later = fell_silent(GITHUB, HOUR, AT, due + 9 * HOUR)
    assert later == found


def test_only_floods_are_grouped() -> None:
    """Dead letters and quarantined webhooks may be many, and count together; the rest never."""
    grouped = {name for name, notice in EVERY.items() if notice.times(5).failed == 5}

    assert grouped == {"quarantined", "dead letter"}
    assert EVERY["sync"].times(2) == EVERY["sync"]
    topics = [notice.topic for notice in EVERY.values()]
    assert len(set(topics)) == len(topics)
    assert quarantined(GITHUB, "whk_2", "", AT + HOUR).topic == EVERY["quarantined"].topic
