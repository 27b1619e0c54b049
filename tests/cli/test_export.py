"""``onehook export``: what it writes, applied again, changes nothing, whatever is set."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from onehook.api.integrations import IntegrationIn
from onehook.api.subscription_forms import SubscriptionIn
from onehook.api.views import integration_view, subscription_view
from onehook.cli.configuration import KINDS, Kind
from onehook.core.mapping.editing import render
from onehook.core.mapping.problems import Source
from onehook.core.mapping.source import parse, plain
from tests.builders import SECRET, Running
from tests.cli.applying import Applying

TOKEN = "t0ken-that-nobody-may-see"
SLACK = "https://hooks.slack.com/services/T000/B000/t0ken-abcdefghijklmnop"
DISCORD = "https://discord.com/api/webhooks/1/t0ken-abcdefghijklmnop"
ROUTING_KEY = "t0ken6789012345678901234567890ab"

# Fields whose values mean something, each value with what it needs beside it. Every other field
# gets what of POOL its type takes, so that one that is added tomorrow is tried as well.
MEANT: dict[str, list[dict[str, Any]]] = {
    "url": [{"url": "https://example.com/other"}],
    "type": [{"type": "slack", "url": SLACK}],
    "destination": [{"destination": "discord", "url": DISCORD}, {"destination": "other"}],
    "settings": [{"destination": "pagerduty-events", "settings": {"routing_key": ROUTING_KEY}}],
    "integrations": [{"integrations": ["hub"]}, {"integrations": ["github", "hub"]}],
    "filter": [{"filter": {"$.data.title": {"exists": True}}}],
    "auth": [
        {"auth": {"type": "bearer", "token": TOKEN}},
        {"auth": {"type": "basic", "username": "me", "password": TOKEN}},
        {"auth": {"type": "header", "name": "X-Auth", "value": TOKEN}},
    ],
    "headers": [{"headers": {"X-Key": TOKEN, "X-Other": TOKEN + "2"}}],
    "secret": [{"secret": TOKEN}],
    "body_template": [{"body_template": '{"it": {{ payload | tojson }}}'}],
    "pause_after": [{"pause_after": None}, {"pause_after": {"attempts": 3}}],
    "rate_limit": [
        {"rate_limit": {"per_minute": 90}},
        {"rate_limit": {"per_minute": 9, "burst": 5}},
    ],
    "key": [{}],  # it has one in every row
}
INTEGRATION_MEANT: dict[str, list[dict[str, Any]]] = {
    "allow_from": [{"allow_from": ["192.0.2.7", "198.51.100.0/24"]}],
    "rate_limit": MEANT["rate_limit"],
    "type": [{"type": "gitlab", "secret": TOKEN}],
    "settings": [
        {"type": "servicenow", "verify": "none", "settings": {"instance": "https://a.example"}}
    ],
    "secret": [{"secret": TOKEN}],
    "verify": [{"verify": "none"}],
    "key": [{}],
}
POOL: list[Any] = [
    *(False, True, 7, 20_000, "none", "key", "alias", "hex", "three", "acme", "3s", "2m", "word"),
    *(["5s", "1m"], ["scm.*"], ["some-*"], ["done"], {"a": "b"}),
]
REST: dict[Kind, dict[str, Any]] = {
    "integrations": {"type": "github", "secret": SECRET},
    "subscriptions": {"url": "https://example.com/"},
}


def bodies(
    model: type[BaseModel], kind: Kind, name: str, field: FieldInfo, meant: dict[str, Any]
) -> list[dict[str, Any]]:
    """Bodies in which the field *name* is not at its default."""
    if name in meant:
        return [REST[kind] | body for body in meant[name]]
    fitting = [
        {**REST[kind], name: value}
        for value in POOL
        if type(value) is not type(field.default) or value != field.default
        if fits(model, {**REST[kind], name: value})
    ]
    assert fitting, f"nothing in POOL fits {name}: add a value to it, or a row to MEANT"
    return fitting[:2]


def fits(model: type[BaseModel], body: dict[str, Any]) -> bool:
    """Whether a body may be so."""
    try:
        model.model_validate(body)
    except ValidationError:
        return False
    return True


ROWS = [
    pytest.param(kind, body, id=f"{kind}-{name}-{at}")
    for kind, model, meant in (
        ("integrations", IntegrationIn, INTEGRATION_MEANT),
        ("subscriptions", SubscriptionIn, MEANT),
    )
    for name, field in model.model_fields.items()
    for at, body in enumerate(bodies(model, kind, name, field, meant))  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("kind", "body"), ROWS)
async def test_every_field_goes_the_whole_way(
    applying: Applying, monkeypatch: pytest.MonkeyPatch, kind: Kind, body: dict[str, Any]
) -> None:
    """Applied, it is there; exported and applied again, with and without, nothing changes."""
    entries: dict[str, Any] = {name: [] for name in KINDS}
    entries["integrations"] = [{"key": "hub", "type": "github", "secret": SECRET}]
    entries[kind] = [*entries[kind], {"key": "it", **body}]
    applied = await applying.apply(render(entries))
    again = await applying.apply()
    is_there = await applying.get(f"/v1/{kind}/it")
    text = await exported(applying, monkeypatch)
    final = await applying.apply(text)

    assert applied[0] == 0, applied
    assert again[:2] == (0, "")
    assert final[:2] == (0, ""), text
    assert "nothing to change" in final[2]
    written = next(one for one in plain_of(text)[kind] if one["key"] == "it")
    for name, value in body.items():
        if name not in NOT_SHOWN and "t0ken" not in str(value):
            other = ANSWERED.get(name, name) if kind == "subscriptions" else name
            assert shows(is_there[other], value), name
    assert set(written) - {"key", "secret"} <= set(body) | set(ANSWERED.values())
    assert "t0ken" not in text + "".join(map(str, (applied, again, final)))


ANSWERED = {"type": "destination"}  # what a body may call otherwise than the answer does
NOT_SHOWN = {"secret", "headers", "auth", "integrations"}


def shows(shown: Any, value: Any) -> bool:
    """Whether an answer has *value*, perhaps with what it adds to it."""
    if isinstance(value, dict) and isinstance(shown, dict):
        return value.items() <= shown.items()
    return shown == {"other": "generic"}.get(str(value), value)


def plain_of(text: str) -> Any:
    """A file's entries, as they are written."""
    return plain(parse(Source("exported", text)))


