"""Two admins at once: nobody's change is lost (threats.md H7)."""

import asyncio
from typing import Any

import pytest

from tests.builders import Running, eventually
from tests.conftest import StartGateway

MADE: dict[str, dict[str, Any]] = {
    "subscriptions": {"url": "http://127.0.0.1:9/hook"},
    "integrations": {"type": "github", "name": "one", "secret": "a-secret-of-some-length"},
}


async def made(gateway: Running, kind: str) -> str:
    """The path of a new thing of that kind."""
    answer = await gateway.api.post(f"/v1/{kind}", MADE[kind])
    assert answer.status == 201, answer.body
    return f"/v1/{kind}/{answer.json['id']}"


@pytest.mark.parametrize("kind", MADE)
async def test_h7_of_edits_at_once_none_is_lost(gateway: Running, kind: str) -> None:
    """Each that is taken holds; the others are told to look again."""
    path = await made(gateway, kind)

    before = (await gateway.api.get(path)).json
    edits = [{"name": f"name {n}"} if n % 2 else {"key": f"key-{n}"} for n in range(12)]

    answers = await asyncio.gather(*(gateway.api.patch(path, edit) for edit in edits))

    assert {answer.status for answer in answers} == {200, 409}
    taken = [e for e, answer in zip(edits, answers, strict=True) if answer.status == 200]
    shown = (await gateway.api.get(path)).json
    for name in ("name", "key"):
        allowed = [edit[name] for edit in taken if name in edit] or [before[name]]
        assert shown[name] in allowed


@pytest.mark.parametrize("kind", MADE)
async def test_h7_edits_through_two_gateways_do_not_undo_each_other(
    start_gateway: StartGateway, kind: str
) -> None:
    """The second gateway has not heard of the first one's change yet: 409, and nothing is lost."""
    one, other = await start_gateway(), await start_gateway()
    path = await made(one, kind)

    async def known() -> bool:
        return (await other.api.get(path)).status == 200

    await eventually(known)
    first, second = await asyncio.gather(
        one.api.patch(path, {"name": "mine"}), other.api.patch(path, {"key": "theirs"})
    )
    shown = (await one.api.get(path)).json
    assert {first.status, second.status} <= {200, 409}
    assert (first.status == 200) is (shown["name"] == "mine")
    assert (second.status == 200) is (shown["key"] == "theirs")


async def test_h7_a_pause_holds_beside_edits(gateway: Running) -> None:
    """It is about one field alone, so it is never refused, and never undone."""
    path = await made(gateway, "subscriptions")
    edits = [gateway.api.patch(path, {"name": f"name {n}"}) for n in range(6)]
    paused = gateway.api.post(f"{path}/pause")
    answers = await asyncio.gather(*edits, paused)
    assert answers[-1].status == 200
    assert (await gateway.api.get(path)).json["status"] == "paused"


@pytest.mark.parametrize("kind", MADE)
async def test_h7_if_match_names_the_state_that_was_seen(gateway: Running, kind: str) -> None:
    """RFC 9110 §13.1.1: 412 once it is another one; PATCH and DELETE."""
    path = await made(gateway, kind)
    seen = (await gateway.api.get(path)).headers["ETag"]
    changed = await gateway.api.call("PATCH", path, {"name": "a"}, headers={"If-Match": seen})
    assert changed.status == 200
    assert changed.headers["ETag"] != seen
    for method, body in (("PATCH", {"name": "b"}), ("DELETE", None)):
        stale = await gateway.api.call(method, path, body, headers={"If-Match": seen})
        assert (stale.status, stale.json["code"]) == (412, "stale")
    assert (await gateway.api.get(path)).json["name"] == "a"
    several = {"If-Match": f'"other", {changed.headers["ETag"]}'}
    assert (await gateway.api.call("PATCH", path, {"name": "c"}, headers=several)).status == 200
    any_ = {"If-Match": "*"}
    last = (await gateway.api.call("PATCH", path, {"name": "d"}, headers=any_)).headers["ETag"]
    gone = await gateway.api.call("DELETE", path, headers={"If-Match": last})
    assert gone.status == 204
