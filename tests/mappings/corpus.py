"""The folder of public payloads that ``CORPUS`` names, ``<vendor>/INDEX.tsv`` beside them.

It is no part of the project; without it what needs it is skipped.
"""

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CORPUS = os.environ.get("CORPUS")
OTHER = "other"  # the folder of vendors with a few payloads each: the vendor is in the file's name
SHIPPED_AS = {"incidentio": "standard"}  # vendors that sign by a standard
NOT_SHIPPED = frozenset(
    {
        "alertmanager",
        "firehydrant",
        "msgraph",
        "rootly",
        "slack",
        "sonarqube",
        "statuspage",
        "zendesk",
    }
)
_PROOFS = re.compile(r"_.*|.*(signature|token|authorization).*|webhook-timestamp", re.IGNORECASE)
_HEADER = re.compile(r"([A-Za-z0-9-]+): (.*)")
_STAND_INS = {"<unix s>": "1795342500", "<unix ms>": "1795342500000"}


@dataclass(frozen=True, slots=True)
class Row:
    """One payload and what the index says of it."""

    file: str
    headers: dict[str, str]
    body: bytes
    note: str

    @property
    def broken(self) -> bool:
        """It is no JSON: it must be quarantined, with line and column."""
        return "NOT valid JSON" in self.note

    @property
    def trimmed(self) -> bool:
        """Its source cut it: it may be quarantined for what is missing."""
        return "trimmed" in self.note

    @property
    def vendor(self) -> str:
        """Who sends it, in the folder of several vendors."""
        return self.file.partition(".")[0]


def folder_rows(folder: str) -> Iterator[Row]:
    """The payloads of a folder of the corpus."""
    path = Path(CORPUS or "") / folder
    with (path / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        for line in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE):
            body = (path / line["file"]).read_bytes()
            yield Row(line["file"], _headers(line), body, line["note"] or "")


def rows(platform: str) -> list[Row]:
    """The payloads of a shipped platform; none where the corpus has none."""
    own = Path(CORPUS or "") / platform
    found = list(folder_rows(platform)) if own.is_dir() else []
    others = (row for row in folder_rows(OTHER) if row.vendor not in NOT_SHIPPED)
    return found + [r for r in others if SHIPPED_AS.get(r.vendor, r.vendor) == platform]


def _headers(line: dict[str, str]) -> dict[str, str]:
    """The headers of a line, without proofs; stand-ins for what the index only describes."""
    headers = {"content-type": "application/json"}
    for name in ("X-GitHub-Event", "X-Gitlab-Event"):
        if name in line:
            headers[name.lower()] = line[name]
            headers |= json.loads(line["other_headers_json"] or "{}")
    for part in (line.get("headers") or "").split(" | "):
        if found := _HEADER.fullmatch(part):
            text = re.sub(r"<[^>]*>", lambda m: _STAND_INS.get(m[0], line["file"]), found[2])
            headers[found[1].lower()] = text.replace("…", "1")
    return {n: v for n, v in headers.items() if not _PROOFS.fullmatch(n) and v.isascii()}
