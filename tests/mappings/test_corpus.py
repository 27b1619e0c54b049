"""Real payloads of every shipped platform, posted with a right signature.

``CORPUS`` names the folder of payloads; without it these tests are skipped. Run with ``-s`` they
print what became of the payloads, and how much of each model they fill.
"""

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from onehook.cli.demo import fresh
from onehook.core.schema.base import Kind, fields_of
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.core.schema.scm import PullRequest
from tests.builders import Answer, Native, Running, Sender, shipped
from tests.mappings.corpus import (
    CORPUS,
    NOT_SHIPPED,
    OTHER,
    SHIPPED_AS,
    Row,
    folder_rows,
    rows,
)

WHSEC = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
INTEGRATIONS: dict[str, dict[str, Any]] = {
    "gitlab": {"settings": {"signing_token": WHSEC}},
    "servicenow": {
        "secret": "servicenow-secret",
        "settings": {"instance": "acme.service-now.com"},
    },
    "standard": {"secret": WHSEC},
}
# Why a payload of the corpus may come to nothing. Another reason is another decision.
REASONS: dict[str, set[str]] = {
    "github": {
        "ping",
        "same change as push",
        "same release as published",
        "not a field of ours",
        "invitation",
        "permission on a repository",
        "finer than workflow_run",
        "not mapped",
    },
    "gitlab": {
        "test",
        "second half of a close",
        "finer than pipeline",
        "a wish, not a change",
        "repeats the push",
        "not mapped",
    },
    "pagerduty": {"automation run", "v2", "ping", "service catalogue"},
    "servicenow": {"table not mapped", "not mapped"},
}
pytestmark = pytest.mark.skipif(CORPUS is None, reason="CORPUS names no folder of payloads")


@dataclass(slots=True)
class Figures:
    """What became of a platform's payloads."""

    outcomes: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    fields: Counter[tuple[bool, bool]] = field(default_factory=Counter)  # required, filled
    wrong: list[str] = field(default_factory=list)

    def count(self, event: dict[str, Any]) -> None:
        """Take down one event, and which of its model's own fields have a value."""
        self.types[event["type"]] += 1
        for name, spec in fields_of(EVENT_TYPES[event["type"]]).items():
            if spec.kind is not Kind.SCALARS:
                filled = event["data"][name] not in (None, "unknown")
                self.fields[spec.required, filled] += 1

    def percent(self, *, required: bool) -> str:
        """How many of the fields have a value."""
        filled, empty = self.fields[required, True], self.fields[required, False]
        return f"{100 * filled / (filled + empty):.0f} %" if filled + empty else "-"

    def report(self, platform: str) -> str:
        """The figures as printed."""
        if not self.outcomes:
            return f"{platform}: the corpus has no payload"
        outcomes = ", ".join(f"{count} {word}" for word, count in self.outcomes.items())
        filled = f"required {self.percent(required=True)}, optional {self.percent(required=False)}"
        lines = [f"{platform}: {self.outcomes.total()} payloads ({outcomes}); fields: {filled}"]
        lines += [f"    {count:3} {type_}" for type_, count in sorted(self.types.items())]
        return "\n".join(lines)


@pytest.mark.parametrize("platform", sorted(shipped()))
async def test_every_payload_becomes_events_or_is_ignored(gateway: Running, platform: str) -> None:
    """Only what is no JSON must be quarantined, and only what its source cut may be."""
    figures = Figures()
    senders = [await integrate(gateway, platform)]
    bodies: set[bytes] = set()
    for row in rows(platform):
        if row.body in bodies:  # documented samples share bodies: they would be one webhook
            senders.append(await integrate(gateway, platform))
        bodies.add(row.body)
        answer = await send(gateway, senders[-1], row)
        figures.outcomes[answer.json["status"]] += 1
        if not fits(platform, row, answer):
            figures.wrong.append(f"{row.file}: {answer.status} {answer.body!r}")
        for told in answer.json.get("events", []):
            event = (await gateway.api.get(f"/v1/events/{told['id']}")).json
            data_model(EVENT_TYPES[event["type"]]).model_validate(event["data"])
            check_pull_request(row, event)
            figures.count(event)
    print(f"\n{figures.report(platform)}")
    assert not figures.wrong


async def integrate(gateway: Running, platform: str) -> Sender:
    """An integration of *platform*, with the settings that its payloads need."""
    return await gateway.integrate(platform, **INTEGRATIONS.get(platform, {}))


async def send(gateway: Running, sender: Sender, row: Row) -> Answer:
    """Post a payload as its vendor would today."""
    scheme = shipped()[sender.type].mapping.verify.scheme(sender.settings)
    body = fresh(scheme, row.body, gateway.runtime.clock.now())
    return await gateway.send(sender, Native(row.headers, body))


def fits(platform: str, row: Row, answer: Answer) -> bool:
    """Whether *answer* is one that this payload may have."""
    accepted = shipped()[platform].mapping.reply.accepted
    status, told = answer.json["status"], answer.json
    if answer.status != accepted:
        return False
    if row.broken:
        is_placed = re.match(r"line \d+, column \d+", told.get("detail", ""))
        return told.get("reason") == "unparsable" and is_placed is not None
    match status:
        case "accepted":
            return bool(told["events"])
        case "ignored":
            return told["reason"] in REASONS.get(platform, set())
        case _:
            return status == "quarantined" and row.trimmed


def check_pull_request(row: Row, event: dict[str, Any]) -> None:
    """What nobody can do without: which pull request, of which repository, where.

    A source that cut its payload down may have cut off the page's address.
    """
    if EVENT_TYPES[event["type"]] is PullRequest:
        data = event["data"]
        assert data["title"], row.file
        assert data["number"], row.file
        assert data["url"] or row.trimmed, row.file
        assert data["repository"]["name"], row.file
        assert event["integration"]["name"], row.file


def test_the_vendors_that_do_not_ship_are_known_by_name() -> None:
    """Eight; every other vendor of the mixed folder is a platform."""
    found = {row.vendor for row in folder_rows(OTHER)}
    print(f"\nnot shipped, skipped: {', '.join(sorted(found & NOT_SHIPPED))}")

    assert found >= NOT_SHIPPED
    assert {SHIPPED_AS.get(name, name) for name in found - NOT_SHIPPED} <= set(shipped())
    assert not NOT_SHIPPED & set(shipped())


def test_the_judge_knows_what_does_not_fit() -> None:
    """Quarantined without having been cut, broken and not placed, ignored for a new reason."""
    row = Row("x.json", {}, b"{}", "")
    body = b'{"status": "quarantined", "reason": "no_rule", "detail": "", "id": "whk_1"}'
    answer = Answer(202, {}, body)

    assert not fits("github", row, answer)
    assert fits("github", replace(row, note="trimmed by its source"), answer)
    assert not fits("github", replace(row, note="NOT valid JSON"), answer)
    assert not fits("github", row, Answer(500, {}, body))
    assert not fits("github", row, Answer(202, {}, b'{"status": "ignored", "reason": "why not"}'))
