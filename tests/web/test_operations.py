"""Bodies, keys and errors of the management API, whatever the operation."""

import io
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.exceptions import ConnectionError as AwayError

import onehook
from onehook.errors import OnehookError
from onehook.web.problems import KINDS
from tests.builders import API_KEY, SECRET, Api, Running
from tests.conftest import StartGateway

INTEGRATIONS = "/v1/integrations"
JSON = {"Content-Type": "application/json"}
SOURCE = Path(onehook.__file__).parent


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", "Bearer wrong-key-of-some-length", f"Basic {API_KEY}",
        API_KEY, f"Bearer {API_KEY}x", f"Bearer {API_KEY[:-1]}", "Bearer \u00e9",
    ],
)  # fmt: skip
async def test_wrong_keys_are_401(gateway: Running, header: str | None) -> None:
    """Without the right API key nothing is answered, and the answer says what to send."""
    headers = {} if header is None else {"Authorization": header}

    answer = await gateway.vendor.call("GET", INTEGRATIONS, headers=headers)

    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert answer.media_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert API_KEY not in answer.body.decode()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_scheme_is_read_without_case(gateway: Running, scheme: str) -> None:
    """The word Bearer may be written in any case."""
    headers = {"Authorization": f"{scheme} {API_KEY}"}

    assert (await gateway.vendor.call("GET", INTEGRATIONS, headers=headers)).status == 200


BROKEN = {
    "no json": (b"{oops", JSON, 400, "json_invalid"),
    "cut": (b'{"type":', JSON, 400, "json_invalid"),
    "not utf-8": (b'{"type":"\xff"}', JSON, 400, "json_invalid"),
    "deep": (b"[" * 100_000, JSON, 400, "json_invalid"),
    "a list": (b"[]", JSON, 422, "request_invalid"),
    "null": (b"null", JSON, 422, "request_invalid"),
    "empty": (b"", JSON, 400, "json_invalid"),
    "no type": (b"{}", {"Content-Type": ""}, 415, "media_type_unsupported"),
    "a form": (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415,
               "media_type_unsupported"),
    "gzip": (b"{}", {**JSON, "Content-Encoding": "gzip"}, 415, "encoding_unsupported"),
    "large": (b'"' + b"a" * 1_048_576 + b'"', JSON, 413, "body_too_large"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "headers", "status", "code"), BROKEN.values(), ids=BROKEN)
