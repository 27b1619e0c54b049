"""Facts of the gateway's own, as events of the category ``integration`` (`schema.md` §4).

A fact is a :class:`Notice`. It is written down with what it tells of, and becomes an event
afterwards: ``store/notices.py`` keeps what is not told yet, ``ingest/announcer.py`` tells it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from onehook.core import identity
from onehook.core.durations import render_duration
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.dates import render
from onehook.core.model import (
    DEFAULT_TENANT,
    Delivery,
    Event,
    Headers,
    IntegrationId,
    IntegrationInfo,
    Webhook,
)
from onehook.core.schema.events import SCHEMA_VERSION

# Subscriptions and replays belong to no integration: the gateway itself stands for one.
GATEWAY = IntegrationInfo(IntegrationId("int_onehook"), "onehook", "onehook")


def gateway_of(tenant: str) -> IntegrationInfo:
    """The gateway as the integration of facts that are *tenant*'s alone to know."""
    return replace(GATEWAY, tenant=tenant)


FAILURES = 10  # proofs refused in a row that are worth telling
FAILURES_APART = timedelta(hours=1)  # anybody can send forged requests, between good ones too
GROUP_APART = timedelta(minutes=1)  # a dead subscriber makes as many dead letters as there are
HEARD_EVERY = timedelta(minutes=1)  # how late a gateway may write down that it heard a webhook

