"""Chromium at the console, and everything that it complains of."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page, Request, async_playwright

from tests.builders import API_KEY, Running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WHY = "chromium is not installed: apt-get install chromium"
AXE = (Path(__file__).parents[2] / "console/vendor/axe.min.js").read_text(encoding="utf-8")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}`);
});
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at it."""

    width: int = 1440
    theme: str = "light"
    script: bool = True


@dataclass(slots=True)
class Visitor:
    """A tab, and what went wrong in it."""

    page: Page
    url: str
    look: Look
    wrong: list[str] = field(default_factory=list[str])

    async def go(self, path: str) -> None:
        """Load a page."""
        await self.page.goto(self.url + path)

    async def sign_in(self) -> None:
        """Sign in by the form, as a person does."""
        await self.go("/console/sign-in")
        await self.page.fill("#api-key", API_KEY)
        await self.page.click("button:has-text('Sign in')")
        await self.page.wait_for_url("**/console")

    async def check(self) -> None:
        """The page is as wide as its window, and nothing went wrong on it."""
        where = self.page.url
        if self.look.script:
            self.wrong += await self.page.evaluate("window.violations")
            wide = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{where} is {wide} px too wide at {self.look.width}"
        assert not self.wrong, f"{where}: {self.wrong}"

    async def check_access(self) -> None:
        """No serious or critical violation that axe-core finds."""
        await self.page.evaluate(AXE)
        result: Any = await self.page.evaluate("axe.run({resultTypes: ['violations']})")
        serious = [
            f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}"
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{self.page.url}: " + "\n".join(serious)

    def watch(self) -> None:
        """Take down every complaint, and every request to another host."""
        own = urlsplit(self.url).netloc

        def requested(request: Request) -> None:
            if urlsplit(request.url).netloc not in (own, ""):
                self.wrong.append(f"request to {request.url}")

        def dialog(opened: Any) -> None:
            self.wrong.append(f"dialog: {opened.message}")

        self.page.on("request", requested)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on(
            "console",
            lambda said: self.wrong.append(said.text) if said.type == "error" else None,
        )
        self.page.on("dialog", dialog)


@asynccontextmanager
async def visiting(gateway: Running, look: Look) -> AsyncIterator[Visitor]:
    """A visitor of *gateway* who signed in."""
    async with open_tab(gateway.url, look) as visitor:
        await visitor.sign_in()
        yield visitor


@asynccontextmanager
async def open_tab(url: str, look: Look) -> AsyncIterator[Visitor]:
    """Somebody who looks at the gateway at *url*, and has not signed in."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            context = await browser.new_context(
                viewport={"width": look.width, "height": 900},
                color_scheme="dark" if look.theme == "dark" else "light",
                java_script_enabled=look.script,
            )
            context.set_default_timeout(15_000)
            await context.add_init_script(_WATCH)
            visitor = Visitor(await context.new_page(), url, look)
            visitor.watch()
            yield visitor
        finally:
            await browser.close()
