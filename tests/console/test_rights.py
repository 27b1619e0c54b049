"""What a visitor may not do is not offered, and what is another tenant's is not there."""

import re

import pytest

from tests.builders import Running, Subscriber, acme
from tests.conftest import MakeTenant, StartSubscriber
from tests.console.browsing import Browser
from tests.console.crawling import walk
from tests.console.traffic import Traffic, send_traffic

CANARY = "a-canary-of-theirs"
# Links that each scope is to see, and links that it is not.
MENU = {
    "admin": ({"/console", "/console/playground", "/console/settings/keys"}, set[str]()),
    "read": (
        {"/console", "/console/integrations", "/console/quarantine", "/console/settings/keys"},
        {"/console/playground", "/console/integrations/new", "/console/settings/tenants"},
    ),
    "subscriber": (
        {"/console", "/console/events", "/console/subscriptions/new", "/console/replays"},
        {"/console/integrations", "/console/quarantine", "/console/playground"},
    ),
    "ingest-admin": (
        {"/console/integrations/new", "/console/quarantine", "/console/playground"},
        {"/console/events", "/console/deliveries", "/console/dead-letters", "/console/replays"},
    ),
}


async def _key(gateway: Running, scope: str) -> str:
    made = await gateway.api.post("/v1/keys", {"name": f"for {scope}", "scopes": [scope]})
    return str(made.json["key"])


@pytest.mark.parametrize("scope", list(MENU))
async def test_h3_no_link_leads_to_what_the_key_may_not_see(
    gateway: Running, stranger: Browser, traffic: Traffic, scope: str
) -> None:
    """Every link of every page that a key sees is answered, and the others are not shown."""
    await stranger.sign_in(await _key(gateway, scope))
    shown = await walk(stranger)
    refused = {path: one.status for path, one in shown.items() if one.status >= 400}
    assert not refused
    seen, unseen = MENU[scope]
    assert seen <= shown.keys()
    assert not unseen & shown.keys()
    assert len(shown) > 10
    assert traffic.tickets


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("ingest-admin", "/console/dead-letters"),
        ("ingest-admin", "/console/events/tail"),
        ("ingest-admin", "/console/deliveries.csv"),
        ("subscriber", "/console/mappings/github"),
        ("subscriber", "/console/settings/keys"),
        ("read", "/console/settings/tenants"),
        ("read", "/console/subscriptions/new"),
    ],
)
async def test_h3_a_page_is_refused_as_its_operation_is(
    gateway: Running, stranger: Browser, scope: str, path: str
) -> None:
    """Who types the address is told what is needed."""
    await stranger.sign_in(await _key(gateway, scope))
    shown = await stranger.get(path)
    assert shown.status == 403
    assert "needs" in shown.words


async def test_h3_the_read_scope_sees_no_button(
    gateway: Running, stranger: Browser, traffic: Traffic
) -> None:
    """What posts is the visitor's own: theme and signing out; other forms have no button."""
    await stranger.sign_in(await _key(gateway, "read"))
    for path, shown in (await walk(stranger)).items():
        forms = re.findall(
            r'(?s)<form\b[^>]*method="post" action="([^"]*)"(.*?)</form>', shown.text
        )
        pressed = {action for action, inside in forms if "<button" in inside}
        assert pressed <= {"/console/theme", "/console/sign-out"}, path
    assert traffic.tickets


async def test_h4_pages_show_nothing_of_another_tenant(
    gateway: Running,
    stranger: Browser,
    traffic: Traffic,
    make_tenant: MakeTenant,
    start_subscriber: StartSubscriber,
) -> None:
    """A second tenant with a world of its own walks all its pages: no id or name of the first."""
    ours = await make_tenant(gateway, "ours")
    mine = await send_traffic(ours, await start_subscriber(), await start_subscriber())
    await gateway.api.post("/v1/keys", {"name": CANARY})
    foreign = {
        traffic.sender.id,
        traffic.good["id"],
        traffic.bad["id"],
        traffic.pull_request,
        traffic.quarantined,
        *traffic.tickets,
        CANARY,
        "key_first",
    }
    await stranger.sign_in(ours.key)
    shown = await walk(stranger)
    assert {f"/console/events/{one}" for one in (*mine.tickets, mine.pull_request)} & shown.keys()
    assert "/console/settings/keys" in shown
    for path, one in shown.items():
        assert one.status == 200, path
        assert not [name for name in foreign if name in one.text], path