async def exported(applying: Applying, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is exported; the variables it names are set to what the gateway keeps."""
    code, text, said = await applying.export()
    assert code == 0
    named: list[str] = []
    for kind in KINDS:
        for entry in plain_of(text)[kind]:
            for pointer, value in kept(applying.gateway, kind, entry["key"]).items():
                node = entry
                for step in pointer.split("/")[1:]:
                    node = node[step]
                monkeypatch.setenv(node["env"], value)
                named.append(node["env"])
    assert sorted(said.partition("apply it:")[2].split()) == sorted(named)
    return text


def kept(gateway: Running, kind: Kind, key: str) -> dict[str, str]:
    """The secrets of a thing by pointer."""
    running = gateway.runtime.gateway
    snapshot = running.registry.snapshot
    id_ = snapshot.by_key.get(key, key)
    if kind == "integrations":
        return dict(integration_view(running, snapshot.integrations[id_]).secrets)
    return dict(subscription_view(running, snapshot.subscriptions[id_]).secrets)


async def test_what_has_no_key_goes_by_its_id(
    applying: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Things without a key are exported too, and applying that neither doubles nor changes them."""
    await applying.gateway.integrate("github")
    strange = {"url": "https://example.com/", "name": "a \u0085 b: 'c' \N{GRINNING FACE}"}
    assert (await applying.gateway.api.post("/v1/subscriptions", strange)).status == 201
    text = await exported(applying, monkeypatch)
    final = await applying.apply(text, prune=True)

    assert final[:2] == (0, ""), final
    assert "2 are as the file says" in final[2]


async def test_a_gateway_can_be_made_from_another_ones_file(
    applying: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one gateway exported makes an empty one alike."""
    hub = await applying.gateway.integrate("github", key="hub")
    body = {"url": "https://example.com/", "key": "orders", "integrations": [hub.id]}
    await applying.gateway.api.post("/v1/subscriptions", body)
    text = await exported(applying, monkeypatch)
    for kind in ("subscriptions/orders", "integrations/hub"):
        assert (await applying.gateway.api.delete(f"/v1/{kind}")).status == 204

    code, out, err = await applying.apply(text)
    again = await exported(applying, monkeypatch)

    assert (code, "subscriptions/orders created\n" in out) == (0, True), err
    assert again == text


async def test_it_is_written_to_a_file(applying: Applying) -> None:
    """With --output the file has it, and stdout nothing."""
    await applying.gateway.integrate("github", key="hub")
    path = applying.folder / "made.yaml"
    code, out, _ = await applying.export(output=path)

    assert (code, out) == (0, "")
    assert plain_of(path.read_text())["integrations"][0]["key"] == "hub"
