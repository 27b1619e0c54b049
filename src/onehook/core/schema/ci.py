"""Builds and deployments."""

from typing import Literal

from onehook.core.schema.base import Integer, LongText, Thing, Timestamp
from onehook.core.schema.common import Ref
from onehook.core.schema.scm import Repository


class Build(Thing):
    """A pipeline or workflow run."""

    id: str
    number: Integer | None
    name: str
    url: str | None
    status: Literal[
        "queued", "running", "succeeded", "failed", "canceled", "skipped", "timed_out", "unknown"
    ]
    trigger: Literal["push", "pull_request", "schedule", "manual", "api", "unknown"] | None
    branch: str | None
    tag: str | None
    sha: str | None
    pull_requests: list[Ref] | None
    repository: Repository | None
    created_at: Timestamp | None
    started_at: Timestamp | None
    finished_at: Timestamp | None
    duration_ms: Integer | None


class Deployment(Thing):
    """A version on its way to an environment. ``environment`` is the source's word."""

    id: str
    status: Literal[
        "pending",
        "running",
        "succeeded",
        "failed",
        "canceled",
        "rolled_back",
        "inactive",
        "unknown",
    ]
    environment: str
    environment_tier: (
        Literal["production", "staging", "testing", "development", "other", "unknown"] | None
    )
    environment_url: str | None
    url: str | None
    service: Ref | None
    version: str | None
    branch: str | None
    sha: str | None
    build: Ref | None
    description: LongText | None
    repository: Repository | None
    created_at: Timestamp | None
    started_at: Timestamp | None
    finished_at: Timestamp | None
