"""Worked signatures, published ones among them, through the mappings that ship.

tests/core/test_signatures.py holds the vectors and proves the schemes; here each has to fit the
``verify`` section of its platform's file, and nothing near it may.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.wording_proofs import signs_bytes
from tests.builders import shipped
from tests.core.mapping.building import run
from tests.core.test_signatures import (
    BASE64_OF_BODY,
    HEX_OF_BODY,
    VECTORS,
    WRONG,
    Case,
    one,
)
from tests.mappings.corpus import CORPUS, folder_rows

# PagerDuty/go-pagerduty, webhookv3/webhookv3_test.go (Apache-2.0): every byte as it stands there.
PAGERDUTY_PUBLISHED = (
    b'{"event":{"id":"01BWDWL3NYY7LUFPZCC28QUCMK","event_type":"incident.priority_updated"'
    b',"resource_type":"incident","occurred_at":"2021-04-26T17:36:27.458Z","agent":{"html_'
    b'url":"https://acme.pagerduty.com/users/PLH1HKV","id":"PLH1HKV","self":"https://api.p'
    b'agerduty.com/users/PLH1HKV","summary":"Tenex Engineer","type":"user_reference"},"cli'
    b'ent":null,"data":{"id":"PGR0VU2","type":"incident","self":"https://api.pagerduty.com'
    b'/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","numbe'
    b'r":2,"status":"triggered","title":"A little bump in the road","service":{"html_url":'
    b'"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH","self":"https://api.pag'
    b'erduty.com/services/PF9KMXH","summary":"API Service","type":"service_reference"},"as'
    b'signees":[{"html_url":"https://acme.pagerduty.com/users/PTUXL6G","id":"PTUXL6G","sel'
    b'f":"https://api.pagerduty.com/users/PTUXL6G","summary":"User 123","type":"user_refer'
    b'ence"}],"escalation_policy":{"html_url":"https://acme.pagerduty.com/escalation_polic'
    b'ies/PUS0KTE","id":"PUS0KTE","self":"https://api.pagerduty.com/escalation_policies/PU'
    b'S0KTE","summary":"Default","type":"escalation_policy_reference"},"teams":[{"html_url'
    b'":"https://acme.pagerduty.com/teams/PFCVPS0","id":"PFCVPS0","self":"https://api.page'
    b'rduty.com/teams/PFCVPS0","summary":"Engineering","type":"team_reference"}],"priority'
    b'":{"html_url":"https://acme.pagerduty.com/account/incident_priorities","id":"PSO75BM'
    b'","self":"https://api.pagerduty.com/priorities/PSO75BM","summary":"P1","type":"prior'
    b'ity_reference"},"urgency":"high","conference_bridge":{"conference_number":1000,"conf'
    b'erence_url":"https://example.com"},"resolve_reason":null}}}'
)
PUBLISHED = {
    # docs.github.com, "Validating webhook deliveries"
    "GitHub, published": "github",
    # developer.atlassian.com, Jira Cloud platform, "Webhooks"
    "Jira, published": "jira",
    # github.com/standard-webhooks/standard-webhooks, the test of its libraries
    "Standard Webhooks, published": "standard",
}
COMPUTED = {
    "GitHub, JSON": "github",
    "GitHub, form": "github",
    "GitLab, signing token": "gitlab",
    "Jira, JSON": "jira",
    "PagerDuty, old secret": "pagerduty",
    "PagerDuty, new secret": "pagerduty",
    "ServiceNow, base64": "servicenow",
    "ServiceNow, hex after sha256=": "servicenow",
    "Standard Webhooks": "standard",
    "Svix, several v1 and other versions": "standard",
}
# Of the body {"id":1} under the secret `secret`.
OF_BODY: Mapping[str, tuple[str, str]] = {
    "bitbucket": ("X-Hub-Signature", f"sha256={HEX_OF_BODY}"),
    "corgea": ("X-Corgea-Signature", HEX_OF_BODY),
    "cortex": ("X-Cortex-Signature", f"sha256={HEX_OF_BODY}"),
    "github": ("X-Hub-Signature-256", f"sha256={HEX_OF_BODY}"),
    "jira": ("X-Hub-Signature", f"sha256={HEX_OF_BODY}"),
    "pagerduty": ("X-PagerDuty-Signature", f"v1={HEX_OF_BODY}"),
    "sentry": ("Sentry-Hook-Signature", HEX_OF_BODY),
    "servicenow": ("X-ServiceNow-Signature", BASE64_OF_BODY),
    "snyk": ("X-Hub-Signature", f"sha256={HEX_OF_BODY}"),
}
REFUSED = {
    "GitHub, sha1 under the name of the other": "github",
    "GitHub, the form's signature on the JSON": "github",
    "GitLab, the token's text as key": "gitlab",
    "Jira's published vector with GitHub's body": "jira",
    "ServiceNow, the base64 text of the secret as key": "servicenow",
    "Standard Webhooks, the whole text as key": "standard",
}


def under(platform: str, case: Case) -> Case:
    """*case* as the shipped mapping of *platform* verifies it, its settings at their defaults."""
    mapping = shipped()[platform].mapping
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    settings = {**defaults, **case.settings}
    return replace(case, scheme=mapping.verify.scheme(settings), settings=settings)


def of_body(platform: str) -> Case:
    """The vector of {"id":1} for *platform*."""
    return replace(VECTORS["hex, plain"], headers=[OF_BODY[platform]])


PAGERDUTY_CASE = replace(
    VECTORS["PagerDuty, old secret"],
    headers=[
        (
            "X-PagerDuty-Signature",
            "v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd",
        )
    ],
    body=PAGERDUTY_PUBLISHED,
    secrets=one("lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK"),
)
CASES = {
    "PagerDuty, published": under("pagerduty", PAGERDUTY_CASE),
    **{name: under(platform, VECTORS[name]) for name, platform in (PUBLISHED | COMPUTED).items()},
    **{f'{{"id":1}}, {platform}': under(platform, of_body(platform)) for platform in OF_BODY},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_worked_signature_fits_and_with_any_byte_changed_does_not(case: Case) -> None:
    """Every byte of the body counts: each in turn is changed, and one is added or taken away."""
    assert case.code() == "verified"

    for at, byte in enumerate(case.body):
        changed = case.body[:at] + bytes([byte ^ 1]) + case.body[at + 1 :]
        assert replace(case, body=changed).code() == "signature_invalid"
    for changed in (case.body[:-1], case.body + b"\n", b""):
        assert replace(case, body=changed).code() == "signature_invalid"


@pytest.mark.parametrize(("name", "platform"), REFUSED.items())
def test_a_signature_made_wrongly_is_refused(name: str, platform: str) -> None:
    """The mistakes that vendors' users make are not taken for a proof."""
    assert under(platform, WRONG[name]).code() == "signature_invalid"


