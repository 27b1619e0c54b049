"""Events to the subscriptions that want them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.clauses import projects_clause, statuses_clause
from onehook.core.filters import compile_filter
from onehook.core.jsontext import JsonValue
from onehook.core.model import (
    Event,
    EventId,
    IntegrationId,
    IntegrationInfo,
    Subscription,
    SubscriptionId,
)
from onehook.core.profiles.outlet import Outlet
from onehook.core.profiles.secrets import Keys
from onehook.core.routing import Routes, overlap, pattern_problem
from onehook.core.schema.aliases import ALIASES
from onehook.core.schema.events import EVENT_TYPES

TYPE = "scm.pull_request.created"


def subscription(
    id_: str = "sub_a",
    events: tuple[str, ...] = ("*",),
    integrations: tuple[str, ...] = (),
    *,
    active: bool = True,
    paused: bool = False,
    filter_: JsonValue = None,
    projects: tuple[str, ...] = (),
    statuses: tuple[str, ...] = (),
) -> Subscription:
    """A subscription of which only its wishes matter."""
    return Subscription(
        id=SubscriptionId(id_),
        url="https://a.example",
        events=events,
        filter=None if filter_ is None else compile_filter(filter_),
        integrations=integrations,
        active=active,
        paused=paused,
        outlet=Outlet(Keys(b"k")),
        timeout=timedelta(seconds=15),
        retry=(),
        projects=projects,
        statuses=statuses,
    )


def event(type_: str = TYPE, **data: JsonValue) -> Event:
    """An event of which only its type and *data* matter."""
    return Event(EventId("evt_1"), type_, data, {"type": type_, "data": data}, b"")


def integration(id_: str = "int_a", platform: str = "github") -> IntegrationInfo:
    """An integration of that platform."""
    return IntegrationInfo(IntegrationId(id_), platform, "name")


def matched(*subscriptions: Subscription, type_: str = TYPE, **data: JsonValue) -> list[str]:
    """The ids that an event of *type_* from int_a (GitHub) goes to."""
    return [s.id for s in Routes(subscriptions).match(event(type_, **data), integration())]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", True),
        ("scm.*", True),
        ("scm.pull_request.*", True),
        ("scm.pull_request.created", True),
        ("scm.pull_request.merged", False),
        ("scm.pull_request", False),
        ("scm", False),
        ("scm.pull*", False),
        ("scm.*.created", False),
        ("*.created", False),
        ("ticketing.*", False),
        ("scm.pull_request.created.*", False),
        ("SCM.*", False),
        ("", False),
    ],
)
def test_a_pattern_is_a_prefix_at_a_dot(pattern: str, *, wanted: bool) -> None:
    """``*``, ``a.*``, ``a.b.*`` or a whole type."""
    assert (matched(subscription(events=(pattern,))) == ["sub_a"]) is wanted


def test_a_type_of_four_parts_has_all_its_prefixes() -> None:
    """``identity.group.membership.changed``: the entity has two parts."""
    type_ = "identity.group.membership.changed"
    for pattern in ("*", "identity.*", "identity.group.*", "identity.group.membership.*", type_):
        assert matched(subscription(events=(pattern,)), type_=type_) == ["sub_a"]


@pytest.mark.parametrize(
    ("integrations", "wanted"),
    [
        ((), True), (("int_a",), True), (("github",), True), (("int_b",), False),
        (("gitlab",), False), (("int_b", "github"), True), (("git",), False),
    ],
)  # fmt: skip
def test_integrations_are_ids_or_platforms(integrations: tuple[str, ...], *, wanted: bool) -> None:
    """None named: all."""
    assert (matched(subscription(integrations=integrations)) == ["sub_a"]) is wanted


def test_each_subscription_gets_an_event_once() -> None:
    """However many of its patterns and integrations match."""
    greedy = subscription(events=("*", "scm.*", TYPE), integrations=("int_a", "github"))
    assert matched(greedy, subscription("sub_b")) in (["sub_a", "sub_b"], ["sub_b", "sub_a"])


def test_an_inactive_subscription_gets_nothing_and_a_paused_one_all() -> None:
    """What is paused keeps its events for later (threats.md G5)."""
    assert matched(subscription(active=False)) == []
    assert matched(subscription(paused=True)) == ["sub_a"]


def test_a_type_that_nobody_knows_is_routed_by_its_parts() -> None:
    """A type of a later version."""
    assert matched(subscription(events=("scm.*",)), type_="scm.new.thing") == ["sub_a"]


@pytest.mark.parametrize("pattern", ["*", "scm.*", "scm.pull_request.*", *EVENT_TYPES])
def test_a_pattern_that_matches_some_type_is_no_problem(pattern: str) -> None:
    """Every type, and every prefix of one."""
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    ["", ".*", "scm", "scm.", "scm.pull.*", "scm.pull_request", "**", "*.*", "Scm.*", TYPE + ".*"],
)
def test_a_pattern_that_matches_no_type_is_one(pattern: str) -> None:
    """It would never deliver, and nobody would know."""
    assert (pattern_problem(pattern) or "").startswith(f"{pattern!r} matches no event type")


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_stands_for_its_types(name: str) -> None:
    """Each gets the events that it means, and no pattern problem."""
    assert pattern_problem(name) is None
    for type_ in ALIASES[name].types:
        assert type_ in EVENT_TYPES
        data: dict[str, JsonValue] = {"severity": "critical", "changes": [{"field": "state"}]}
        assert matched(subscription(events=(name,)), type_=type_, **data) == ["sub_a"]
        assert matched(subscription(events=(name,)), type_="scm.tag.created", **data) == []


def test_an_alias_may_narrow_what_its_types_mean() -> None:
    """``issue.critical`` is a detection of that severity, ``status_changed`` a changed state."""
    critical = subscription(events=("issue.critical",))
    detected = "security.vulnerability.detected"
    assert matched(critical, type_=detected, severity="high") == []
    assert matched(critical, type_=detected, severity="critical") == ["sub_a"]
    changed = subscription(events=("issue.status_changed",))
    updated = "security.vulnerability.updated"
    assert matched(changed, type_=updated, changes=[{"field": "severity"}]) == []
    assert matched(changed, type_=updated, changes=[{"field": "x"}, {"field": "state"}]) == [
        "sub_a"
    ]


def test_an_alias_that_does_not_fit_does_not_hide_a_pattern_that_does() -> None:
    """Each of a subscription's wishes is asked."""
    both = subscription(events=("issue.critical", "security.*"))
    assert matched(both, type_="security.vulnerability.detected", severity="low") == ["sub_a"]


