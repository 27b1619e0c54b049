"""Webhooks whose events are hard on JSON, and on a receiver's limits."""

import json
from functools import cache
from pathlib import Path

from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted
from tests.core.mapping.building import compiled, run

MAPPING = """\
onehook: mapping/v1
platform: nasty
version: "1.0.0"
verify: none
event_name: $.kind
tables: {status: {completed: succeeded, failed: failed}}
rules:
  - id: all
    data:
      urn: [$.id]
      id: $.id
      custom:
        confidence: $.confidence
        large: $.large
        negative: $.negative
        big: $.big
        exact: $.exact
        "10": "$.keys['10']"
        "2": "$.keys['2']"
        lone: $.lone
        empty: $.empty
        nothing: $.nothing
        words: $.words
        pad: {each: "$.pad[*]"}
    rules:
      - id: finding
        when: {$.kind: finding}
        emit: security.vulnerability.detected
        data:
          title: $.title
          state: {const: open}
          severity: {const: high}
          cvss_score: $.cvss
          description: $.words
      - id: scan
        when: {$.kind: scan}
        emit: security.scan.completed
        data: {status: {lookup: $.status, table: status}, counts: {total: $.count}}
"""
WORDS = [
    "plain", "Größe 5 Ω", "日本語テキスト", "\u2028line\u2029separators", "emoji 😀👩‍👩‍👧",
    "\"quotes\" and \\backslashes\\ / slashes", "\ttabs\nand\r\nbreaks\b\f", "<b>&amp;</b>",
    "\x00\x01\x1f\x7f control", "\ufeff byte order mark", "מימין לשמאל", "", "e\u0301 combined",
]  # fmt: skip
PIECE = 900  # characters of one text of the padding
EDGES = (-30, -2, -1, 0, 1, 2, 40, 3000, 40_000)  # bytes of an event beyond 100,000


def event_size(raw: bytes) -> int:
    """Bytes of the event that the webhook *raw* becomes."""
    outcome = run(_compiled(), raw)
    assert isinstance(outcome, Emitted)
    return len(outcome.events[0].body)


@cache
def _compiled() -> CompiledMapping:
    return compiled(MAPPING)


def sized(number: int, size: int) -> bytes:
    """Finding *number*, padded so that its event has exactly *size* bytes."""
    padding = size - event_size(body(number, "finding")) - 3
    for _ in range(5):
        raw = body(number, "finding", padding)
        missing = size - event_size(raw)
        if not missing:
            return raw
        padding += missing
    msg = f"no padding gives {size} bytes"
    raise AssertionError(msg)


def write_mapping(folder: Path) -> Path:
    """A folder with the mapping in it."""
    folder.mkdir()
    (folder / "nasty.yaml").write_text(MAPPING, encoding="utf-8")
    return folder


def body(number: int, kind: str, padding: int = 0) -> bytes:
    """Webhook *number*; *padding* bytes go into the event besides.

    Written by hand where a serializer would tidy up: decimals, exponents, lone surrogates, keys
    that JavaScript puts in another order.
    """
    words = WORDS[number % len(WORDS)]
    pad = ["x" * PIECE] * (padding // (PIECE + 3)) + ["y" * (padding % (PIECE + 3))]
    fields = {
        "kind": json.dumps(kind),
        "id": json.dumps(f"{kind}-{number}"),
        "title": json.dumps(f"{words} {number}", ensure_ascii=number % 2 == 0),
        "status": '"completed"',
        "count": str(number),
        "confidence": ["1.00", "0.10", "1.0e0", "0.30000000000000004"][number % 4],
        "cvss": ["9.0", "10.0", "7.25", "0.0"][number % 4],
        "large": ["1e16", "1E+16", "10000000000000000.0", "1e21", "1.5e300"][number % 5],
        "negative": ["-0.0", "-0", "-0e0", "-1e-7"][number % 4],
        "big": ["12345678901234567890", "9007199254740993", "-9007199254740992"][number % 3],
        "exact": ["3.14159265358979323846", "5e-324", "1e400", "0.1"][number % 4],
        "keys": '{"10":"ten","2":"two","01":"one","b":1,"a":{"7":0,"3":0}}',
        "lone": ['"\\ud800"', '"a\\udc00b"', '"\\udead\\ud800"', '"\\ud83d\\ude00"'][number % 4],
        "empty": '""',
        "nothing": "null",
        "words": json.dumps(words * (number % 7)),
        "pad": json.dumps(pad if padding else []),
    }
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}").encode()
