"""``onehook apply`` and ``onehook export``: a gateway becomes as a file says, and stays so."""

import io
import json
from typing import Any

import pytest

from onehook.cli import apply as command
from onehook.cli.client import Target
from tests.builders import SECRET
from tests.cli.applying import Applying

FILE = """\
integrations:
  - key: hub
    type: github
    name: Hub
    secret: {env: HUB_SECRET}
subscriptions:
  - key: orders
    url: https://example.com/orders
    integrations: [hub]
    events: [scm.*, ticketing.*]
    headers:
      X-Key: {file: keys/orders.txt}
"""
HIDDEN = "the-value-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _secrets(applying: Applying, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file names."""
    monkeypatch.setenv("HUB_SECRET", SECRET)
    (applying.folder / "keys").mkdir()
    (applying.folder / "keys" / "orders.txt").write_text(HIDDEN + "\n")


async def test_apply_makes_what_the_file_says_once(applying: Applying) -> None:
    """The first run makes it, the second has nothing to change and changes nothing."""
    code, out, err = await applying.apply(FILE)
    version = applying.gateway.runtime.gateway.registry.whole.snapshot.version
    again = await applying.apply()

    hub = await applying.get("/v1/integrations/hub")
    orders = await applying.get("/v1/subscriptions/orders")
    assert code == 0, err
    assert '  + hub\n      type: "github"' in out
    assert f"have github send to {hub['ingest_url']}" in out
    assert orders["integrations"] == [hub["id"]]
    assert (orders["events"], orders["headers"]) == (["scm.*", "ticketing.*"], {"X-Key": "***"})
    assert (again[0], again[1]) == (0, "")
    assert "nothing to change: 2 are as the file says" in again[2]
    assert applying.gateway.runtime.gateway.registry.whole.snapshot.version == version
    assert all(one not in out + err for one in (HIDDEN, SECRET))


async def test_difference_is_shown_before_anything_changes(applying: Applying) -> None:
    """A dry run tells of every field and changes none; exit code 1 says that some would."""
    await applying.apply(FILE)
    before = await applying.get("/v1/subscriptions/orders")
    (applying.folder / "keys" / "orders.txt").write_text("another-value")
    changed = FILE.replace("events: [scm.*, ticketing.*]", "timeout: 5s").replace("Hub", "Core")
    code, out, err = await applying.apply(changed, dry_run=True)

    assert code == 1
    assert out == (
        "integrations:\n"
        "  ~ hub\n"
        '    ~ name: "Hub" -> "Core"\n'
        "subscriptions:\n"
        "  ~ orders\n"
        '    ~ events: ["scm.*", "ticketing.*"] -> ["*"]\n'
        '    ~ timeout: "10s" -> "5s"\n'
        "    ~ headers.X-Key: another secret, which is not shown\n"
    )
    assert "2 to change; 0 are as the file says" in err
    assert await applying.get("/v1/subscriptions/orders") == before


async def test_prune_removes_what_has_a_key_and_is_not_in_the_file(applying: Applying) -> None:
    """Only with the flag, subscriptions before integrations, and nothing without a key."""
    await applying.apply(FILE)
    await applying.gateway.api.post("/v1/subscriptions", {"url": "https://example.com/unkeyed"})
    empty = "integrations: []\nsubscriptions: []\n"
    left = await applying.apply(empty)
    code, out, _ = await applying.apply(empty, prune=True)

    assert left[0] == 0
    assert "integrations/hub, subscriptions/orders" in left[2]
    assert code == 0
    assert out.index("subscriptions/orders removed") < out.index("integrations/hub removed")
    assert (await applying.get("/v1/integrations"))["data"] == []
    assert [s["key"] for s in (await applying.get("/v1/subscriptions"))["data"]] == [None]


async def test_prune_keeps_what_the_file_still_names(applying: Applying) -> None:
    """An integration that a subscription of the file names cannot go; the line is named."""
    await applying.apply(FILE)
    rest = FILE[FILE.index("subscriptions:") :]
    code, _, err = await applying.apply(rest, prune=True)

    assert code == 78
    assert "onehook.yaml:4:20: orders: the integration hub is to be removed" in err
    assert (await applying.gateway.api.get("/v1/integrations/hub")).status == 200


async def test_warnings_are_told_where_they_stand(applying: Applying) -> None:
    """What the gateway takes and warns of is told at its line, before anything is made."""
    code, _, err = await applying.apply(FILE + "    secret: tiny\n", dry_run=True)

    assert code == 1
    assert f"warning: {applying.file}:13:5: orders: secret is short" in err


