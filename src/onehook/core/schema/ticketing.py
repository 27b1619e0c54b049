"""Tickets of any tracker."""

from typing import Literal

from onehook.core.schema.base import Day, Integer, LongText, Thing, Timestamp
from onehook.core.schema.common import Actor, Priority, Ref


class Ticket(Thing):
    """An issue, task, request or case. ``status`` is the source's own word, verbatim."""

    id: str
    key: str
    number: Integer | None
    title: str
    url: str | None
    description: LongText | None
    type: (
        Literal[
            "bug",
            "task",
            "story",
            "epic",
            "subtask",
            "incident",
            "problem",
            "change",
            "request",
            "question",
            "other",
            "unknown",
        ]
        | None
    )
    status: str | None
    status_category: Literal["todo", "in_progress", "done", "unknown"]
    resolution: (
        Literal[
            "completed",
            "wont_do",
            "duplicate",
            "cannot_reproduce",
            "canceled",
            "other",
            "unknown",
        ]
        | None
    )
    priority: Priority | None
    reporter: Actor | None
    assignee: Actor | None
    assignees: list[Actor] | None
    labels: list[str] | None
    components: list[str] | None
    project: Ref | None
    parent: Ref | None
    due_date: Day | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    resolved_at: Timestamp | None
