"""Findings, scans, alerts."""

from typing import Literal

from onehook.core.schema.base import Integer, LongText, Model, Number, Thing, Timestamp
from onehook.core.schema.common import Actor, Label, Ref, Severity
from onehook.core.schema.scm import Repository


class Package(Model):
    """The package that a finding is in."""

    ecosystem: str | None
    name: str | None
    version: str | None
    fixed_version: str | None
    purl: str | None


class Location(Model):
    """Where in the code a finding is."""

    path: str | None
    start_line: Integer | None
    end_line: Integer | None
    branch: str | None
    commit_sha: str | None


class Vulnerability(Thing):
    """Any finding. A secret that was found never appears itself."""

    id: str
    key: str | None
    title: str
    url: str | None
    description: LongText | None
    type: (
        Literal[
            "dependency",
            "code",
            "secret",
            "container",
            "infrastructure",
            "license",
            "other",
            "unknown",
        ]
        | None
    )
    state: Literal["open", "fixed", "dismissed", "unknown"]
    severity: Severity | None
    cvss_score: Number | None
    identifiers: list[Label] | None
    package: Package | None
    location: Location | None
    tool: str | None
    assignees: list[Actor] | None
    project: Ref | None
    scan: Ref | None
    affected_assets: list[str] | None
    dismissed_reason: (
        Literal["false_positive", "wont_fix", "risk_accepted", "used_in_tests", "other", "unknown"]
        | None
    )
    repository: Repository | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    fixed_at: Timestamp | None
    dismissed_at: Timestamp | None


class ScanCounts(Model):
    """How many findings of each severity."""

    critical: Integer | None
    high: Integer | None
    medium: Integer | None
    low: Integer | None
    info: Integer | None
    total: Integer | None


class Scan(Thing):
    """A run of a scanner."""

    id: str
    name: str | None
    tool: str | None
    status: Literal["queued", "running", "succeeded", "failed", "canceled", "timed_out", "unknown"]
    progress_percent: Integer | None
    score: Integer | None
    duration_ms: Integer | None
    project: Ref | None
    branch: str | None
    counts: ScanCounts | None
    url: str | None
    repository: Repository | None
    commit_sha: str | None
    started_at: Timestamp | None
    finished_at: Timestamp | None


class Alert(Thing):
    """Something that a security tool reports, no finding in code."""

    id: str
    title: str
    severity: Severity | None
    rule: str | None
    description: LongText | None
    affected_assets: list[str] | None
    url: str | None
    created_at: Timestamp | None
