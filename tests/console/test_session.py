"""Signing in and out, and what protects a session (threats.md H5)."""

import re

import msgspec
import pytest

from onehook.console.session import COOKIE
from onehook.web.guesses import API_KEYS_PER_MINUTE
from tests.builders import API_KEY, Running, eventually
from tests.console.browsing import Browser


async def test_a_page_asks_to_sign_in_and_leads_back(stranger: Browser) -> None:
    """Who is not signed in gets the form, and after it the page that was asked for."""
    form = await stranger.get("/console/events?type=scm.*")
    assert form.url.endswith("/console/sign-in?to=/console/events?type%3Dscm.*")
    fields = {"api_key": API_KEY, "to": "/console/events?type=scm.*"}
    shown = await stranger.post("/console/sign-in", fields)
    assert shown.status == 200
    assert shown.url.endswith("/console/events?type=scm.*")


async def test_a_wrong_key_is_refused_and_not_shown(stranger: Browser) -> None:
    """The form says so, and does not repeat what was typed."""
    shown = await stranger.sign_in("not-the-key-at-all")
    assert shown.status == 401
    assert "this API key is not known" in shown.text
    assert "not-the-key-at-all" not in shown.text


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/console\\..\\evil",
        "/v1/events",
        "javascript:1",
    ],
)
async def test_signing_in_leads_to_pages_of_the_console_only(stranger: Browser, to: str) -> None:
    """Whatever the address says, it is no way to another site."""
    await stranger.get("/console/sign-in")
    fields = {"api_key": API_KEY, "to": to}
    shown = await stranger.post("/console/sign-in", fields, allow_redirects=False)
    assert shown.headers["Location"] == "/console"


async def test_h3_guesses_are_401_then_429_and_the_right_key_still_signs_in(
    stranger: Browser,
) -> None:
    """As at the API: whoever guesses there does not lock the others out."""
    for _ in range(API_KEYS_PER_MINUTE):
        assert (await stranger.sign_in("a-guess")).status == 401
    refused = await stranger.sign_in("a-guess")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "2"
    assert "Try again in 2 s" in refused.words
    assert "a-guess" not in refused.text
    assert (await stranger.sign_in()).url.endswith("/console")


async def test_h5_the_cookie_is_strict_and_holds_no_key(stranger: Browser) -> None:
    """HttpOnly, SameSite=Strict, for the console only; the key is not in it."""
    await stranger.get("/console/sign-in")
    fields = {"api_key": API_KEY}
    shown = await stranger.post("/console/sign-in", fields, allow_redirects=False)
    (cookie,) = [one for one in shown.headers.getall("Set-Cookie") if one.startswith(COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/console" in cookie
    assert API_KEY not in cookie


async def test_the_cookie_is_secure_where_the_gateway_is_reached_by_https(
    start_gateway: object,
) -> None:
    """Over https the cookie never goes out in the clear."""
    gateway = await start_gateway(public_url="https://hooks.example.com")  # type: ignore[operator]
    browser = Browser(gateway)
    async with browser.session:
        shown = await browser.get("/console/sign-in")
        assert "Secure" in shown.headers["Set-Cookie"]


async def test_signing_out_ends_the_session(browser: Browser) -> None:
    """The next page asks to sign in."""
    await browser.post("/console/sign-out")
    shown = await browser.get("/console")
    assert "/console/sign-in" in shown.url


async def test_h3_a_revoked_key_ends_its_sessions(gateway: Running, stranger: Browser) -> None:
    """A session is worth what its key is, and no longer."""
    registry = gateway.runtime.gateway.registry.whole
    first = registry.snapshot.keys["key_first"]
    second = msgspec.structs.replace(first, id="key_second", digest=registry.digest("second" * 4))
    await registry.save("keys", second)
    await stranger.sign_in("second" * 4)
    assert (await stranger.get("/console/events")).url.endswith("/console/events")
    await registry.delete("keys", "key_second")

    async def ended() -> bool:
        return "sign-in" in (await stranger.get("/console/events")).url

    await eventually(ended, 3)


async def test_another_key_under_the_same_id_ends_the_session(
    gateway: Running, browser: Browser
) -> None:
    """The first key may be set anew at a start; who signed in with the old one is out."""
    registry = gateway.runtime.gateway.registry.whole
    await registry.ensure_first_key("another-key-altogether", gateway.runtime.clock.now())
    assert "sign-in" in (await browser.get("/console")).url


@pytest.mark.parametrize("token", ["", "0" * 64, "no hex"])
async def test_h5_a_forged_form_is_refused(browser: Browser, token: str) -> None:
    """Without the session's token no form is taken."""
    shown = await browser.post("/console/sign-out", token=token)
    assert shown.status == 403
    assert (await browser.get("/console")).url.endswith("/console")


async def test_h5_a_token_of_another_session_is_refused(gateway: Running, browser: Browser) -> None:
    """A token fits the session it was made for."""
    other = Browser(gateway)
    async with other.session:
        await other.sign_in()
        theirs = (await other.get("/console/settings")).token
    assert (await browser.post("/console/sign-out", token=theirs)).status == 403


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_h5_a_form_from_another_site_is_refused(
    browser: Browser, headers: dict[str, str]
) -> None:
    """Even with the right token."""
    assert (await browser.post("/console/sign-out", headers=headers)).status == 403


async def test_h5_every_page_has_a_strict_policy(browser: Browser, stranger: Browser) -> None:
    """No page can be framed, none runs an inline script, each nonce is used once."""
    nonces = set()
    for path in ("/console", "/console/sign-in", "/console/nothing-here"):
        shown = await browser.get(path)
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert shown.headers["X-Frame-Options"] == "DENY"
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert shown.headers["Cache-Control"] == "no-store"
        found = re.search(r"'nonce-([^']+)'", policy)
        assert found
        nonces.add(found[1])
        scripts = re.findall(r"<script\b[^>]*>", shown.text)
        assert scripts
        assert all(f'nonce="{found[1]}"' in one for one in scripts)
        assert not re.search(r"<[^>]+\son\w+=|style=\"|javascript:", shown.text)
    assert len(nonces) == 3


async def test_light_and_dark_are_chosen_by_a_form(browser: Browser) -> None:
    """The choice is kept in a cookie, and leads back to where one was."""
    shown = await browser.post("/console/theme", {"theme": "dark", "to": "/console/events"})
    assert shown.url.endswith("/console/events")
    assert 'data-bs-theme="dark"' in shown.text
    assert 'data-bs-theme="dark"' in (await browser.get("/console/settings")).text


async def test_a_browser_at_the_root_is_led_to_the_console(
    gateway: Running, stranger: Browser
) -> None:
    """Who asks for a page gets there; a program is told that there is nothing, as before."""
    shown = await stranger.get("/", headers={"Accept": "text/html,*/*"}, allow_redirects=False)
    assert (shown.status, shown.headers["Location"]) == (302, "/console")
    for accept in ("*/*", "application/json"):
        answer = await gateway.vendor.call("GET", "/", headers={"Accept": accept})
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert (await gateway.vendor.post("/", {})).status == 404
