"""The console in Chromium: each page's main task, and nothing that a browser complains of.

The main tasks run with the fast tests at one width and theme, and axe-core on the pages of `MAIN`;
the others are slow. Without Chromium all are skipped.
"""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.builders import Running, Subscriber, eventually, github, issue, sample
from tests.conftest import StartSubscriber
from tests.console.traffic import Traffic, send_hostile, send_traffic
from tests.e2e.console.browsers import CHROMIUM, WHY, Look, Visitor, visiting

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=WHY),
    # Playwright's own transport is closed a moment after the loop that it was made on.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
USUAL = Look()
OTHERS = [Look(390, "light"), Look(390, "dark"), Look(1440, "dark"), Look(1920, "light")]
LOOKS = [
    pytest.param(USUAL, id="1440-light"),
    *(pytest.param(one, id=f"{one.width}-{one.theme}", marks=pytest.mark.slow) for one in OTHERS),
]
NO_SCRIPT = Look(script=False)
# Pages that axe-core looks at in the fast tests: one of each kind, as it takes seconds for each.
MAIN = {"", "/events", "/playground", "/subscriptions/new", "/settings/keys"}
THOROUGH = [
    pytest.param(USUAL, False, id="1440-light-main"),
    *(
        pytest.param(one, True, id=f"{one.width}-{one.theme}", marks=pytest.mark.slow)
        for one in (USUAL, *OTHERS)
    ),
]


@pytest.fixture
async def traffic(gateway: Running, start_subscriber: StartSubscriber) -> Traffic:
    """A gateway with something to look at."""
    return await send_traffic(gateway, await start_subscriber(), await start_subscriber())


def pages(traffic: Traffic) -> Iterator[str]:
    """Every page that the traffic gives something to show."""
    delivery = f"dlv_{traffic.tickets[0][4:]}{traffic.bad['id'][4:]}"
    yield from (
        "",
        "/events",
        f"/events/{traffic.pull_request}",
        "/references",
        "/references?key=PAY-311",
        "/integrations",
        "/integrations/new",
        "/integrations/new?type=github",
        f"/integrations/{traffic.sender.id}",
        f"/integrations/{traffic.sender.id}/connect",
        "/mappings",
        "/mappings/github",
        "/mappings/github/coverage",
        "/mappings/github/drift",
        "/playground",
        "/quarantine",
        f"/quarantine/{traffic.quarantined}",
        "/subscriptions",
        "/subscriptions/new",
        f"/subscriptions/{traffic.bad['id']}",
        f"/subscriptions/{traffic.bad['id']}/statistics",
        f"/subscriptions/{traffic.bad['id']}/settings",
        "/deliveries",
        f"/deliveries/{delivery}",
        "/dead-letters",
        "/replays",
        "/replays/new",
        "/settings",
        "/settings/keys",
        "/settings/tenants",
        "/settings/tenants/default",
    )


@pytest.mark.parametrize(("look", "thorough"), THOROUGH)
@pytest.mark.timeout(300)
async def test_every_page_is_clean_and_open_to_everybody(
    gateway: Running, traffic: Traffic, look: Look, thorough: bool
) -> None:
    """No error, no CSP report, no other host, no wider than its window; axe-core finds nothing.

    Both tenants are there, so that the bar that names one is on every page.
    """
    await gateway.api.post("/v1/tenants", {"id": "another"})
    async with visiting(gateway, look) as visitor:
        for path in pages(traffic):
            await visitor.go(f"/console{path}")
            await visitor.check()
            if thorough or path in MAIN or path == f"/events/{traffic.pull_request}":
                await visitor.check_access()
        if look.width < 992:
            await visitor.page.click("summary[aria-label=Menu]")
        await visitor.page.click("button:has-text('Sign out') >> visible=true")
        await visitor.page.wait_for_url("**/sign-in")
        await visitor.check()
        await visitor.check_access()


@pytest.mark.parametrize("look", LOOKS)
async def test_from_the_overview_to_why_a_field_has_its_value_in_three_clicks(
    gateway: Running, traffic: Traffic, look: Look
) -> None:
    """Events, the event, the field: its line of the mapping, and its place in the webhook."""
    async with visiting(gateway, look) as visitor:
        page = visitor.page
        if look.width < 992:
            await page.click("summary[aria-label=Menu]")
        await page.click("nav[aria-label=Console] >> visible=true >> text=Events")
        await page.click(f"#events a[href='/console/events/{traffic.pull_request}']")
        row = page.locator(
            ".origins tr", has=page.get_by_role("rowheader", name="data.title", exact=True)
        )
        await row.hover()
        await expect(page.locator("#origin")).to_contain_text("mappings/github.yaml:")
        await expect(page.locator("#origin")).to_contain_text("$.title")
        lit = page.locator("#native-pane li.lit")
        await expect(lit).to_have_count(1)
        await expect(lit).to_contain_text("title")
        if look.width < 992:  # there it is below: the place is a link to it
            await row.locator(".origin-of").click()
        await expect(lit).to_be_in_viewport()
        await visitor.check()


