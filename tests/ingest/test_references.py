"""What an event talks about is found on its way through the line."""

import json

from tests.builders import Running, github, issue


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