PROBLEMS: list[tuple[str, list[str]]] = [
    ("subscription: []\n", [":1:1: unknown key 'subscription'", "did you mean subscriptions?"]),
    ("- a\n", [":1:1: a configuration is a map", "begin with integrations:"]),
    ("integrations:\n  - type: github\n", [":2:5: key: is missing"]),
    ("integrations:\n  - {key: a\n", [":3:1: YAML:"]),
    ("integrations:\n  key: a\n", [":2:3: integrations: is a list"]),
    (
        "subscriptions:\n  - {key: a, url: 'https://example.com/'}\n  - key: a\n",
        [":3:5: the key 'a' stands twice, first at line 2"],
    ),
    (
        "subscriptions:\n  - key: a\n    urll: https://example.com/\n",
        [":3:5: a: urll is not a field that exists here", "did you mean url?"],
    ),
    (
        "subscriptions:\n  - key: a\n    rate_limit:\n      per_minut: 3\n",
        [":4:7: a: rate_limit/per_minut is not", "did you mean per_minute?", ":3:5: a: rate_limit"],
    ),
    (
        "subscriptions:\n  - key: a\n    events:\n      - scm.*\n      - sales.*\n",
        [":5:9: a: events/1 "],
    ),
    (
        "subscriptions:\n  - key: a\n    url: https://example.com/\n    integrations: [hob]\n",
        [":4:20: a: integrations/0 there is no integration or platform 'hob'"],
    ),
    ("integrations:\n  - key: a\n    type: githup\n", [":3:5: a: type there is no platform"]),
    (
        "integrations:\n  - {key: a, type: github, secret: {env: NO_SUCH_NAME}}\n",
        [":2:42: the environment variable NO_SUCH_NAME is not set", "NO_SUCH_NAME=…"],
    ),
    (
        "integrations:\n  - {key: a, type: github, secret: {env: hub_secret}}\n",
        [":2:42: the environment variable hub_secret", "did you mean HUB_SECRET?"],
    ),
    (
        "integrations:\n  - {key: a, type: github, secret: {file: no.txt}}\n",
        [":2:43: no.txt cannot be read: No such file", "relative to the file that names them"],
    ),
    (
        "integrations:\n  - {key: a, type: github, secret: {environ: A}}\n",
        ["unknown key 'environ'", "env"],
    ),
    (
        "integrations:\n  - {key: a, type: github, secret: &x b}\n",
        ["the anchor &x", "write it out"],
    ),
]


@pytest.mark.parametrize(("text", "said"), PROBLEMS, ids=[text for text, _ in PROBLEMS])
async def test_problems_are_told_where_they_stand(
    applying: Applying, text: str, said: list[str]
) -> None:
    """Each is told with file, line and column, what is wrong, and what was meant; 78."""
    code, out, err = await applying.apply(text)

    assert (code, out) == (78, "")
    assert err.startswith(str(applying.file))
    for words in said:
        assert words in err


async def test_no_secret_is_in_an_error(applying: Applying) -> None:
    """Neither one that was looked up nor one that stands in the file itself."""
    inline = f"subscriptions:\n  - {{key: a, url: 'https://e.com', secret: {HIDDEN}, x: 1}}\n"
    broken = f"subscriptions:\n  - {{key: a, secret: {HIDDEN}}}]\n"
    by_file = (
        "subscriptions:\n  - {key: a, destination: {file: keys/orders.txt}}\n"
        "  - {key: b, url: {file: keys/orders.txt}, headers: {'x y': {file: keys/orders.txt}}}\n"
    )
    for text in (inline, broken, by_file):
        code, out, err = await applying.apply(text)
        assert code == 78
        assert HIDDEN not in out + err


async def test_failure_half_way_is_told_and_the_next_run_goes_on(
    applying: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made is told, and what not; running it again makes the rest."""
    real = command.carry_out
    made = 0

    async def failing(client: Any, change: Any) -> Any:
        nonlocal made
        made += 1
        if made == 2:
            client.url = "http://127.0.0.1:9"
        return await real(client, change)

    monkeypatch.setattr(command, "carry_out", failing)
    code, out, err = await applying.apply(FILE)
    monkeypatch.setattr(command, "carry_out", real)
    again = await applying.apply()

    assert code == 69
    assert "integrations/hub created" in out
    assert "1 of 2 changes were made, and not:\n  subscriptions/orders\n" in err
    assert again[0] == 0
    assert "integrations" not in again[1].replace("integrations: [", "")
    assert "subscriptions/orders created" in again[1]


async def test_it_asks_and_without_a_terminal_refuses(
    applying: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can be asked it wants --yes; a no changes nothing."""
    refused = await applying.apply(FILE, yes=False)
    monkeypatch.setattr("onehook.cli.options.may_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    declined = await applying.apply(yes=False)

    assert (refused[0], "say --yes" in refused[2]) == (2, True)
    assert (declined[0], "nothing was changed" in declined[2]) == (1, True)
    assert (await applying.get("/v1/integrations"))["data"] == []


async def test_json_tells_the_same(applying: Applying) -> None:
    """With --json one document says what would change, and afterwards what was done."""
    target = Target(applying.gateway.url, json_=True)
    told = json.loads((await applying.apply(FILE, dry_run=True, target=target))[1])
    done = json.loads((await applying.apply(FILE, target=target))[1])

    assert [(c["kind"], c["key"], c["action"]) for c in told["changes"]] == [
        ("integrations", "hub", "create"),
        ("subscriptions", "orders", "create"),
    ]
    assert (told["done"], done["done"]) == ([], ["integrations/hub", "subscriptions/orders"])
    assert done["changes"] == told["changes"]
