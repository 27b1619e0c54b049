"""People, groups, and who belongs to which."""

from typing import Literal

from onehook.core.schema.base import Email, Integer, LongText, Thing, Timestamp
from onehook.core.schema.common import Actor, Ref


class User(Thing):
    """An account. SCIM: ``userName``, ``displayName``, ``active`` -> username, name, status."""

    id: str
    username: str | None
    name: str | None
    given_name: str | None
    family_name: str | None
    email: Email | None
    status: Literal["active", "pending", "suspended", "deactivated", "deleted", "unknown"]
    type: Literal["user", "bot", "service", "unknown"] | None
    title: str | None
    department: str | None
    manager: Ref | None
    external_id: str | None
    roles: list[str] | None
    groups: list[Ref] | None
    mfa_enabled: bool | None
    url: str | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    deactivated_at: Timestamp | None


class Group(Thing):
    """A team, group, role, or what a platform lets people be members of."""

    id: str
    name: str
    description: LongText | None
    type: Literal["team", "group", "role", "organization", "project", "unknown"] | None
    external_id: str | None
    members_count: Integer | None
    url: str | None
    created_at: Timestamp | None


class Membership(Thing):
    """A user came to a group, left it, or changed role; ``urn`` is the group's."""

    action: Literal["added", "removed", "role_changed", "unknown"]
    user: Actor
    group: Group
    role: str | None
    previous_role: str | None


class Login(Thing):
    """Someone signed in, or tried to; ``urn`` is the user's."""

    user: Actor
    outcome: Literal["succeeded", "failed", "unknown"]
    user_agent: str | None
    path: str | None
    ip: str | None
    reason: str | None
