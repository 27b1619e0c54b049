"""``docs/config-as-code.md`` and ``docs/cli.md``: what they show works, and nothing is left out."""

import re
from pathlib import Path

import pytest

from onehook.api.subscription_forms import SubscriptionIn
from onehook.cli.main import COMMANDS, app
from tests.builders import API_KEY, SECRET, Running
from tests.cli.applying import Applying

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "config-as-code.md").read_text()
SECRETS = {
    "GITHUB_SECRET": SECRET,
    "REVIEW_BOT_TOKEN": "a-token-of-the-bot",
    "TEAM_HEADER": "platform",
    "SLACK_URL": "https://hooks.slack.com/services/T000/B000/abcdefghijklmnop",
}


async def test_the_complete_file_is_applied_once(
    gateway: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page's example makes what it says; applied again, and as exported, it changes nothing."""
    monkeypatch.setenv("ONEHOOK_API_KEY", API_KEY)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "review-bot.txt").write_text("b" * 40)
    applying = Applying(gateway, tmp_path, capsys)
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    text = found[1]
    code, out, err = await applying.apply(text)
    again = await applying.apply()

    assert code == 0, err
    assert out.count("created") == 5
    assert (again[0], again[1]) == (0, "")
    bot = await applying.get("/v1/subscriptions/review-bot")
    assert (bot["ordering"], bot["pause_after"]) == ("key", {"deliveries": 20})
    assert (await applying.get("/v1/subscriptions/warehouse"))["url"] is None
    assert all(value not in out + err for value in SECRETS.values() if value != "platform")


def test_the_page_names_the_places_of_secrets() -> None:
    """A field that may hold a secret is named where the page says how to give one."""
    named = PAGE.partition("## Secrets")[2].partition("##")[0]
    for field in ("secret", "url", "headers", "settings", "auth.token", "auth.password"):
        assert f"`{field}`" in named
        assert field.partition(".")[0] in SubscriptionIn.model_fields


def test_every_command_is_on_the_page() -> None:
    """The table of ``docs/cli.md`` has every command and every command below one."""
    page = (DOCS / "cli.md").read_text()
    table = page.partition("| command | what |")[2].partition("\n\n")[0]
    for where in COMMANDS:
        name = where.partition(":")[0]
        assert f"`{name}" in table or f", `{name}`" in table, name
        for below in app[name]:
            if not below.startswith("-"):
                assert re.search(rf"[ |`\\]{below}[`\\|]", table), f"{name} {below}"
