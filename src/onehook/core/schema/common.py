"""Models that every category uses: people, short references, changes, comments."""

from typing import Literal

from pydantic import JsonValue

from onehook.core.schema.base import (
    Custom,
    Email,
    Integer,
    Model,
    Number,
    Part,
    Scalar,
)

Priority = Literal["critical", "high", "medium", "low", "lowest", "unknown"]
Severity = Literal["critical", "high", "medium", "low", "info", "unknown"]
Level = Literal["high", "medium", "low", "unknown"]


class Actor(Part):
    """A person, bot or service. ``email`` is lower case: it joins people across platforms."""

    id: str | None
    type: Literal["user", "bot", "service", "system", "unknown"]
    username: str | None
    name: str | None
    email: Email | None
    url: str | None


class Ref(Model):
    """The short form of another thing."""

    id: str | None
    urn: str | None
    key: str | None
    title: str | None
    url: str | None


class Raw(Model):
    """Where the webhook lies as it came; ``body`` only for subscriptions that ask (rule 11)."""

    ref: str
    content_type: str
    size: Integer
    sha256: str
    body: JsonValue


class Change(Model):
    """One field that changed (rule 9).

    Scalars: ``from`` (null if ``from_known`` is false) and ``to``. Lists: ``added``, ``removed``.
    """

    field: str
    from_known: bool
    to: Scalar = None
    added: list[Scalar] = []
    removed: list[Scalar] = []


class Reference(Model):
    """Another thing that this event speaks of (`schema.md` §5)."""

    type: Literal[
        "ticket",
        "pull_request",
        "commit",
        "branch",
        "incident",
        "vulnerability",
        "build",
        "deployment",
        "url",
        "unknown",
    ]
    key: str
    urn: str | None
    url: str | None
    relation: Literal[
        "mentions",
        "closes",
        "implements",
        "caused_by",
        "duplicates",
        "blocks",
        "parent",
        "unknown",
    ]
    method: Literal["native", "url", "keyword", "key", "unknown"]
    found_in: list[str]
    match: str | None
    confidence: Number
    verified: bool


class EveryData(Model):
    """The keys that ``data`` has beside its model's own."""

    actor: Actor | None
    changes: list[dict[str, JsonValue]]
    references: list[Reference]
    custom: Custom
    raw: Raw
    truncated: list[str]


class Label(Model):
    """An identifier of a vulnerability: which catalogue, and its value there."""

    type: Literal["cve", "ghsa", "cwe", "osv", "other", "unknown"]
    value: str