async def test_broken_bodies_are_problems(
    gateway: Running, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """A body that cannot be read is a problem of its own code; nothing is saved."""
    answer = await gateway.api.call("POST", INTEGRATIONS, data=io.BytesIO(body), headers=headers)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.media_type == "application/problem+json"
    assert (await gateway.api.get(INTEGRATIONS)).json["data"] == []


async def test_broken_json_names_line_and_column(gateway: Running) -> None:
    """A syntax error is told by line and column."""
    answer = await gateway.api.call("POST", INTEGRATIONS, data=b'{\n "a": oops}', headers=JSON)

    assert re.search(r"line 2, column 7", answer.json["detail"])


async def test_all_wrong_fields_are_named_at_once(gateway: Running) -> None:
    """Every field that is wrong has its own entry in `errors`."""
    body = {"type": 7, "colour": "red", "si/ze~": 1, "secret": SECRET}

    answer = await gateway.api.post(INTEGRATIONS, body)

    pointers = {error["pointer"] for error in answer.json["errors"]}
    assert pointers == {"/type", "/colour", "/si~1ze~0"}


async def test_values_are_not_echoed(gateway: Running) -> None:
    """What was wrong is named, not repeated: it may be a secret in the wrong place."""
    answer = await gateway.api.post(INTEGRATIONS, {"type": "github", "secrets": SECRET})

    assert answer.status == 422
    assert SECRET not in answer.body.decode()


async def test_store_away_is_503_with_retry_after(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store is away the management API answers 503 and when to come again."""

    async def fail(*_: object, **__: object) -> None:
        raise AwayError("redis://user:secret@host refused")  # noqa: TRY003

    monkeypatch.setattr(gateway.runtime.gateway.events, "index", fail)

    answer = await gateway.api.get("/v1/events")

    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "secret" not in answer.body.decode()


async def test_our_own_bug_is_500_without_details(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception is 500 ``internal_error``; its text stays inside."""

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("very inside")  # noqa: TRY003

    monkeypatch.setattr(gateway.runtime.gateway.events, "index", fail)

    answer = await gateway.api.get("/v1/events")

    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert "inside" not in answer.body.decode()


# -- the pages and the machine's own paths --------------------------------------------------------


def codes() -> set[str]:
    """Every code that the source can put into a problem."""
    found = {
        code
        for path in SOURCE.rglob("*.py")
        for code in re.findall(r'\bcode="(\w+)"', path.read_text("utf-8"))
    }
    kinds = [OnehookError, *OnehookError.__subclasses__()]
    return found | {kind.code for kind in kinds if kind.exit_code != 78}


@pytest.mark.parametrize("code", sorted(codes() | set(KINDS)))
async def test_every_code_has_its_page(gateway: Running, code: str) -> None:
    """The `type` of a problem leads to a page that says what to do, to anybody."""
    page = await gateway.vendor.get(f"/problems/{code}")

    assert (page.status, page.media_type) == (200, "text/plain")
    text = page.body.decode()
    assert code in text
    assert KINDS[code].remedy in text


async def test_unknown_page_is_404(gateway: Running) -> None:
    """A problem that does not exist has no page."""
    assert (await gateway.vendor.get("/problems/x")).status == 404


async def test_health_and_readiness(gateway: Running) -> None:
    """A gateway that takes webhooks is alive and ready, and says so to anybody."""
    healthy, ready = await gateway.vendor.get("/healthz"), await gateway.vendor.get("/readyz")

    assert (healthy.status, healthy.json) == (200, {"status": "ok"})
    assert (ready.status, ready.json) == (200, {"status": "ready", "reasons": []})


async def test_not_ready_tells_the_reasons(gateway: Running) -> None:
    """While something holds, readiness is 503 with its code; liveness is not touched."""
    gateway.runtime.gateway.readiness.set("store_unavailable", holds=True)

    ready = await gateway.vendor.get("/readyz")

    assert ready.status == 503
    assert ready.json == {"status": "not_ready", "reasons": ["store_unavailable"]}
    assert (await gateway.vendor.get("/healthz")).status == 200


async def test_metrics_need_a_key_and_parse(gateway: Running) -> None:
    """Metrics are for key holders, in Prometheus's text form."""
    assert (await gateway.vendor.get("/metrics")).status == 401

    answer = await gateway.api.get("/metrics")

    assert answer.status == 200
    names = {family.name for family in text_string_to_metric_families(answer.body.decode())}
    assert {"onehook_webhooks", "onehook_commit_batch_size", "onehook_ingest_seconds"} <= names


async def test_nothing_there_is_a_problem(gateway: Running) -> None:
    """A path that nothing serves is 404 as a problem, also without a key."""
    for path in ("/", "/v2/events", "/ingest", "/ingest/", "/ingest/a/b", "/.env", "/v1/"):
        answer = await gateway.vendor.get(path)
        assert (answer.status, answer.json["code"]) == (404, "not_found"), path


async def test_two_gateways_share_their_configuration(start_gateway: StartGateway) -> None:
    """What one gateway saved another one on that store knows within a second or two."""
    one, two = await start_gateway(), await start_gateway()
    sender = await one.integrate()

    await two.runtime.gateway.registry.whole.refresh()

    assert (await two.api.get(f"/v1/integrations/{sender.id}")).status == 200


async def test_other_clients_headers_do_not_matter(gateway: Running) -> None:
    """What a browser sends besides is ignored: no cookie, no origin lets anybody in."""
    api = Api(gateway.url, None)
    async with api.session:
        answer = await api.call(
            "GET", INTEGRATIONS, headers={"Cookie": f"key={API_KEY}", "Origin": gateway.url}
        )
    assert answer.status == 401
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert json.loads(answer.body)["code"] == "unauthorized"