async def test_h4_addresses_of_another_tenant_lead_nowhere(
    gateway: Running, stranger: Browser, traffic: Traffic, make_tenant: MakeTenant
) -> None:
    """Whoever types them is told that there is no such thing, and a filter finds nothing."""
    ours = await make_tenant(gateway, "ours")
    delivery = f"dlv_{traffic.tickets[0][4:]}{traffic.bad['id'][4:]}"
    await stranger.sign_in(ours.key)
    for path in (
        f"/events/{traffic.pull_request}",
        f"/events/{traffic.pull_request}/native",
        f"/integrations/{traffic.sender.id}",
        f"/integrations/{traffic.sender.id}/connect",
        f"/quarantine/{traffic.quarantined}",
        f"/subscriptions/{traffic.bad['id']}",
        f"/subscriptions/{traffic.bad['id']}/statistics",
        f"/subscriptions/{traffic.bad['id']}/settings",
        f"/deliveries/{delivery}",
        f"/playground?event={traffic.pull_request}",
    ):
        assert (await stranger.get(f"/console{path}")).status == 404, path
    listed = await stranger.get(f"/console/dead-letters?subscription={traffic.bad['id']}")
    assert "Broken receiver" not in listed.words


# -- acting for another tenant --------------------------------------------------------------------


async def test_an_admin_acts_for_another_tenant(
    gateway: Running, browser: Browser, traffic: Traffic, make_tenant: MakeTenant,
    subscriber: Subscriber,
) -> None:  # fmt: skip
    """The choice is kept, said on every page, and everything shown and made is that tenant's."""
    theirs = await make_tenant(gateway, "theirs")
    hook = await theirs.subscribe(subscriber, name=CANARY)
    shown = await browser.post("/console/tenant", {"tenant": "theirs"})
    assert "You act for the tenant theirs" in shown.words
    listed = await browser.get("/console/subscriptions")
    assert "You act for the tenant theirs" in listed.words
    assert CANARY in listed.words
    assert "Broken receiver" not in listed.words
    made = await browser.post("/console/settings/keys", {"name": "Theirs", "scopes": "read"})
    assert "Tenant theirs" in made.words
    assert (await browser.get(f"/console/subscriptions/{traffic.good['id']}")).status == 404
    back = await browser.post("/console/tenant", {"tenant": "default"})
    assert "You act for" not in back.words
    assert (await browser.get(f"/console/subscriptions/{hook['id']}")).status == 404


async def test_who_acts_for_a_tenant_that_is_removed_is_at_home(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """The session goes on, as its own key's tenant."""
    await gateway.api.post("/v1/tenants", {"id": "brief"})
    await browser.post("/console/tenant", {"tenant": "brief"})
    await gateway.api.call("DELETE", "/v1/tenants/brief")
    assert "Broken receiver" in (await browser.get("/console/subscriptions")).words
    assert traffic.tickets


@pytest.mark.parametrize("scope", ["admin", "read"])
async def test_h4_nobody_else_acts_for_another_tenant(
    gateway: Running, stranger: Browser, make_tenant: MakeTenant, scope: str
) -> None:
    """An admin of another tenant and a reader of the default one are told there is none."""
    await make_tenant(gateway, "theirs")
    ours = await make_tenant(gateway, "ours")
    await stranger.sign_in(ours.key if scope == "admin" else await _key(gateway, scope))
    shown = await stranger.post("/console/tenant", {"tenant": "theirs"})
    assert shown.status == 404
    assert 'name="tenant"' not in (await stranger.get("/console/settings")).text


async def test_h5_the_choice_of_a_tenant_needs_the_token(browser: Browser) -> None:
    """As every form does."""
    assert (await browser.post("/console/tenant", {"tenant": "default"}, token="")).status == 403


async def test_another_tenant_sees_nothing_of_the_gateway_as_a_whole(
    gateway: Running, stranger: Browser, browser: Browser, make_tenant: MakeTenant
) -> None:
    """Store, settings and warnings are the operator's."""
    operator = await browser.get("/console/settings")
    assert "Log on disk" in operator.words
    assert "ONEHOOK_MAPPINGS" in operator.words
    ours = await make_tenant(gateway, "ours")
    other = Browser(gateway)
    async with other.session:
        await other.sign_in(ours.key)
        shown = await other.get("/console/settings")
    assert shown.status == 200
    assert "Log on disk" not in shown.words
    assert "ONEHOOK_" not in shown.words
    assert "Tenant ours" in shown.words


async def test_a_tenants_webhook_is_seen_by_it_alone(
    gateway: Running, browser: Browser, make_tenant: MakeTenant
) -> None:
    """What comes in for one tenant is in its overview, and not in the other's."""
    ours = await make_tenant(gateway, "ours")
    sender = await ours.integrate()
    await ours.send(sender, acme("unheard of"))
    assert "webhook is in quarantine" not in (await browser.get("/console")).words
