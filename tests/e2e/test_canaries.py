"""threats.md H2: no secret in anything that a gateway writes, says or keeps in clear.

Every way in which a secret comes in is used, with values that cannot be mistaken. Then all there
is gets searched: answers, pages, metrics, exports, the log at its chattiest, the data folder with
the store's log in it, and what a receiver that answers with all it was sent leaves in history.
"""

import asyncio
import base64
import hmac
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from onehook.settings import Settings
from tests.builders import Answer, Api, Subscriber, eventually, github, sample
from tests.console.browsing import Browser
from tests.console.crawling import walk
from tests.e2e.gateways import KEY, Gateway, gateway

GITHUB, ROTATED, GITLAB = "canary-github-1f0c9a", "canary-rotated-2e1d8b", "canary-gitlab-3d2e7c"
SIGNING, BEARER, PASSWORD = "canary-signing-4c3f6d", "canary-bearer-5b405e", "canary-pass-6a514f"
HEADER, SETTING, URL = "canary-header-796240", "canary-setting-887331", "canary-url-978422"
GUESS, REFUSED = "canary-guess-a69513", "canary-refused-b5a604"
COOKIE, FORGED = "canary-cookie-c4b7f5", "canary-forged-d3c8e6"
CANARIES = (
    GITHUB, ROTATED, GITLAB, SIGNING, BEARER, PASSWORD, HEADER, SETTING, URL, GUESS, REFUSED,
    COOKIE, FORGED, KEY,
)  # fmt: skip
LONG_AGO = "2020-01-01T00:00:00Z"
LISTS = (
    "/v1/integrations", "/v1/subscriptions", "/v1/events", "/v1/deliveries", "/v1/quarantine",
    "/v1/replays", "/v1/keys", "/v1/tenants", "/v1/platforms", "/v1/stats?by=subscription", "/v1/addresses",
    "/v1/deliveries.csv", "/v1/deliveries.jsonl", "/metrics", "/readyz", "/openapi.json",
)  # fmt: skip


async def echo(request: web.Request) -> web.Response:
    """A receiver that fails, and answers with everything that it was sent."""
    said = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    text = f"{request.path_qs}\n{said}\n"
    return web.Response(status=500, text=text, headers={"Set-Cookie": f"a={COOKIE}"})


