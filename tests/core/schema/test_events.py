"""The event types of `schema.md` §4, and what their models promise."""

import re

import pytest

from onehook.core.schema.base import FieldSpec, Kind, Model, fields_of
from onehook.core.schema.common import EveryData
from onehook.core.schema.events import EVENT_TYPES, SCHEMA_VERSION, data_model, entity_of
from onehook.core.schema.identity import Login, Membership
from onehook.core.schema.scm import PullRequest, Push

PAGE = [
    "scm.repository.created",
    "scm.repository.renamed",
    "scm.repository.deleted",
    "scm.pull_request.created",
    "scm.pull_request.reopened",
    "scm.pull_request.updated",
    "scm.pull_request.merged",
    "scm.pull_request.closed",
    "scm.pull_request.reviewed",
    "scm.pull_request.commented",
    "scm.commit.pushed",
    "scm.branch.created",
    "scm.branch.deleted",
    "scm.tag.created",
    "scm.tag.deleted",
    "scm.release.published",
    "ticketing.ticket.created",
    "ticketing.ticket.deleted",
    "ticketing.ticket.updated",
    "ticketing.ticket.assigned",
    "ticketing.ticket.resolved",
    "ticketing.ticket.reopened",
    "ticketing.comment.added",
    "ticketing.comment.updated",
    "ticketing.comment.deleted",
    "identity.user.created",
    "identity.user.updated",
    "identity.user.deleted",
    "identity.user.deactivated",
    "identity.user.reactivated",
    "identity.user.logged_in",
    "identity.user.login_failed",
    "identity.group.created",
    "identity.group.updated",
    "identity.group.deleted",
    "identity.group.membership.changed",
    "incidents.incident.created",
    "incidents.incident.acknowledged",
    "incidents.incident.resolved",
    "incidents.incident.closed",
    "incidents.incident.reopened",
    "incidents.incident.escalated",
    "incidents.incident.reassigned",
    "incidents.incident.updated",
    "incidents.incident.deleted",
    "incidents.severity.changed",
    "incidents.note.added",
    "security.vulnerability.detected",
    "security.vulnerability.updated",
    "security.vulnerability.dismissed",
    "security.vulnerability.resolved",
    "security.vulnerability.reopened",
    "security.vulnerability.assigned",
    "security.scan.started",
    "security.scan.progressed",
    "security.scan.completed",
    "security.scan.failed",
    "security.scan.timed_out",
    "security.alert.triggered",
    "security.compliance.violated",
    "ci.build.started",
    "ci.build.completed",
    "ci.build.failed",
    "ci.build.canceled",
    "ci.deployment.started",
    "ci.deployment.completed",
    "ci.deployment.failed",
    "ci.deployment.rolled_back",
    "integration.connection.established",
    "integration.connection.failed",
    "integration.sync.completed",
    "integration.subscription.paused",
    "integration.subscription.resumed",
    "integration.delivery.failed",
    "integration.webhook.quarantined",
    "integration.webhook.received",
]
MODELS = sorted(set(EVENT_TYPES.values()), key=lambda model: model.__name__)


def specs(model: type[Model], seen: tuple[type[Model], ...] = ()) -> list[FieldSpec]:
    """Every field of *model* and of the models below it."""
    found: list[FieldSpec] = []
    for spec in fields_of(model).values():
        for one in (spec, spec.item):
            if one is None:
                continue
            found.append(one)
            if one.model is not None and one.model not in seen:
                found += specs(one.model, (*seen, one.model))
    return found


def test_the_event_types_are_those_of_the_page() -> None:
    """No more and no fewer: a type is a promise."""
    assert set(EVENT_TYPES) == set(PAGE)
    assert SCHEMA_VERSION == "1.0"


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_type_is_category_entity_action(type_: str) -> None:
    """Lower snake case; the entity may have two parts."""
    assert re.fullmatch(r"[a-z]+(\.[a-z_]+){2,3}", type_)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_enum_has_unknown_and_every_model_a_urn_and_native(model: type[Model]) -> None:
    """Rules 4 and 7: a value nobody mapped has somewhere to go."""
    enums = [spec for spec in specs(data_model(model)) if spec.kind is Kind.ENUM]  # type: ignore[type-var]
    assert [spec.name for spec in enums if "unknown" not in spec.members] == []
    assert fields_of(model)["urn"].required
    assert fields_of(model)["native"].kind is Kind.SCALARS


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_data_is_the_model_and_what_every_data_has(model: type[Model]) -> None:
    """No field of a model hides one of the shared ones."""
    own, every = set(fields_of(model)), set(fields_of(EveryData))
    assert not own & every
    assert set(fields_of(data_model(model))) == own | every  # type: ignore[type-var]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_json_schema(model: type[Model]) -> None:
    """It is served at /v1/schemas/{type}."""
    schema = data_model(model).model_json_schema()  # type: ignore[type-var]
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(fields_of(data_model(model)))  # type: ignore[type-var]


def test_no_type_is_the_prefix_of_another() -> None:
    """Subscriptions match by prefix at a dot."""
    assert [(a, b) for a in PAGE for b in PAGE if b.startswith(f"{a}.")] == []


@pytest.mark.parametrize(
    ("model", "data", "entity"),
    [
        (PullRequest, {}, "pull_request"),
        (Push, {"tag": None}, "branch"),
        (Push, {"tag": "v1"}, "tag"),
        (Membership, {}, "group"),
        (Login, {}, "user"),
    ],
)
def test_the_entity_of_a_urn(model: type[Model], data: dict[str, object], entity: str) -> None:
    """The model's name in snake case, or the thing that it is about (rule 7)."""
    assert entity_of(model, data) == entity
