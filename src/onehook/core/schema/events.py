"""The event types, each with its model (`schema.md` §4), and the form of ``data``."""

from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel, create_model

from onehook.core.schema.base import Model, Thing
from onehook.core.schema.ci import Build, Deployment
from onehook.core.schema.common import EveryData
from onehook.core.schema.identity import Group, Login, Membership, User
from onehook.core.schema.incidents import Incident
from onehook.core.schema.integration import Notice
from onehook.core.schema.scm import (
    Branch,
    Comment,
    PullRequest,
    Push,
    Release,
    Repository,
    Review,
    Tag,
)
from onehook.core.schema.security import Alert, Scan, Vulnerability
from onehook.core.schema.ticketing import Ticket

SCHEMA_VERSION = "1.0"

_TYPES: tuple[tuple[str, str, type[Thing]], ...] = (
    ("scm.repository", "created renamed deleted", Repository),
    ("scm.pull_request", "created updated merged closed reopened", PullRequest),
    ("scm.pull_request", "reviewed", Review),
    ("scm.pull_request", "commented", Comment),
    ("scm.commit", "pushed", Push),
    ("scm.branch", "created deleted", Branch),
    ("scm.tag", "created deleted", Tag),
    ("scm.release", "published", Release),
    ("ticketing.ticket", "created updated assigned resolved reopened deleted", Ticket),
    ("ticketing.comment", "added updated deleted", Comment),
    ("identity.user", "created updated deleted deactivated reactivated", User),
    ("identity.user", "logged_in login_failed", Login),
    ("identity.group", "created updated deleted", Group),
    ("identity.group.membership", "changed", Membership),
    (
        "incidents.incident",
        "created acknowledged resolved closed reopened escalated reassigned updated deleted",
        Incident,
    ),
    ("incidents.severity", "changed", Incident),
    ("incidents.note", "added", Comment),
    (
        "security.vulnerability",
        "detected updated assigned dismissed resolved reopened",
        Vulnerability,
    ),
    ("security.scan", "started progressed completed failed timed_out", Scan),
    ("security.alert", "triggered", Alert),
    ("security.compliance", "violated", Alert),
    ("ci.build", "started completed failed canceled", Build),
    ("ci.deployment", "started completed failed rolled_back", Deployment),
    ("integration.connection", "established failed", Notice),
    ("integration.sync", "completed", Notice),
    ("integration.subscription", "paused resumed", Notice),
    ("integration.delivery", "failed", Notice),
    ("integration.webhook", "quarantined received", Notice),
)

EVENT_TYPES: dict[str, type[Thing]] = {
    f"{entity}.{action}": model for entity, actions, model in _TYPES for action in actions.split()
}

# A urn names the thing, and these models are views of another thing (`schema.md` §2 rule 7).
_ENTITIES = {"Membership": "group", "Login": "user"}


def entity_of(model: type[BaseModel], data: Mapping[str, object]) -> str:
    """The ``<entity>`` of a urn: the model's name in snake case, or the thing it is about."""
    return fixed_entity(model) or ("branch" if data.get("tag") is None else "tag")


def fixed_entity(model: type[BaseModel]) -> str | None:
    """What :func:`entity_of` gives for any data of *model*; None if that depends on the data."""
    return None if model is Push else _snake(model.__name__)


@cache
def _snake(name: str) -> str:
    if name in _ENTITIES:
        return _ENTITIES[name]
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


@cache
def data_model(model: type[Thing]) -> type[Model]:
    """The form of ``data`` for *model*: its fields and those that every data has."""
    return create_model(f"{model.__name__}Data", __base__=(EveryData, model))