@pytest.mark.slow
async def test_a_field_is_looked_at_by_keyboard(gateway: Running, traffic: Traffic) -> None:
    """Focus does what the mouse does, and the first stop skips to the content."""
    async with visiting(gateway, USUAL) as visitor:
        page = visitor.page
        await visitor.go(f"/console/events/{traffic.pull_request}")
        await page.keyboard.press("Tab")
        await expect(page.locator(":focus")).to_have_text("Skip to the content")
        await page.locator(".origin-of", has_text="/pull_request/title").first.focus()
        await expect(page.locator("#native-pane li.lit")).to_contain_text("title")
        await visitor.check()


async def test_events_appear_by_themselves(gateway: Running, traffic: Traffic) -> None:
    """A new event is at the top without a reload, and a filter changes list and address."""
    async with visiting(gateway, USUAL) as visitor:
        page = visitor.page
        async with page.expect_response("**/events/tail*"):
            await visitor.go("/console/events")
        await expect(page.locator("#live")).to_be_visible()
        (event,) = await gateway.accept(traffic.sender, issue(77))
        # What the gateway tells of itself may come on top of it: that its delivery failed, say.
        row = page.locator(f"#tail tr.fresh[data-event='{event}']")
        await expect(row).to_be_visible()
        await expect(row.locator("td")).to_have_count(4)
        await expect(row.locator("xpath=preceding-sibling::tr[not(@class='fresh')]")).to_have_count(
            0
        )
        await page.fill("#f-type", "scm.*")
        await page.locator("#f-type").dispatch_event("change")
        await expect(page.locator("#events tbody tr")).to_have_count(1)
        await expect(page).to_have_url(re.compile(r"type=scm\.\*"))
        await visitor.check()


async def test_the_first_webhook_turns_the_light_green(gateway: Running) -> None:
    """First run: choose, fill, copy; what waits turns green by itself."""
    async with visiting(gateway, USUAL) as visitor:
        page = visitor.page
        await page.click("text=Add an integration")
        await page.click(".choices >> text=github")
        await page.fill("#i-name", "Acme")
        await page.click("text=Next: the URL")
        await expect(page.locator("#waiting")).to_contain_text("Waiting for the first webhook")
        secret = await page.input_value("#copy-secret")
        url = await page.input_value("#copy-url")
        id_ = url.rpartition("/")[2]
        sender = _sender(id_, secret)
        await gateway.accept(sender, issue(1))  # type: ignore[arg-type]
        await expect(page.locator("#waiting")).to_contain_text("The first webhook came")
        await visitor.check()


def _sender(id_: str, secret: str) -> object:
    from tests.builders import Sender  # noqa: PLC0415

    return Sender(id_, f"/ingest/{id_}", "github", {"secret": [secret.encode()]}, {})


@pytest.mark.parametrize("look", LOOKS)
async def test_a_pasted_payload_becomes_an_event_in_the_playground(
    gateway: Running, look: Look
) -> None:
    """Errors stand at their line while one types; mended, an event comes out."""
    async with visiting(gateway, look) as visitor:
        page = visitor.page
        await visitor.go("/console/playground")
        editor = page.locator("#p-mapping-editor")
        await expect(editor).to_be_visible()
        await expect(page.locator("#outcome")).to_contain_text("1 event")
        body = json.dumps({"type": "order.paid", "id": "7", "order": {"no": 12, "text": "Paid"}})
        await _type(visitor, "#p-body-editor", body)
        await expect(page.locator("#outcome")).to_contain_text("no rule")
        mapping = await page.evaluate("document.getElementById('p-mapping').value")
        await _type(visitor, "#p-mapping-editor", mapping.replace("title:", "titel:"))
        await expect(page.locator("#problems")).to_contain_text("error")
        await expect(page.locator(".cm-lint-marker-error").first).to_be_visible()
        mended = (
            mapping.replace("ticket.created}", "order.paid}")
            .replace("$.ticket.id", "$.order.no")
            .replace("$.ticket.title", "$.order.text")
        )
        await _type(visitor, "#p-mapping-editor", mended)
        await expect(page.locator("#outcome")).to_contain_text("/order/text")
        await expect(page.locator("#outcome")).to_contain_text("Paid")
        await expect(page.locator(".cm-lint-marker-error")).to_have_count(0)
        await visitor.check()


async def _type(visitor: Visitor, selector: str, text: str) -> None:
    """Put *text* in place of what is in an editor, as a paste does."""
    page = visitor.page
    await page.locator(selector).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text)


