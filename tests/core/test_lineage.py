"""Why a subscription does not get an event; and that routing is of the same opinion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, encode
from onehook.core.lineage import Refusal, refusal, stored_event
from onehook.core.model import Event, EventId
from onehook.core.routing import Routes
from onehook.core.schema.aliases import ALIASES
from tests.core.test_routing import event, integration, subscription

FOUND = "security.vulnerability.detected"


def why(
    events: tuple[str, ...] = ("*",),
    integrations: tuple[str, ...] = (),
    filter_: JsonValue = None,
    *,
    active: bool = True,
    projects: tuple[str, ...] = (),
    statuses: tuple[str, ...] = (),
    type_: str = FOUND,
    **data: JsonValue,
) -> Refusal | None:
    """The refusal of an event from int_a (GitHub)."""
    made = subscription(
        "sub_a",
        events,
        integrations,
        active=active,
        filter_=filter_,
        projects=projects,
        statuses=statuses,
    )
    return refusal(made, filter_, event(type_, **data), integration())


def test_what_is_wanted_is_not_refused() -> None:
    """A subscription whose every clause passes refuses nothing."""
    assert why() is None
    assert why(("scm.*", "issue.critical"), ("int_a",), severity="critical") is None
    assert why(integrations=("github",), filter_={"$.data.n": {"gt": 1}}, n=2) is None


@pytest.mark.parametrize(
    ("given", "clause", "pointer", "words"),
    [
        ({"active": False, "events": ("scm.*",)}, "active", "/active", "not active"),
        ({"events": ("scm.*", "ci.*")}, "events", "/events", f"{FOUND} is none of scm.*, ci.*"),
        (
            {"events": ("scm.*", "issue.critical"), "severity": "low"},
            "events",
            "/events/1",
            "issue.critical takes only events whose severity is critical",
        ),
        (
            {
                "events": ("issue.status_changed",),
                "type_": "security.vulnerability.updated",
                "changes": [{"field": "title"}],
            },
            "events",
            "/events/0",
            "issue.status_changed takes only events whose changes hold state",
        ),
        (
            {"integrations": ("int_b", "gitlab")},
            "integrations",
            "/integrations",
            "int_a (github) is none of int_b, gitlab",
        ),
        (
            {"projects": ("acme/*", "PAY"), "project": {"key": "WEB", "title": "Website"}},
            "projects",
            "/projects",
            "WEB, Website fits none of acme/*, PAY",
        ),
        ({"projects": ("PAY",)}, "projects", "/projects", "an event of no project"),
        (
            {"statuses": ("done",), "changes": [{"field": "status", "to": "Doing"}]},
            "statuses",
            "/statuses",
            "it changed to Doing, which is none of done",
        ),
        (
            {"filter_": {"$.type": FOUND, "$.data.severity": ["high"]}, "severity": "low"},
            "filter",
            "/filter/$.data.severity",
            '$.data.severity is "low", and it wants ["high"]',
        ),
        (
            {"filter_": {"$.data.a~/b": 1}},
            "filter",
            "/filter/$.data.a~0~1b",
            "is not there, and it wants 1",
        ),
        (
            {"filter_": {"any": [{"$.data.n": 1}, {"$.data.n": 2}]}, "n": 3},
            "filter",
            "/filter/any",
            "none of its conditions holds",
        ),
        (
            {"filter_": {"not": {"$.data.n": 3}}, "n": 3},
            "filter",
            "/filter/not",
            "its condition holds",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_first_clause_that_refuses_is_named(
    given: dict[str, object], clause: str, pointer: str, words: str
) -> None:
    """A refusal names its clause, points at it, and says what was found and wanted."""
    if clause == "filter" and "~" in pointer:
        given = {"filter_": {"$.data['a~/b']": 1}}
        pointer = "/filter/$.data['a~0~1b']"
    found = why(**given)  # type: ignore[arg-type]

    assert found is not None
    assert (found.clause, found.pointer) == (clause, pointer)
    assert words in found.detail


def test_long_values_are_cut() -> None:
    """A sentence does not repeat a whole description."""
    found = why(filter_={"$.data.text": "x"}, text="y" * 10_000)

    assert found is not None
    assert len(found.detail) < 250


PATTERNS = st.sampled_from(
    ["*", "scm.*", "security.*", "security.vulnerability.*", FOUND, *ALIASES]
)
FILTERS = st.sampled_from(
    [
        None,
        {},
        {"$.data.severity": "critical"},
        {"$.data.severity": {"exists": False}},
        {"any": [{"$.type": FOUND}, {"$.data.n": 1}]},
        {"not": {"$.data.severity": ["low", "critical"]}, "$.type": {"matches": "^sec"}},
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    events=st.lists(PATTERNS, min_size=1, max_size=4),
    integrations=st.lists(st.sampled_from(["int_a", "int_b", "github", "gitlab"]), max_size=2),
    filter_=FILTERS,
    active=st.booleans(),
    type_=st.sampled_from([FOUND, "security.vulnerability.updated", "scm.commit.pushed"]),
    severity=st.sampled_from(["critical", "low", None]),
    changed=st.sampled_from(["state", "title"]),
    projects=st.lists(st.sampled_from(["PAY", "acme/*"]), max_size=2),
    statuses=st.lists(st.sampled_from(["fixed", "open"]), max_size=2),
)
def test_refusals_agree_with_routing(
    events: list[str],
    integrations: list[str],
    filter_: JsonValue,
    *,
    active: bool,
    type_: str,
    severity: str | None,
    changed: str,
    projects: list[str],
    statuses: list[str],
) -> None:
    """Whatever a subscription looks like: it is matched exactly if it does not refuse."""
    made = subscription(
        "sub_a",
        tuple(events),
        tuple(integrations),
        active=active,
        filter_=filter_,
        projects=tuple(projects),
        statuses=tuple(statuses),
    )
    changes: JsonValue = [{"field": changed, "to": "fixed"}]
    data: dict[str, JsonValue] = {
        "severity": severity,
        "changes": changes,
        "project": {"key": "PAY"},
    }
    one, source = event(type_, **data), integration()

    assert bool(Routes([made]).match(one, source)) == (refusal(made, filter_, one, source) is None)


def test_stored_event_is_the_event() -> None:
    """From the JSON that is delivered everything comes back that routing looks at."""
    envelope: dict[str, JsonValue] = {
        "id": "evt_1",
        "type": FOUND,
        "integration": {"id": "int_a", "type": "github", "name": "n"},
        "data": {"severity": "low", "cvss_score": 9},
    }
    body = encode(envelope)

    found, source = stored_event(body)

    assert found == Event(EventId("evt_1"), FOUND, envelope["data"], envelope, body)  # type: ignore[arg-type]
    assert (source.id, source.type, source.name) == ("int_a", "github", "n")
