"""The two kinds of load: pull requests, each for itself, and revisions of issues, in order."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Answer, Patience, run_load
from benchmarks.payloads import make_templates, make_webhooks
from tests.builders import github, issue
from tests.chaos.arena import SECRET, Arena
from tests.chaos.ledger import Ledger

CONNECTIONS = 64
THINGS = 8  # issues that are edited at once, each on a connection of its own
PULLS, ISSUES = "pulls", "issues"
# As a vendor that never gives up: so whatever is unanswered at the end is a fault of ours.
PATIENCE = Patience(timeout=15, retry_for=240, retry_statuses=(503,))
_TEMPLATES = make_templates()


@dataclass(frozen=True, slots=True)
class Revision:
    """A webhook about one of several states of the same issue."""

    rest: bytes  # header lines and body

    def wire(self, start: bytes) -> bytes:
        """The whole request; *start* is the request line and the Host header."""
        return start + self.rest


def make_revision(number: int, revision: int) -> Revision:
    """Issue *number* with its title changed for the *revision*-th time."""
    body = json.loads(issue(number).body)
    body["issue"]["title"] = f"revision {revision}"
    native = github("issues", body, f"delivery-{number}-{revision}")
    proof = hmac.new(SECRET.encode(), native.body, hashlib.sha256).hexdigest()
    headers = {
        **native.headers,
        "X-Hub-Signature-256": f"sha256={proof}",
        "Content-Length": str(len(native.body)),
    }
    lines = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
    return Revision(f"{lines}\r\n\r\n".encode() + native.body)


class Vendor:
    """Sends to an arena, and has every answer written down."""

    def __init__(self, arena: Arena, ledger: Ledger) -> None:
        self._arena, self._ledger = arena, ledger
        self._pulls = 0
        self._revisions = 0

    async def send(self, count: int) -> None:
        """*count* webhooks, all of them until they are answered; one in ten is of an issue."""
        each = max(count // 10 // THINGS, 1)
        pulls = make_webhooks(count - each * THINGS, SECRET, self._pulls, _TEMPLATES)
        first, self._pulls = self._revisions, self._pulls + len(pulls)
        self._revisions += each

        def take(answer: Answer) -> None:
            self._ledger.take(PULLS, answer)

        async with asyncio.TaskGroup() as group:
            group.create_task(run_load(self._arena.ingest, pulls, CONNECTIONS, take, PATIENCE))
            for thing in range(THINGS):
                edits = [make_revision(thing + 1, first + at) for at in range(each)]
                group.create_task(self._edit(thing, edits))

    async def _edit(self, thing: int, edits: Sequence[Revision]) -> None:
        """One after the other: each is sent when the one before it was answered."""

        def take(answer: Answer) -> None:
            self._ledger.take(ISSUES, answer, thing)

        await run_load(self._arena.ingest, edits, 1, take, PATIENCE)
