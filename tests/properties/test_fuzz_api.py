"""threats.md H6: no input to the management API makes a 5xx, or an answer that is not described.

Schemathesis reads the OpenAPI document of a running gateway and calls every operation with data
that fits it and with data that does not.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from onehook.api.openapi import OPERATIONS
from tests.builders import API_KEY, Running, Subscriber, acme, tickets, write_acme
from tests.conftest import StartGateway
from tests.properties.budget import MINUTES, SEED, seconds

CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "unsupported_method",
    "allow_header_conformance", "missing_required_header",
]  # fmt: skip
SPARE = 4  # of each thing that may be deleted
ENDLESS = "/v1/stream"  # its answer has no end: tests/api/test_streams.py reads some of it
ALIASES = sorted({path for o in OPERATIONS for path in o.aliases})
LONG_AGO = "2020-01-01T00:00:00Z"


async def things(gateway: Running, subscriber: Subscriber) -> dict[str, list[str]]:
    """Some of everything that has an id, by what stands before it in a path."""
    senders = [await gateway.integrate("acme", name=f"s{n}", key=f"s-{n}") for n in range(SPARE)]
    hooks = [await gateway.subscribe(subscriber, key=f"h-{n}") for n in range(SPARE)]
    found = [await gateway.accept(senders[0], tickets(f"T-{n}")) for n in range(SPARE)]
    events = [id_ for ids in found for id_ in ids]
    hook = hooks[0]["id"]
    for event in events:
        await gateway.settled(event, hook, status="delivered")
    held = [await gateway.send(senders[0], acme(f"unheard of {n}")) for n in range(SPARE)]
    post, dry = gateway.api.post, {"since": LONG_AGO, "dry_run": True}
    replays = [await post("/v1/replays", dry) for _ in range(SPARE)]
    keys = [await post("/v1/keys", {"name": f"k{n}"}) for n in range(SPARE)]
    tenants = [await post("/v1/tenants", {"id": f"t-{n}"}) for n in range(SPARE)]
    made = [answer.json["id"] for answer in (*replays, *keys, *tenants)]
    ids = {
        "integrations": [sender.id for sender in senders],
        "subscriptions": [one["id"] for one in hooks],
        "events": events,
        "deliveries": [f"dlv_{event[4:]}{hook[4:]}" for event in events],
        "quarantine": [answer.json["id"] for answer in held],
        "replays": made[:SPARE],
        "keys": made[SPARE : 2 * SPARE],
        "tenants": made[2 * SPARE :],
        "references": ["T-1"],
        "schemas": ["ticketing.ticket.created"],
        "platforms": ["acme", "github"],
    }
    return {**ids, "webhooks": ids["subscriptions"], "api-keys": ids["keys"]}


def options() -> Sequence[str]:
    """How much of it: a fixed part without ``FUZZ_MINUTES``, aliases left to the long form."""
    if MINUTES:
        return ["--max-time", str(max(1, round(seconds("api")))), "--seed", str(SEED)]
    skipped = [text for path in ALIASES for text in ("--exclude-path", path)]
    return [*skipped, "--phases", "coverage", "--seed", "1", "--no-shrink"]


async def test_h6_every_answer_to_anything_is_described(
    start_gateway: StartGateway, subscriber: Subscriber, tmp_path: Path
) -> None:
    """No 5xx, no status, type or form of an answer that the document does not have."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    ids = await things(gateway, subscriber)
    environment = {
        **os.environ,
        "FUZZ_IDS": json.dumps(ids),
        "SCHEMATHESIS_HOOKS": "tests.properties.schemathesis_hooks",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
    }
    command = [
        *("-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {API_KEY}", "--checks", ",".join(CHECKS)),
        *("--exclude-path", ENDLESS, "--request-timeout", "30", "--warnings", "off"),
        *("--continue-on-failure", *options()),
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=tmp_path,
    )
    said, _ = await process.communicate()

    shown = said.decode(errors="replace")
    print(shown[-600:])
    assert process.returncode == 0, shown[-20_000:]
