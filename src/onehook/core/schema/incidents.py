"""Incidents."""

from typing import Literal

from onehook.core.schema.base import Integer, LongText, Thing, Timestamp
from onehook.core.schema.common import Actor, Level, Priority, Ref, Severity


class Incident(Thing):
    """An incident. ``severity`` comes from the priority where the platform has none."""

    id: str
    key: str | None
    number: Integer | None
    title: str
    url: str | None
    description: LongText | None
    status: Literal["triggered", "acknowledged", "resolved", "closed", "unknown"]
    severity: Severity | None
    urgency: Level | None
    impact: Level | None
    priority: Priority | None
    service: Ref | None
    assignees: list[Actor] | None
    teams: list[Ref] | None
    escalation_policy: Ref | None
    escalation_level: Integer | None
    dedup_key: str | None
    resolution_note: LongText | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    acknowledged_at: Timestamp | None
    resolved_at: Timestamp | None