STATUS = {
    "integration.connection.established": "established",
    "integration.connection.failed": "failed",
    "integration.sync.completed": "completed",
    "integration.subscription.paused": "paused",
    "integration.subscription.resumed": "resumed",
    "integration.delivery.failed": "failed",
    "integration.webhook.quarantined": "failed",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A fact: *type* (one of `STATUS`) happened *at* (aware UTC) to the thing of that *id*.

    *about* is the integration concerned, and its tenant is who is told. *subject* is the
    subscription concerned: it is not told of itself. Facts of one *group* that come quickly are
    told as one event, which is the latest and counts them in ``counts.failed``; None: an event
    each. *key* tells facts of one id, type and millisecond apart.
    """

    type: str
    id: str
    at: datetime
    about: IntegrationInfo = GATEWAY
    name: str | None = None
    reason: str | None = None
    events: int | None = None
    failed: int | None = None
    custom: Mapping[str, str] = field(default_factory=dict[str, str])
    subject: str | None = None
    group: str | None = None
    key: str = "0"

    @property
    def topic(self) -> str:
        """What it is written down under: facts of one topic that wait are told as one."""
        return f"{self.type} {self.group or f'{self.id} {epoch_ms(self.at)}'}"

    def times(self, count: int) -> "Notice":
        """The notice of *count* facts of its group, of which this is the latest."""
        return self if self.group is None else replace(self, failed=count)


class Telling(StrEnum):
    """What is told only so often of one thing."""

    ESTABLISHED = "established"
    REFUSED = "refused"
    SILENT = "silent"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to tell something of the thing of that *id*, for *moment* (aware UTC).

    It is taken if it was given for a moment that is not at least *apart* earlier; *apart* None:
    if it was ever given.
    """

    telling: Telling
    id: str
    moment: datetime
    apart: timedelta | None


def epoch_ms(moment: datetime) -> int:
    """*moment* in whole ms since 1970, as :func:`render` shows it: cut, not rounded."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


# -- the facts ------------------------------------------------------------------------------------


def established(integration: IntegrationInfo, at: datetime) -> tuple[Notice, Claim]:
    """The first verified webhook of *integration* came; told once in its life."""
    type_, about = "integration.connection.established", _about(integration)
    notice = Notice(type_, about.id, at, about, about.name)
    return notice, Claim(Telling.ESTABLISHED, about.id, at, None)


def refused(integration: IntegrationInfo, at: datetime) -> tuple[Notice, Claim]:
    """The proofs of `FAILURES` requests in a row were refused."""
    reason = f"the signatures of {FAILURES} requests in a row were refused; the last at "
    notice = _connection_failed(integration, at, reason + render(at))
    return notice, Claim(Telling.REFUSED, integration.id, at, FAILURES_APART)


def fell_silent(
    integration: IntegrationInfo, silent_after: timedelta, heard: datetime, now: datetime
) -> tuple[Notice, Claim] | None:
    """That nothing came since *heard* for longer than *silent_after*; None: something still may.

    Told once a silence: a silence is known by the webhook before it. Patient for `HEARD_EVERY`
    more, as another gateway may have heard something that it has not written down yet.
    """
    since = heard + silent_after
    if now < since + HEARD_EVERY:
        return None
    reason = f"no webhook for {render_duration(silent_after)}; the last came at {render(heard)}"
    notice = _connection_failed(integration, since, reason)
    return notice, Claim(Telling.SILENT, integration.id, heard, timedelta(milliseconds=1))


def _connection_failed(integration: IntegrationInfo, at: datetime, reason: str) -> Notice:
    about = _about(integration)
    return Notice("integration.connection.failed", about.id, at, about, about.name, reason)


def retried(
    run_id: str, at: datetime, events: int, failed: int, tenant: str = DEFAULT_TENANT
) -> Notice:
    """Webhooks in quarantine were normalized again: *events* were made, *failed* webhooks stay."""
    type_, about = "integration.sync.completed", gateway_of(tenant)
    return Notice(type_, run_id, at, about, "quarantine", events=events, failed=failed)


def quarantined(integration: IntegrationInfo, webhook_id: str, reason: str, at: datetime) -> Notice:
    """A verified webhook could not be normalized."""
    type_, about = "integration.webhook.quarantined", _about(integration)
    return Notice(type_, webhook_id, at, about, about.name, reason, failed=1, group=about.id)


def delivery_failed(
    delivery: Delivery, error: str | None, status: int | None, at: datetime
) -> Notice | None:
    """A delivery went to the dead letter; None where the event was itself such a notice.

    Otherwise two dead subscribers would tell each other of their dead letters for ever.
    """
    type_, subscription = "integration.delivery.failed", delivery.subscription
    if delivery.event_type == type_:
        return None
    return Notice(
        type_,
        subscription.id,
        at,
        gateway_of(subscription.tenant),
        subscription.name,
        reason=" ".join(str(word) for word in (error, status) if word is not None),
        failed=1,
        custom={
            "delivery_id": delivery.id,
            "event_id": delivery.event_id,
            "event_type": delivery.event_type,
        },
        subject=subscription.id,
        group=subscription.id,
        key=delivery.event_id,
    )


def pause_changed(
    subscription_id: str,
    name: str | None,
    before: str | None,
    after: str | None,
    at: datetime,
    tenant: str = DEFAULT_TENANT,
) -> Notice | None:
    """A subscription of *tenant* was paused or resumed; None where it was not.

    *before* and *after* say why it is paused, None: it is not.
    """
    if (before is None) == (after is None):
        return None
    type_ = f"integration.subscription.{'resumed' if after is None else 'paused'}"
    about = gateway_of(tenant)
    return Notice(type_, subscription_id, at, about, name, after, subject=subscription_id)


def sync_completed(
    replay_id: str, events: int, at: datetime, tenant: str = DEFAULT_TENANT
) -> Notice:
    """A bulk replay of so many of *tenant*'s *events* is done."""
    type_ = "integration.sync.completed"
    return Notice(type_, replay_id, at, gateway_of(tenant), events=events)


def group_claim(group: str, now: datetime) -> Claim:
    """The right to tell of *group* now: the first fact at once, what follows once a minute."""
    return Claim(Telling.GROUP, group, now, GROUP_APART)


def _about(integration: IntegrationInfo) -> IntegrationInfo:
    """*integration* without its settings, which are nobody else's business."""
    return replace(integration, settings={})


# -- as an event ----------------------------------------------------------------------------------


def notice_event(notice: Notice) -> tuple[Event, Webhook]:
    """The event of *notice*, and the webhook that stands for its native form.

    Its dedupe parts are the thing's id and the moment in ms: whoever tells a fact again, after a
    crash or in another gateway, makes the same event.
    """
    about, moment = notice.about, render(notice.at)
    parts = (notice.id, str(epoch_ms(notice.at)))
    event_id = identity.event_id(about.id, parts, notice.type, notice.key)
    facts = _facts(notice)
    native = encode({"type": notice.type, **facts})
    data: dict[str, JsonValue] = {
        "native": {"event": notice.type, "status": facts["status"]},
        "urn": f"oh:{GATEWAY.type}:{about.id}:notice:{notice.id}",
        **facts,
        "actor": None,
        "changes": [{"field": "status", "from": None, "to": facts["status"], "from_known": False}],
        "references": [],
        "custom": dict(notice.custom),
        "raw": {
            "ref": f"/v1/events/{event_id}/native",
            "content_type": "application/json",
            "size": len(native),
            "sha256": identity.digest(native),
            "body": None,
        },
        "truncated": [],
    }
    envelope: dict[str, JsonValue] = {
        "id": event_id,
        "type": notice.type,
        "schema_version": SCHEMA_VERSION,
        "timestamp": moment,
        "timestamp_basis": "occurred",
        "received_at": moment,
        "integration": {"id": about.id, "type": about.type, "name": about.name},
        "data": data,
    }
    event = Event(event_id, notice.type, data, envelope, encode(envelope))
    return event, Webhook(Headers([("content-type", "application/json")]), native, notice.at)


def _facts(notice: Notice) -> dict[str, JsonValue]:
    """The fields of the model `Notice`, less its urn."""
    counts: JsonValue = None
    if notice.events is not None or notice.failed is not None:
        counts = {"events": notice.events, "failed": notice.failed}
    return {
        "id": notice.id,
        "name": notice.name,
        "status": STATUS[notice.type],
        "reason": notice.reason or None,
        "url": None,  # our own paths need an API key: nothing that a browser opens
        "counts": counts,
        "created_at": render(notice.at),
    }
