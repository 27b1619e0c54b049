"""``/v1/platforms``: what mappings are loaded."""

from pathlib import Path

from tests.builders import Running, write_acme
from tests.conftest import StartGateway


async def test_platforms_tell_settings_rules_ignores_and_setup(gateway: Running) -> None:
    """Every shipped platform: how to set it up, what it asks for, what it produces."""
    answer = await gateway.api.get("/v1/platforms")

    found = {one["type"]: one for one in answer.json["data"]}
    assert {"github", "gitlab", "jira", "pagerduty", "servicenow"} <= set(found)
    assert answer.json["next"] is None
    (secret,) = found["github"]["settings"]
    assert (secret["name"], secret["secret"], secret["required"]) == ("secret", True, True)
    assert "scm.pull_request.merged" in {rule["emits"] for rule in found["github"]["rules"]}
    assert "ping" in found["github"]["ignores"]
    assert "Add webhook" in found["github"]["setup"][0]


async def test_operators_mappings_come_after_the_shipped_ones(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A mapping in ``mappings`` is listed too, and replaces a shipped one of the same platform."""
    folder = write_acme(tmp_path / "mappings")
    text = (folder / "acme.yaml").read_text()
    (folder / "mine.yaml").write_text(text.replace("platform: acme", "platform: github"))
    gateway = await start_gateway(mappings=folder)

    found = {one["type"]: one for one in (await gateway.api.get("/v1/platforms")).json["data"]}

    assert [rule["id"] for rule in found["acme"]["rules"]] == ["tickets"]
    assert [rule["id"] for rule in found["github"]["rules"]] == ["tickets"]
