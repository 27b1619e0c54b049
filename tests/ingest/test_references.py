"""What an event talks about is found on its way through the line."""

import json
from typing import Any

from onehook.core.jsontext import encode
from tests.builders import Native, Running, Sender, eventually, github, issue, sample
from tests.conftest import StartGateway

URN = "oh:jira:acme.atlassian.net:ticket:PAY-311"


def ticket(key: str) -> Native:
    """Jira's ``jira:issue_created``."""
    body = json.dumps(sample("jira/issue_created")).replace("PAY-142", key)
    headers = {"Content-Type": "application/json", "X-Atlassian-Webhook-Identifier": key}
    return Native(headers, body.encode())


def pull_request(number: int) -> Native:
    """GitHub's ``pull_request.opened``, which names PAY-311."""
    body = sample("github/pull_request.opened")
    changed = {**body, "number": number, "pull_request": {**body["pull_request"], "number": number}}
    return github("pull_request", encode(changed))


async def named(gateway: Running, sender: Sender, native: Native) -> dict[str, Any]:
    """The references of an event, by their keys."""
    (event_id,) = await gateway.accept(sender, native)
    event = (await gateway.api.get(f"/v1/events/{event_id}")).json
    return {reference["key"]: reference for reference in event["data"]["references"]}


async def test_texts_of_an_event_name_other_things(gateway: Running) -> None:
    """A closing keyword, a catalogue number and a link become references of the event."""
    sender = await gateway.integrate()
    await gateway.accept(sender, issue(1))  # from it the gateway learns the host
    body = json.loads(issue(2).body)
    page = body["repository"]["html_url"]
    body["issue"]["title"] = "Upgrade because of CVE-2026-12345"
    body["issue"]["body"] = f"Found in {page}/pull/41. INC0010023 waits for it."

    (event_id,) = await gateway.accept(sender, github("issues", body))

    event = (await gateway.api.get(f"/v1/events/{event_id}")).json
    found = {reference["key"]: reference for reference in event["data"]["references"]}
    name = body["repository"]["full_name"]
    assert found["CVE-2026-12345"]["confidence"] >= 0.95
    assert found["INC0010023"]["type"] == "incident"
    assert found[f"{name}#41"]["method"] == "url"
    assert found[f"{name}#41"]["urn"] == f"oh:github:github.com:pull_request:{name}/41"
    assert found[f"{name}#41"]["found_in"] == ["description"]


async def test_a_prefix_is_learnt_from_a_tracker(gateway: Running) -> None:
    """Before its first ticket a key is a guess; from then on it is a ticket of that tracker."""
    jira, forge = await gateway.integrate("jira"), await gateway.integrate()
    assert "PAY-311" not in await named(gateway, forge, pull_request(1))

    await gateway.accept(jira, ticket("PAY-1"))

    found = (await named(gateway, forge, pull_request(2)))["PAY-311"]
    assert (found["urn"], found["verified"]) == (URN, False)


async def test_what_was_learnt_and_seen_outlives_a_restart(start_gateway: StartGateway) -> None:
    """A gateway knows the prefixes, the hosts and the things that it knew before it stopped."""
    gateway = await start_gateway()
    jira, forge = await gateway.integrate("jira"), await gateway.integrate()
    await gateway.accept(jira, ticket("PAY-311"))
    await gateway.close()

    again = await start_gateway()

    found = (await named(again, forge, pull_request(1)))["PAY-311"]
    assert (found["urn"], found["verified"]) == (URN, True)
    assert found["confidence"] >= 0.95


async def test_gateways_share_what_they_learn_and_see(start_gateway: StartGateway) -> None:
    """What one was taught the others know a moment later."""
    one, two = await start_gateway(), await start_gateway()
    jira, forge = await one.integrate("jira"), await one.integrate()
    await two.runtime.gateway.registry.whole.refresh()
    await one.accept(jira, ticket("PAY-311"))
    numbers = iter(range(1, 1000))

    async def shared() -> bool:
        found = await named(two, forge, pull_request(next(numbers)))
        reference = found.get("PAY-311", {})
        return (reference.get("urn"), reference.get("verified")) == (URN, True)

    await eventually(shared)


async def test_prefixes_may_be_stated(gateway: Running) -> None:
    """An operator names the projects of a tracker that has not sent anything yet."""
    settings = {"secret": "it-is-a-secret-to-everybody", "project_keys": "OPS, pay"}
    await gateway.integrate("jira", settings=settings)
    forge = await gateway.integrate()

    found = (await named(gateway, forge, pull_request(1)))["PAY-311"]

    assert (found["type"], found["urn"]) == ("ticket", None)  # the host is not known yet
