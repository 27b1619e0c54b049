"""Demo-like traffic: two platforms, a receiver that takes everything and one that fails."""

from dataclasses import dataclass
from typing import Any

from tests.builders import (
    Reply,
    Running,
    Sender,
    Subscriber,
    github,
    issue,
    sample,
)

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}${7*7}</textarea>"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came in, and who got it."""

    sender: Sender
    good: dict[str, Any]
    bad: dict[str, Any]
    tickets: list[str]  # event ids
    pull_request: str
    quarantined: str


async def send_traffic(gateway: Running, good: Subscriber, bad: Subscriber) -> Traffic:
    """Have webhooks come, be delivered, fail, and land in quarantine."""
    sender = await gateway.integrate(name="GitHub of Acme", key="acme")
    first = await gateway.subscribe(good, name="Payments team", events=["scm.*", "ticketing.*"])
    bad.usual = Reply(500, {"Content-Type": "text/html"}, HOSTILE.encode())
    second = await gateway.subscribe(
        bad, name="Broken receiver", events=["ticketing.*"], retry=[], pause_after=None
    )
    tickets = [(await gateway.accept(sender, issue(number)))[0] for number in (1, 2, 3)]
    (pull_request,) = await gateway.accept(
        sender, github("pull_request", sample("github/pull_request.opened"))
    )
    held = await gateway.send(sender, github("issues", {"action": "opened", "issue": {}}))
    assert held.json["status"] == "quarantined", held.body
    for event_id in (*tickets, pull_request):
        await gateway.settled(event_id, first["id"], status="delivered")
    for event_id in tickets:
        await gateway.settled(event_id, second["id"], status="dead")
    await gateway.runtime.pulse.flush()
    return Traffic(sender, first, second, tickets, pull_request, held.json["id"])


async def send_hostile(gateway: Running, traffic: Traffic) -> str:
    """A ticket whose every text is markup; its event."""
    body = sample("github/issues.opened")
    issue_ = {**body["issue"], "number": 66, "id": 4_000_066, "title": HOSTILE, "body": HOSTILE}
    issue_["labels"] = [{**label, "name": HOSTILE} for label in body["issue"]["labels"]]
    hostile = github("issues", {**body, "issue": issue_, HOSTILE: HOSTILE})
    (event_id,) = await gateway.accept(traffic.sender, hostile)
    await gateway.settled(event_id, traffic.bad["id"], status="dead")
    return event_id
