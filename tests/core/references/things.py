"""Integrations as the tests of references know them, and events of theirs."""

from onehook.core.jsontext import JsonValue
from onehook.core.model import Event, EventId
from onehook.core.references import Knowledge, KnownIntegration, Sightings
from onehook.core.references.sightings import fingerprint
from tests.builders import shipped

PLATFORMS = {name: file.mapping.links for name, file in shipped().items()}
GITHUB = KnownIntegration("int_gh", "github", ("github.com",), {}, "lower")
GITLAB = KnownIntegration("int_gl", "gitlab", ("gitlab.example.com",), {}, "lower")
JIRA = KnownIntegration("int_j", "jira", ("acme.atlassian.net",), {"PAY": None}, "keep")
OTHER_JIRA = KnownIntegration("int_j2", "jira", ("beta.atlassian.net",), {"PAY": None}, "keep")
PAGERDUTY = KnownIntegration("int_pd", "pagerduty", ("acme.pagerduty.com",))
SERVICENOW = KnownIntegration("int_sn", "servicenow", ("acme.service-now.com",))
ALL = (GITHUB, GITLAB, JIRA, PAGERDUTY, SERVICENOW)
GH, GL = "oh:github:github.com", "oh:gitlab:gitlab.example.com"
SN = "oh:servicenow:acme.service-now.com"
PAY_311 = "oh:jira:acme.atlassian.net:ticket:PAY-311"
SHA = "0123456789abcdef0123456789abcdef01234567"
SYS_ID = "9d385017c611228701d22104cc95c371"


def knowing(*integrations: KnownIntegration, seen: tuple[str, ...] = ()) -> Knowledge:
    """What is known of *integrations* (of all, if none is named), the things *seen* among it."""
    sightings = Sightings()
    sightings.take([fingerprint(name) for name in seen])
    return Knowledge(integrations or ALL, PLATFORMS, sightings)


def event(type_: str, data: dict[str, JsonValue], at: str = "2026-11-22T10:15:00.000Z") -> Event:
    """An event with *data*."""
    envelope: dict[str, JsonValue] = {"timestamp": at, "data": data}
    return Event(EventId(f"evt_{'z' * 26}"), type_, data, envelope, b"{}")
