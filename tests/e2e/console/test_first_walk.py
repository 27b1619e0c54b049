"""The first walk of somebody who has never seen the gateway, timed: from ``onehook demo`` on.

Run it with ``pytest -m slow -s tests/e2e/console/test_first_walk.py`` to see the steps and how long
each took. Its steps are those of ``docs/console.md``.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.builders import API_KEY
from tests.e2e.console.browsers import CHROMIUM, WHY, Look, Visitor, open_tab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason=WHY),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
# What a shop might send: nothing that any shipped mapping knows.
UNKNOWN = {
    "kind": "refund_requested",
    "uid": "r-7781",
    "refund": {"no": "RF-7781", "reason": "Arrived broken", "amount": "19.90"},
}


class Steps:
    """What was done, and how long each step took."""

    def __init__(self) -> None:
        self.clicks = 0
        self._begun = time.monotonic()

    def did(self, what: str, clicks: int = 0) -> None:
        """Take down a step that has just ended."""
        now = time.monotonic()
        self.clicks += clicks
        sys.stdout.write(f"\n{now - self._begun:6.1f} s  {clicks} clicks  {what}")
        self._begun = now


@pytest.fixture
async def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """``onehook demo`` as a process of its own, its samples delivered; where its console is."""
    monkeypatch.setenv("ONEHOOK_API_KEY", API_KEY)
    command = ("-m", "onehook", "demo", "--port", "0", "--data", str(tmp_path / "data"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            async for line in process.stdout:
                found = re.search(r"Console +(http\S+)/console", line.decode())
                if found is not None:
                    yield found[1]
                    break
            else:
                pytest.fail("the demo ended before it told where its console is")
    finally:
        process.terminate()
        await process.wait()


async def test_from_the_demo_to_why_a_field_has_its_value(demo: str) -> None:
    """Three clicks after signing in: Events, the event, the field."""
    steps = Steps()
    async with open_tab(demo, Look()) as visitor:
        page = visitor.page
        await visitor.sign_in()
        steps.did("sign in with the key that the demo prints")
        await page.click("nav[aria-label=Console] >> visible=true >> text=Events")
        steps.did("Events", 1)
        await page.click("#events tbody tr:has-text('PAY-311') a[href^='/console/events/']")
        steps.did("an event about PAY-311", 1)
        name = page.get_by_role("rowheader", name="data.title", exact=True)
        await page.locator(".origins tr", has=name).locator(".origin-of").click()
        card = page.locator("#origin")
        await expect(card).to_contain_text(re.compile(r"mappings/\w+\.yaml:\d+:\d+ in rule \S+"))
        await expect(page.locator("#native-pane li.lit")).to_be_visible()
        steps.did("the field data.title: its rule, its line and its place in the webhook", 1)
        await visitor.check()
    assert steps.clicks <= 3


async def test_from_an_unknown_payload_to_a_mapping(demo: str) -> None:
    """Pasted into the playground, which says what is missing; no other page is needed."""
    steps = Steps()
    async with open_tab(demo, Look()) as visitor:
        page = visitor.page
        await visitor.sign_in()
        await page.click("nav[aria-label=Console] >> visible=true >> text=Playground")
        await expect(page.locator("#p-body-editor")).to_be_visible()
        begun_at = page.url
        steps.did("Playground", 1)
        outcome = page.locator("#outcome")
        await _paste(visitor, "#p-body-editor", json.dumps(UNKNOWN, indent=2))
        await expect(outcome).to_contain_text("no rule")
        steps.did("paste the webhook: no rule takes it, and the rules that were asked are listed")
        mapping = await page.input_value("#p-mapping")
        asked = mapping.replace("$.type", "$.kind").replace("ticket.created}", "refund_requested}")
        await _paste(visitor, "#p-mapping-editor", asked)
        await expect(outcome).to_contain_text("/data/urn is required")
        await expect(outcome).to_contain_text("stated at mapping:16")
        steps.did("say which webhooks the rule is for: it names the field that is missing")
        mended = (
            asked.replace("{key: [$.id]}", "{key: [$.uid]}")
            .replace("$.ticket.id", "$.refund.no")
            .replace("$.ticket.title", "$.refund.reason")
        )
        await _paste(visitor, "#p-mapping-editor", mended)
        await expect(outcome).to_contain_text("1 event")
        await expect(outcome).to_contain_text("Arrived broken")
        await expect(outcome).to_contain_text("/refund/reason")
        steps.did("name the fields: an event, each field with its line and its place")
        assert page.url == begun_at
        await visitor.check()


async def _paste(visitor: Visitor, selector: str, text: str) -> None:
    page = visitor.page
    await page.locator(selector).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text)
