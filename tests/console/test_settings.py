"""The pages of the settings: API keys and tenants."""

import re

import pytest

from tests.builders import Running
from tests.console.browsing import Browser, Shown

KEYS, TENANTS = "/console/settings/keys", "/console/settings/tenants"


def _made_key(shown: Shown) -> str:
    found = re.search(r'value="(ohk_[a-z0-9]+)"', shown.text)
    assert found, shown.words
    return found[1]


async def test_a_key_is_made_shown_once_and_revoked(gateway: Running, browser: Browser) -> None:
    """It signs in with its scopes; revoked, it does not."""
    await browser.get(KEYS)
    fields = [("name", "Nightly"), ("scopes", "read"), ("scopes", "subscriber")]
    made = await browser.post(KEYS, [*fields, ("expires_at", "2099-01-02T03:04")])
    key = _made_key(made)
    assert "this once" in made.words
    assert "2099-01-02 03:04:00Z" in made.words
    listed = await browser.get(KEYS)
    assert key not in listed.text
    assert "Nightly" in listed.words
    (id_,) = set(re.findall(r"keys/(key_[0-9a-z]{26})/revoke", listed.text))
    other = Browser(gateway)
    async with other.session:
        assert (await other.sign_in(key)).status == 200
        assert "Revoke Nightly?" in listed.words
        after = await browser.post(f"{KEYS}/{id_}/revoke")
        assert "nothing takes it any more" in after.words
        assert "Nightly" not in after.words
        assert "sign-in" in (await other.get("/console/events")).url


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": "", "scopes": "read"}, "/name"),
        ({"name": "No scope"}, "/scopes"),
        ({"name": "Old", "scopes": "read", "expires_at": "2020-01-01T00:00"}, "/expires_at"),
    ],
)
async def test_a_key_that_cannot_be_made_says_why(
    browser: Browser, fields: dict[str, str], pointer: str
) -> None:
    """The form comes back with what was typed, and what is wrong with it."""
    await browser.get(KEYS)
    shown = await browser.post(KEYS, fields)
    assert shown.status == 422
    assert pointer in shown.words
    assert f'value="{fields["name"]}"' in shown.text


async def test_the_key_that_the_gateway_started_with_stays(browser: Browser) -> None:
    """It would come back at the next start: the page says what to do instead."""
    await browser.get(KEYS)
    shown = await browser.post(f"{KEYS}/key_first/revoke")
    assert shown.status == 409
    assert "ONEHOOK_API_KEY" in shown.words


async def test_a_key_was_used_when_somebody_looked_at_pages_with_it(browser: Browser) -> None:
    """The console counts as use."""
    shown = await browser.get(KEYS)
    assert "never" not in shown.text.split("key_first")[1].partition("Expires")[0]


async def test_a_tenant_is_made_changed_and_removed(gateway: Running, browser: Browser) -> None:
    """Its quotas and defaults are what the form says; an empty field is no limit."""
    await browser.get(TENANTS)
    fields = {"id": "acme", "name": "Acme", "max_subscriptions": "3", "retry": "1m, 5m"}
    made = await browser.post(TENANTS, {**fields, "profile": "hex", "timeout": "5s"})
    assert made.url.endswith(f"{TENANTS}/acme")
    saved = (await gateway.api.get("/v1/tenants/acme")).json
    assert saved["quotas"]["max_subscriptions"] == 3
    assert saved["quotas"]["max_integrations"] is None
    assert saved["defaults"] == {
        "profile": "hex", "prefix": None, "destination": None, "retry": ["1m", "5m"],
        "timeout": "5s",
    }  # fmt: skip
    assert "0 of 3" in (await browser.get(TENANTS)).words
    await browser.get(f"{TENANTS}/acme")
    shown = await browser.post(f"{TENANTS}/acme", {"name": "Acme", "events_per_minute": "600"})
    assert "It is saved" in shown.words
    saved = (await gateway.api.get("/v1/tenants/acme")).json
    assert saved["quotas"] == {
        "max_subscriptions": None, "max_integrations": None, "events_per_minute": 600,
    }  # fmt: skip
    assert saved["defaults"]["retry"] is None
    gone = await browser.post(f"{TENANTS}/acme/delete")
    assert "The tenant is gone" in gone.words
    assert (await gateway.api.get("/v1/tenants/acme")).status == 404


async def test_a_tenant_that_cannot_be_saved_says_why(browser: Browser) -> None:
    """With what was typed still there."""
    await browser.get(TENANTS)
    wrong = await browser.post(TENANTS, {"id": "Not A Slug", "max_integrations": "many"})
    assert wrong.status == 422
    assert "/id" in wrong.words
    assert "/quotas/max_integrations" in wrong.words
    assert 'value="Not A Slug"' in wrong.text
    changed = await browser.post(f"{TENANTS}/default", {"timeout": "soon"})
    assert changed.status == 422
    assert "/defaults/timeout" in changed.words