def test_a_filter_narrows_every_pattern() -> None:
    """It sees the event as it is delivered."""
    picky = subscription(events=("*", TYPE), filter_={"$.data.draft": False})
    assert matched(picky, draft=True) == []
    assert matched(picky, draft=False) == ["sub_a"]


PATTERNS = st.sampled_from(
    ["*", "scm.*", "scm.pull_request.*", TYPE, "ticketing.*", "identity.group.*", "scm.pull*",
     "identity.group.membership.changed", "identity.group.membership.*", "nothing", ""]
)  # fmt: skip
SOURCES = st.sampled_from(["int_a", "int_b", "github", "gitlab"])
PROJECTS = st.sampled_from(["acme/shop", "ACME/Shop", "acme/*", "pay", "p[ba]y", "other", "?"])
SUBSCRIPTIONS = st.lists(
    st.builds(
        subscription,
        st.sampled_from(["sub_a", "sub_b", "sub_c", "sub_d"]),
        st.lists(PATTERNS, max_size=4).map(tuple),
        st.lists(SOURCES, max_size=3).map(tuple),
        active=st.booleans(),
        projects=st.lists(PROJECTS, max_size=3).map(tuple),
        statuses=st.sampled_from([(), ("done",)]),
    ),
    max_size=5,
    unique_by=lambda s: s.id,
)


DATA: st.SearchStrategy[dict[str, JsonValue]] = st.sampled_from(
    [
        {},
        {"repository": {"full_name": "Acme/shop", "name": "shop"}},
        {"project": {"key": "PAY", "title": "other"}},
        {"repository": {"full_name": "acme/till"}, "changes": [{"field": "status", "to": "done"}]},
        {"changes": [{"field": "status", "to": "open"}], "ticket": {"key": "PAY-311"}},
    ]
)


def wants(
    found: Subscription, type_: str, source: IntegrationInfo, data: dict[str, JsonValue]
) -> bool:
    """The rule, the slow way."""
    by_type = any(
        pattern in ("*", type_) or (pattern.endswith(".*") and type_.startswith(pattern[:-1]))
        for pattern in found.events
    )
    by_source = not found.integrations or {source.id, source.type} & set(found.integrations)
    clauses = projects_clause(found.projects), statuses_clause(found.statuses)
    by_clauses = all(clause is None or clause(data) for clause in clauses)
    return found.active and by_type and bool(by_source) and by_clauses


@settings(max_examples=300)
@given(SUBSCRIPTIONS, st.sampled_from(sorted(EVENT_TYPES)), SOURCES, SOURCES, DATA)
def test_routes_equal_a_naive_matcher(
    subscriptions: list[Subscription],
    type_: str,
    id_: str,
    platform: str,
    data: dict[str, JsonValue],
) -> None:
    """For any subscriptions, type, integration and project."""
    source = integration(id_, platform)
    found = [s.id for s in Routes(subscriptions).match(event(type_, **data), source)]
    assert sorted(found) == sorted(s.id for s in subscriptions if wants(s, type_, source, data))


def test_of_many_that_name_their_project_only_those_of_it_are_asked() -> None:
    """So the cost of a match is that of its result, however many teams there are."""
    asked: list[str] = []

    def filter_of(id_: str) -> Subscription:
        def wanted(_: object) -> bool:
            asked.append(id_)
            return True

        made = subscription(id_, projects=(f"acme/{id_}", "acme/all"))
        return replace(made, filter=wanted)

    routes = Routes([filter_of(f"sub_{n}") for n in range(1000)])
    repository: dict[str, JsonValue] = {"full_name": "ACME/sub_7", "name": "sub_7"}
    found = routes.match(event(repository=repository), integration())
    assert [s.id for s in found] == asked == ["sub_7"]


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ({}, {}, True),
        ({"events": ("scm.*",)}, {"events": (TYPE,)}, True),
        ({"events": ("scm.*",)}, {"events": ("ticketing.*", "ci.*")}, False),
        ({"events": ("issue.critical",)}, {"events": ("security.*",)}, True),
        ({"integrations": ("int_a",)}, {"integrations": ("int_b",)}, False),
        ({"integrations": ("int_a",)}, {}, True),
        ({"active": False}, {}, False),
    ],
)
def test_two_that_send_the_same_to_one_url_overlap(
    one: dict[str, Any], other: dict[str, Any], *, wanted: bool
) -> None:
    """By patterns and integrations, either way round."""
    both = subscription("sub_a", **one), subscription("sub_b", **other)
    assert overlap(*both) is overlap(*reversed(both)) is wanted


def test_other_urls_do_not_overlap() -> None:
    """Nor does a subscription with itself, nor two that pull."""
    one, other = subscription("sub_a"), subscription("sub_b")
    assert not overlap(one, one)
    assert not overlap(one, replace(other, url="https://b.example"))
    assert not overlap(replace(one, url=""), replace(other, url=""))
