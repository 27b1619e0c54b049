"""Real payloads of every shipped platform, posted with a right signature.

``CORPUS`` names a folder of public payloads, ``<platform>/INDEX.tsv`` beside them. It is no part
of the project; without it these tests are skipped.
"""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from onehook.core.schema.events import EVENT_TYPES, data_model
from tests.builders import Native, Running

CORPUS = os.environ.get("CORPUS")
PLATFORMS = ("github", "gitlab", "jira", "servicenow", "pagerduty")
SETTINGS: dict[str, dict[str, object]] = {
    "gitlab": {"settings": {"signing_token": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},
    "servicenow": {
        "secret": "servicenow-secret",
        "settings": {"instance": "acme.service-now.com"},
    },
}
_PROOFS = re.compile(r"signature|token|authorization|webhook-(id|timestamp)$", re.IGNORECASE)
_HEADER = re.compile(r"([A-Za-z0-9-]+): (.*)")


@dataclass(frozen=True, slots=True)
class Row:
    """One payload and what the index says of it."""

    file: str
    headers: dict[str, str]
    body: bytes
    note: str


def rows(platform: str) -> Iterator[Row]:
    """The payloads of *platform*."""
    folder = Path(CORPUS or "") / platform
    with (folder / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        for line in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE):
            path = folder / line["file"]
            yield Row(line["file"], _headers(line), path.read_bytes(), line["note"] or "")


def _headers(line: dict[str, str]) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    for name in ("X-GitHub-Event", "X-Gitlab-Event"):
        if name in line:
            headers[name.lower()] = line[name]
            headers |= json.loads(line["other_headers_json"] or "{}")
    for part in (line.get("headers") or "").split(" | "):
        if found := _HEADER.fullmatch(part):
            headers[found[1].lower()] = re.sub(r"<[^>]*>", line["file"], found[2])
    wanted = {n: v for n, v in headers.items() if not _PROOFS.search(n) and v.isascii()}
    return {**wanted, **({"x-webhook-id": line["file"]} if "x-webhook-id" in headers else {})}


@pytest.mark.skipif(CORPUS is None, reason="CORPUS names no folder of payloads")
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_payload_is_accepted_or_ignored(gateway: Running, platform: str) -> None:
    """No real payload gets a 5xx or is refused; only broken ones are quarantined."""
    sender = await gateway.integrate(platform, **SETTINGS.get(platform, {}))
    outcomes: Counter[str] = Counter()
    types: Counter[str] = Counter()
    wrong: list[str] = []
    for row in rows(platform):
        answer = await gateway.send(sender, Native(row.headers, row.body))
        status = str(answer.json["status"])
        outcomes[status] += 1
        broken = "NOT valid JSON" in row.note
        if broken:
            fits = answer.status == 202 and answer.json.get("reason") == "unparsable"
            fits = fits and bool(re.match(r"line \d+, column \d+", answer.json["detail"]))
        else:
            trimmed = "trimmed" in row.note and status == "quarantined"
            fits = answer.status in (200, 202) and (
                status in ("accepted", "ignored", "duplicate") or trimmed
            )
        if not fits:
            wrong.append(f"{row.file}: {answer.status} {answer.body!r}")
        for event in answer.json.get("events", []):
            types[event["type"]] += 1
            stored = await gateway.api.get(f"/v1/events/{event['id']}")
            data_model(EVENT_TYPES[event["type"]]).model_validate(stored.json["data"])
        if platform == "pagerduty" and row.file.endswith("v2-legacy.json"):
            assert answer.json == {"status": "ignored", "reason": "v2"}
    print(f"\n{platform}: {sum(outcomes.values())} payloads, {dict(outcomes)}, {dict(types)}")
    assert not wrong
    assert sum(outcomes.values()) > 0