async def test_a_subscription_is_previewed_while_one_types(
    gateway: Running, subscriber: Subscriber
) -> None:
    """The preview follows the form; what is saved is tested by a button."""
    async with visiting(gateway, USUAL) as visitor:
        page = visitor.page
        await visitor.go("/console/subscriptions/new")
        await page.fill("#s-name", "Mine")
        await page.fill("#s-url", subscriber.url)
        await page.click("summary:has-text('How it is signed')")
        await page.select_option("#s-profile", "hex")
        await expect(page.locator("#preview")).to_contain_text("x-onehook-signature")
        await page.click("button:has-text('Add it')")
        await expect(page.locator("h1")).to_have_text("Mine is made")
        await page.click("button:has-text('Send a test event')")
        await expect(page.locator("main")).to_contain_text("The receiver took it")
        await visitor.check()


@pytest.mark.slow
async def test_a_replay_shows_its_progress(gateway: Running, traffic: Traffic) -> None:
    """The page goes on by itself until the replay is done."""
    async with visiting(gateway, USUAL) as visitor:
        page = visitor.page
        await visitor.go("/console/dead-letters")
        await page.click("summary:has-text('Retry all')")
        await page.click("button:has-text('Deliver again')")
        await page.wait_for_url("**/replays/rpl_*")
        await expect(page.locator("#progress")).to_contain_text("done")
        await visitor.check()
    assert traffic.tickets


@pytest.mark.slow
async def test_the_chart_is_drawn_and_stands_in_a_table(gateway: Running, traffic: Traffic) -> None:
    """The same figures for who sees and who listens."""
    async with visiting(gateway, USUAL) as visitor:
        page = visitor.page
        await visitor.go("/console")
        await expect(page.locator(".chart canvas")).to_be_visible()
        await page.click("text=The same as a table")
        await expect(page.locator(".chart-table tbody tr").first).to_be_visible()
        await visitor.check()
    assert traffic.tickets


@pytest.mark.parametrize("script", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_h5_f8_hostile_text_is_inert(
    gateway: Running, traffic: Traffic, script: bool
) -> None:
    """Markup in every text of a webhook, in a name and in an answer is text in the browser."""
    event = await send_hostile(gateway, traffic)
    async with visiting(gateway, Look(script=script)) as visitor:
        page = visitor.page
        delivery = f"dlv_{event[4:]}{traffic.bad['id'][4:]}"
        for path in (
            "/events",
            f"/events/{event}",
            f"/deliveries/{delivery}",
            f"/playground?event={event}",
        ):
            await visitor.go(f"/console{path}")
            await expect(page.locator("main img")).to_have_count(0)
            await visitor.check()
        await visitor.go(f"/console/events/{event}")
        await expect(page.locator("main").first).to_contain_text("<script>alert(1)</script>")


async def test_the_main_tasks_work_without_script(
    gateway: Running, traffic: Traffic, subscriber: Subscriber
) -> None:
    """Look at an event and its origins, retry, add a subscription, try a mapping, sign out."""
    async with visiting(gateway, NO_SCRIPT) as visitor:
        page = visitor.page
        await page.click("nav >> visible=true >> text=Events")
        await page.select_option("#f-integration", traffic.sender.id)
        await page.click("button:has-text('Filter')")
        await page.click(f"a[href='/console/events/{traffic.pull_request}']")
        origin = page.locator(".origin-of", has_text="/pull_request/title").first
        await expect(origin).to_contain_text("mappings/github.yaml:")
        await origin.click()
        assert page.url.endswith("#n/pull_request/title")
        await page.click("summary:has-text('Replay')")
        await page.click("button:has-text('Deliver again')")
        await expect(page.locator("[role=status]")).to_contain_text("on the way again")
        await visitor.go("/console/dead-letters")
        await page.click("button:has-text('Retry these')")
        await expect(page.locator("[role=status]")).to_contain_text("attempted now")
        await visitor.go("/console/subscriptions/new")
        await page.fill("#s-url", subscriber.url)
        await page.click("button:has-text('Add it')")
        await expect(page.locator("main")).to_contain_text("this once")
        await visitor.go("/console/playground")
        await page.fill("#p-body", "{")
        await page.click("button:has-text('Try it')")
        await expect(page.locator("#outcome")).to_contain_text("unparsable")
        await page.click("button[aria-label=Dark] >> visible=true")
        assert await page.get_attribute("html", "data-bs-theme") == "dark"
        await page.click("button:has-text('Sign out') >> visible=true")
        await expect(page.locator("[role=status]")).to_contain_text("You are signed out")
        await visitor.check()


@pytest.mark.slow
async def test_more_events_than_a_page_are_paged(gateway: Running, traffic: Traffic) -> None:
    """The next page, and back to the newest."""
    for number in range(60):
        await gateway.send(traffic.sender, issue(200 + number))
    await gateway.send(traffic.sender, github("push", sample("github/push")))

    async def counted() -> bool:
        return len((await gateway.api.get("/v1/events", limit="200")).json["data"]) > 60

    await eventually(counted)
    async with visiting(gateway, USUAL) as visitor:
        await visitor.go("/console/events")
        await visitor.page.click("text=Next page")
        await expect(visitor.page.locator("#events tbody tr").first).to_be_visible()
        await visitor.page.click("text=Newest")
        await visitor.check()
