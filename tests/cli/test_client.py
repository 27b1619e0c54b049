"""How commands ask: what a gateway refuses, and what is no gateway, is told with its exit code."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onehook.cli.client import Target, connect
from onehook.errors import OnehookError, SettingsError, StoreUnavailableError
from tests.builders import Subscriber, until
from tests.cli.applying import Applying

KEY = "a-key-that-is-not-shown"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEHOOK_API_KEY", KEY)


def answering(status: int, body: Any) -> Any:
    """How a server answers every request."""

    async def behave(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return behave


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (403, {"detail": "needs the scope admin", "code": "forbidden"}, 1, "needs the scope admin"),
        (404, {"detail": "there is none"}, 1, "there is none"),
        (401, {"detail": "this API key is not known"}, 78, "this API key is not known"),
        (503, {"detail": "the store is away"}, 69, "the store is away"),
        (502, ["a proxy's page"], 1, "answers 502, and not as a gateway does"),
        (302, {}, 1, "answers 302"),
        (
            422,
            {"detail": "/a is wrong", "errors": [{"pointer": "/b", "detail": "is too"}]},
            1,
            "/a is wrong\n  /b is too",
        ),
    ],
)
async def test_refusals_have_their_exit_codes(
    subscriber: Subscriber, status: int, body: Any, code: int, said: str
) -> None:
    """In the words of the gateway, where it has some; the key is in none."""
    subscriber.behave = answering(status, body)
    with pytest.raises(OnehookError) as caught:
        async with connect(Target(subscriber.url)) as client:
            await client.get("/v1/events")

    assert caught.value.exit_code == code
    assert said in caught.value.detail
    assert KEY not in caught.value.detail


async def test_what_is_no_gateway_is_69() -> None:
    """Nobody there, or somebody who speaks no JSON."""
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        async with connect(Target("http://127.0.0.1:9/")) as client:
            await client.get("/v1/events")


async def test_the_key_comes_from_the_data_folder(
    subscriber: Subscriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment has none; without either it is a matter of configuration."""
    monkeypatch.delenv("ONEHOOK_API_KEY")
    monkeypatch.setenv("ONEHOOK_DATA", str(tmp_path))
    with pytest.raises(SettingsError, match="ONEHOOK_API_KEY is not set"):
        async with connect(Target(subscriber.url)):
            pass
    (tmp_path / "api-key").write_text("ohk_made\n")
    subscriber.behave = answering(200, {})
    async with connect(Target(subscriber.url)) as client:
        await client.get("/")
    await until(lambda: bool(subscriber.received))
    assert subscriber.received[0].headers["Authorization"] == "Bearer ohk_made"


async def test_a_limited_key_is_told_by_every_command(
    applying: Applying, subscriber: Subscriber
) -> None:
    """403 ends apply, retries and doctor's probes in the gateway's words."""
    detail = "this key may only read"
    subscriber.behave = answering(403, {"detail": detail, "code": "forbidden"})
    applying.url = subscriber.url
    code, _, err = await applying.apply("subscriptions: [{key: a}]\n")
    retried = await applying.say("deliveries", "retry", "dlv_a", "dlv_b")

    assert (code, detail in err) == (1, True)
    assert (retried[0], detail in retried[2]) == (1, True)
    assert len(subscriber.received) == 2  # one of each: the rest would be refused as well