def test_every_platform_that_signs_bytes_has_a_worked_signature() -> None:
    """But Linear: its proof is dated by the body, which the worked one is not."""
    signing = {name for name, file in shipped().items() if signs_bytes(file.mapping)}

    assert signing - set((PUBLISHED | COMPUTED).values()) - set(OF_BODY) == {"linear"}
    undated = replace(of_body("sentry"), headers=[("Linear-Signature", HEX_OF_BODY)])
    assert under("linear", undated).code() == "signature_missing"


def test_pagerdutys_published_webhook_becomes_its_event() -> None:
    """The signed body is a real one: a priority was set."""
    outcome = run(shipped()["pagerduty"].mapping, PAGERDUTY_PUBLISHED)

    assert isinstance(outcome, Emitted)
    assert [event.type for event in outcome.events] == ["incidents.severity.changed"]


@pytest.mark.skipif(CORPUS is None, reason="CORPUS names no folder of payloads")
def test_the_signed_payload_of_the_corpus_fits() -> None:
    """GitHub's genuine bytes with a published test secret, as the index has them."""
    (row,) = (row for row in folder_rows("github") if row.file == "issues.opened.signed.json")
    line = next(
        line
        for line in (Path(CORPUS or "") / "github" / "INDEX.tsv").read_text("utf-8").splitlines()
        if line.startswith(row.file)
    )
    headers = json.loads(line.split("\t")[2])
    case = replace(
        of_body("github"),
        headers=[("X-Hub-Signature-256", headers["X-Hub-Signature-256"])],
        body=row.body,
        secrets=one(headers["_secret"]),
    )

    assert under("github", case).code() == "verified"
    assert under("github", replace(case, body=row.body + b" ")).code() == "signature_invalid"