class Spy:
    """Calls a gateway, and keeps what it says unless told otherwise."""

    def __init__(self, made: Gateway) -> None:
        self.api = Api(made.url, KEY)
        self.said: dict[str, str] = {}
        self.secrets = set(CANARIES)

    async def call(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """One call, and what came back."""
        answer = await self.api.call(method, path, body, **more)
        text = answer.body.decode(errors="replace") + repr(dict(answer.headers))
        self.said[f"{len(self.said)} {method} {path}"] = text
        return answer

    async def make(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Make something; the secret that its maker is shown, once, is one more to look for."""
        answer = await self.api.call("POST", path, body)
        assert answer.status < 300, answer.body
        made: dict[str, Any] = answer.json
        for name in ("secret", "key"):
            if str(made.get(name, "")).startswith(("whsec_", "ohk_")):
                self.secrets.add(made.pop(name).removeprefix("whsec_"))
        self.said[f"{len(self.said)} POST {path}"] = json.dumps(made)
        return made


async def ingest(spy: Spy, path: str, secret: str, name: str, delivery: str) -> tuple[Answer, str]:
    """Send a webhook of GitHub's that is signed with *secret*: the answer, and the signature."""
    native = github("issues", sample(name), delivery)
    signature = hmac.digest(secret.encode(), native.body, "sha256").hex()
    headers = {
        **native.headers,
        "X-Hub-Signature-256": f"sha256={signature}",
        "Cookie": COOKIE,
        "Authorization": f"Bearer {GUESS}",
    }
    return await spy.call("POST", path, data=native.body, headers=headers), signature


async def configure(spy: Spy, receiver: Subscriber) -> dict[str, Any]:
    """An integration and subscriptions with a secret in each place that takes one."""
    made = await spy.make("/v1/integrations", {"type": "github", "key": "hub", "secret": GITHUB})
    await spy.make("/v1/integrations", {"type": "gitlab", "key": "lab", "secret": GITLAB})
    rotated = await spy.call("POST", "/v1/integrations/hub/rotate-secret", {"secret": ROTATED})
    assert rotated.status == 200, rotated.body
    splunk = {"token": SETTING}
    for key, fields in {
        "plain": {"secret": SIGNING, "headers": {"X-Key": HEADER}},
        "bearer": {"auth": {"type": "bearer", "token": BEARER}},
        "basic": {"auth": {"type": "basic", "username": "me", "password": PASSWORD}},
        "setting": {"destination": "splunk-hec", "settings": splunk},
        "url": {"destination": "slack", "url": f"{receiver.url}/{URL}"},
        "made": {},
    }.items():
        body = {"url": receiver.url, "key": key, "retry": [], "pause_after": None, **fields}
        await spy.make("/v1/subscriptions", body)
    await spy.make("/v1/subscriptions/made/rotate-secret", {})
    await spy.make("/v1/keys", {"name": "another", "scopes": ["read"]})
    return made


async def misuse(spy: Spy, path: str) -> None:
    """Secrets where they are refused: wrong forms, broken JSON, guesses, dry runs."""
    long = REFUSED + "x" * 5000
    for method, at, body in (
        ("POST", "/v1/integrations", {"type": "github", "secret": [REFUSED]}),
        ("POST", "/v1/integrations", {"type": "github", "secret": long}),
        ("POST", "/v1/integrations", {"type": "nothing", "secret": REFUSED}),
        (
            "POST",
            "/v1/integrations",
            {"type": "github", "secret": "x" * 9, "secrets": {"a": REFUSED}},
        ),
        (
            "POST",
            "/v1/subscriptions",
            {"url": f"http://10.0.0.1/{REFUSED}", "destination": "slack"},
        ),
        ("POST", "/v1/subscriptions", {"url": "https://a.example", "auth": {"token": REFUSED}}),
        ("POST", "/v1/subscriptions", {"url": f"https://me:{REFUSED}@a.example/"}),
        (
            "POST",
            "/v1/subscriptions",
            {"url": "https://a.example", "headers": {"X-A": REFUSED + "\n"}},
        ),
        ("PATCH", "/v1/subscriptions/plain", {"secret": {"a": REFUSED}}),
        ("PUT", "/v1/integrations/hub?dry_run=true", {"type": "github", "secret": REFUSED}),
        (
            "PUT",
            "/v1/subscriptions/plain?dry_run=true",
            {"url": "https://a.example", "secret": REFUSED},
        ),
        ("POST", "/v1/integrations/hub/rotate-secret", {"secret": [REFUSED]}),
    ):
        answer = await spy.call(method, at, body)
        assert "dry_run" in at or answer.status == 422, (at, answer.body)
    broken = f'{{"secret": "{REFUSED}", }}'.encode()
    json_type = {"Content-Type": "application/json"}
    await spy.call("POST", "/v1/integrations", data=broken, headers=json_type)
    await spy.call("GET", "/v1/events", headers={"Authorization": f"Bearer {GUESS}"})
    await spy.call("GET", "/v1/nothing", headers={"Authorization": f"Basic {GUESS}"})
    await spy.call("POST", path, data=b"{}", headers={"X-Hub-Signature-256": FORGED, **json_type})
    await spy.call("POST", f"{path}?token={FORGED}", data=b"{}", headers=json_type)


async def look(spy: Spy) -> None:
    """Ask for all there is: lists, and each thing in them with everything below it."""
    for path in LISTS:
        assert (await spy.call("GET", path)).status == 200, path
    for kind in ("integrations", "subscriptions"):
        for one in (await spy.call("GET", f"/v1/{kind}")).json["data"]:
            for below in ("", "/declaration", *(["/stats"] if kind == "subscriptions" else [])):
                assert (await spy.call("GET", f"/v1/{kind}/{one['id']}{below}")).status == 200
    for one in (await spy.call("GET", "/v1/deliveries")).json["data"]:
        assert (await spy.call("GET", f"/v1/deliveries/{one['id']}")).status == 200
    for one in (await spy.call("GET", "/v1/events")).json["data"]:
        for below in ("", "/native", "/native?format=json"):
            await spy.call("GET", f"/v1/events/{one['id']}{below}")
    for one in (await spy.call("GET", "/v1/quarantine")).json["data"]:
        assert (await spy.call("GET", f"/v1/quarantine/{one['id']}")).status == 200


async def use(spy: Spy, path: str) -> set[str]:
    """Webhooks that are taken, taken twice, held and refused; tests, replays; their signatures."""
    signatures: set[str] = set()
    for secret, name, delivery in (
        (GITHUB, "github/issues.opened", "d-1"),
        (ROTATED, "github/issues.closed", "d-2"),
        (GITHUB, "github/issues.opened", "d-1"),
        (FORGED, "github/issues.opened", "d-3"),
    ):
        answer, signature = await ingest(spy, path, secret, name, delivery)
        assert answer.status == (401 if secret == FORGED else answer.status)
        signatures.add(signature)
    held = github("issues", b"{", "d-4")
    proof = hmac.digest(ROTATED.encode(), held.body, "sha256").hex()
    headers = {**held.headers, "X-Hub-Signature-256": f"sha256={proof}"}
    assert (await spy.call("POST", path, data=held.body, headers=headers)).json["id"]
    signatures.add(proof)

    async def all_dead() -> bool:
        found = await spy.api.get("/v1/deliveries", status="dead", limit="200")
        return len(found.json["data"]) >= 12

    await eventually(all_dead, 30)
    for key in ("plain", "bearer", "basic", "setting", "url"):
        sample_of = {"event_type": "ticketing.ticket.created"}
        answer = await spy.call("POST", f"/v1/subscriptions/{key}/test", sample_of)
        assert answer.status == 200, answer.body
    replay = await spy.make("/v1/replays", {"since": LONG_AGO, "subscription": "bearer"})

    async def replayed() -> bool:
        return (await spy.call("GET", f"/v1/replays/{replay['id']}")).json["status"] == "done"

    await eventually(replayed, 30)
    return signatures


def spellings(secret: str) -> Iterator[bytes]:
    """How *secret* may stand somewhere: as it is, in an URL, in base64 alone or as a password."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    for before in (b"", b"me:"):
        yield base64.b64encode(before + secret.encode()).rstrip(b"=")


def found_in(texts: Mapping[str, bytes], secrets: set[str]) -> list[tuple[str, str]]:
    """Where one of *secrets* stands."""
    return [
        (where, secret)
        for where, text in texts.items()
        for secret in secrets
        if any(spelling in text for spelling in spellings(secret))
    ]


def files_below(folder: Path) -> dict[str, bytes]:
    """All files of *folder*."""
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


async def exported(made: Gateway) -> bytes:
    """What ``onehook export`` and ``onehook doctor`` print, on both streams."""
    text = b""
    for command in (("export",), ("doctor",), ("integrations", "list"), ("subscriptions", "list")):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "onehook", *command, "--url", made.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "ONEHOOK_API_KEY": KEY},
        )
        out, _ = await process.communicate()
        assert process.returncode in (0, 1), out  # 1: the doctor has found what fails
        text += out
    return text


async def test_h2_no_secret_is_in_anything_that_was_written(
    subscriber: Subscriber, tmp_path: Path
) -> None:
    """Not in an answer, a page, the log, the history, an export or a file."""
    subscriber.behave = echo
    data = tmp_path / "data"
    async with gateway(data, ONEHOOK_LOG_LEVEL="debug") as made:
        spy, browser = Spy(made), Browser(made)
        async with spy.api.session, browser.session:
            path = "/ingest/" + (await configure(spy, subscriber))["id"]
            secrets = await use(spy, path) | spy.secrets
            await misuse(spy, path)
            await look(spy)
            await browser.sign_in(KEY)
            pages = await walk(browser)
        texts = {name: text.encode() for name, text in spy.said.items()}
        texts |= {name: page.text.encode() for name, page in pages.items()}
        texts["commands"] = await exported(made)
        assert await made.stop() == 0
    texts |= files_below(tmp_path)
    shown = sum(map(len, texts.values()))

    log = [text for name, text in texts.items() if name.endswith(".aof")]
    assert any(
        b"ticketing.ticket.created" in text for text in log
    )  # not packed: it can be searched
    assert b"webhook.committed" in texts[str(tmp_path / "gateway.log")]
    assert len(pages) > 10
    assert shown > 1_000_000
    assert any(BEARER in str(one.headers) for one in subscriber.received)  # they were in use
    assert found_in(texts, secrets) == []


def test_a_secret_is_found_however_it_is_written() -> None:
    """Or the test above proves nothing."""
    basic = base64.b64encode(f"me:{PASSWORD}".encode())
    texts = {"clear": b"a " + URL.encode() + b" b", "basic": basic, "none": b"a canary"}

    assert found_in(texts, {URL, PASSWORD}) == [("clear", URL), ("basic", PASSWORD)]


def test_h2_settings_show_no_secret_of_theirs() -> None:
    """However they are printed."""
    redis, proxy = f"redis://:{URL}@h/0", f"http://me:{PASSWORD}@h:1"
    made = Settings(api_key=KEY, redis_url=redis, egress_proxy=proxy)
    for text in (repr(made), str(made), made.model_dump_json()):
        assert not any(secret in text for secret in (KEY, URL, PASSWORD))
