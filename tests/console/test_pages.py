"""Each page's main task without script: a browser that loads pages and sends plain forms."""

import html
import json
import re

import pytest

from onehook.console import dead_letters
from onehook.console.origins import line_id
from tests.builders import Running, Subscriber, eventually, github, sample
from tests.conftest import StartGateway
from tests.console.browsing import Browser
from tests.console.traffic import HOSTILE, Traffic, send_hostile

EMPTY = {
    "/console": "Connect the first platform",
    "/console/events": "No event yet",
    "/console/references": "Ask for one thing",
    "/console/integrations": "No integration yet",
    "/console/quarantine": "Nothing is in quarantine",
    "/console/subscriptions": "Nobody is subscribed yet",
    "/console/deliveries": "Nothing was delivered yet",
    "/console/dead-letters": "No dead letters",
    "/console/replays": "Nothing was replayed yet",
}


async def test_empty_pages_say_what_to_do_next(browser: Browser) -> None:
    """A first visitor is told on every page how something gets there."""
    for path, words in EMPTY.items():
        shown = await browser.get(path)
        assert shown.status == 200
        assert words in shown.words, path


async def test_overview_tells_what_needs_attention(browser: Browser, traffic: Traffic) -> None:
    """Dead letters and quarantine are named, with the way to them; counts are of the traffic."""
    shown = await browser.get("/console")
    assert "Broken receiver has 3 dead letters" in shown.words
    assert "1 webhook is in quarantine" in shown.words
    assert f"/console/dead-letters?subscription={traffic.bad['id']}" in shown.text
    assert "5 webhooks" in shown.words
    assert "7 attempts" in shown.words


async def test_events_are_filtered_by_their_address(browser: Browser, traffic: Traffic) -> None:
    """The address says which events are shown, and a wrong one says what is wrong."""
    shown = await browser.get("/console/events", params={"type": "scm.*"})
    assert traffic.pull_request in shown.text
    assert traffic.tickets[0] not in shown.text
    wrong = await browser.get("/console/events", params={"type": "no.such"})
    assert wrong.status == 422
    assert "matches no event type" in wrong.words


async def test_a_part_of_the_page_is_given_to_htmx(browser: Browser, traffic: Traffic) -> None:
    """The same view answers with the block alone."""
    shown = await browser.get("/console/events", headers={"HX-Request": "true"})
    assert shown.text.strip().startswith('<div id="results">')
    assert traffic.pull_request in shown.text


async def test_lists_page_by_cursor(gateway: Running, browser: Browser, traffic: Traffic) -> None:
    """What does not fit on a page is on the next, and nothing is on both."""
    for number in range(60):
        await gateway.accept(traffic.sender, github("issues", _issue(100 + number)))
    first = await browser.get("/console/events")
    next_ = first.text.split('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    second = await browser.get(next_.replace("&amp;", "&"))
    ids = [set(_ids(shown.text)) for shown in (first, second)]
    assert len(ids[0]) == 50
    assert ids[1]
    assert not ids[0] & ids[1]


def _issue(number: int) -> object:
    from tests.builders import issue  # noqa: PLC0415

    return json.loads(issue(number).body)


def _ids(text: str) -> list[str]:
    return [part.partition('"')[0] for part in text.split("/console/events/evt_")[1:]]


async def test_an_event_shows_native_beside_unified(browser: Browser, traffic: Traffic) -> None:
    """Each field tells its rule, its line of the mapping and its place in the webhook."""
    shown = await browser.get(f"/console/events/{traffic.tickets[0]}")
    assert "made by the rule" in shown.words
    row = shown.text.split("data.title</th>")[1].partition("</tr>")[0]
    assert "mappings/github.yaml:" in row
    assert "/issue/title" in row
    assert f'id="{line_id("/issue/title")}"' in shown.text
    assert f'href="#{line_id("/issue/title")}"' in row
    assert "Payments team" in shown.words
    assert "The mapping has changed since" not in shown.words


async def test_an_event_tells_why_somebody_did_not_get_it(
    browser: Browser, traffic: Traffic
) -> None:
    """And delivers it to that one if asked to."""
    shown = await browser.get(f"/console/events/{traffic.pull_request}")
    refused = shown.text.split('id="others"')[1]
    assert "Broken receiver" in refused
    assert "/events" in refused
    fields = {"subscription": traffic.bad["id"]}
    done = await browser.post(f"/console/events/{traffic.pull_request}/replay", fields)
    assert "1 delivery is on the way again." in done.words


async def test_the_native_webhook_is_a_download(browser: Browser, traffic: Traffic) -> None:
    """Byte for byte, and no browser takes it for a page."""
    shown = await browser.get(f"/console/events/{traffic.tickets[0]}/native")
    assert shown.headers["Content-Disposition"].startswith("attachment")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(shown.text)["action"] == "opened"


async def test_h5_hostile_text_is_escaped_everywhere(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """Markup in every field of a webhook, and in answers (F8), is shown as text."""
    event = await send_hostile(gateway, traffic)
    delivery = f"dlv_{event[4:]}{traffic.bad['id'][4:]}"
    for path in ("/console/events", f"/console/events/{event}", f"/console/deliveries/{delivery}"):
        shown = await browser.get(path)
        assert "<script>alert" not in shown.text, path
        assert "<img" not in shown.text, path
        assert "&lt;script&gt;alert(1)" in shown.text, path
        assert "49" not in shown.words.partition("alert(2)")[2][:30]
    page = await browser.get("/console/references", params={"key": HOSTILE})
    assert "<script>alert" not in page.text


async def test_a_delivery_shows_its_attempts_and_is_retried(
    browser: Browser, traffic: Traffic
) -> None:
    """Request and response, timing and error."""
    delivery = f"dlv_{traffic.tickets[0][4:]}{traffic.bad['id'][4:]}"
    shown = await browser.get(f"/console/deliveries/{delivery}")
    assert "Attempt 1" in shown.words
    assert "webhook-signature" in shown.words
    assert "500" in shown.words
    again = await browser.post(f"/console/deliveries/{delivery}/retry")
    assert "It is attempted now." in again.words


async def test_deliveries_are_filtered_selected_and_retried(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """Several at once, and the page that one was on is shown again."""
    shown = await browser.get("/console/deliveries?status=dead")
    ids = [part.partition('"')[0] for part in shown.text.split('name="delivery" value="')[1:]]
    assert len(ids) == 3
    fields = [*(("delivery", id_) for id_ in ids), ("to", "/console/deliveries?status=dead")]
    done = await browser.post("/console/deliveries/retry", fields)
    assert "3 deliveries are attempted now." in done.words
    for event_id in traffic.tickets:
        await gateway.settled(event_id, traffic.bad["id"], attempt_count=2, status="dead")


@pytest.mark.parametrize(("kind", "count"), [("csv", 4), ("jsonl", 3)])
async def test_deliveries_are_exported(
    browser: Browser, traffic: Traffic, kind: str, count: int
) -> None:
    """What the filters mean, as a file."""
    shown = await browser.get(f"/console/deliveries.{kind}?subscription={traffic.bad['id']}")
    assert shown.status == 200
    assert "attachment" in shown.headers["Content-Disposition"]
    assert len(shown.text.strip().splitlines()) == count


async def test_dead_letters_are_grouped_and_retried(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """By subscription and cause; all of a subscription as a bulk replay."""
    shown = await browser.get("/console/dead-letters")
    assert "Broken receiver 3 dead letters" in shown.words
    assert "3 \u00d7 answer 500" in shown.words
    done = await browser.post("/console/dead-letters/retry", {"subscription": traffic.bad["id"]})
    assert "/console/replays/rpl_" in done.url
    for event_id in traffic.tickets:
        await gateway.settled(event_id, traffic.bad["id"], attempt_count=2, status="dead")


async def test_quarantine_is_grouped_shown_retried_and_discarded(
    browser: Browser, traffic: Traffic
) -> None:
    """What stays says why; what is discarded needs a reason."""
    shown = await browser.get("/console/quarantine")
    assert "1 \u00d7 issues" in shown.words
    one = await browser.get(f"/console/quarantine/{traffic.quarantined}")
    assert "schema violation" in one.words
    again = await browser.post(f"/console/quarantine/{traffic.quarantined}/retry")
    assert "It stays here" in again.words
    many = await browser.post("/console/quarantine/retry", {})
    assert "1 stay." in many.words
    refused = await browser.post(f"/console/quarantine/{traffic.quarantined}/discard", {})
    assert refused.status == 422
    gone = await browser.post(
        f"/console/quarantine/{traffic.quarantined}/discard", {"reason": "a test"}
    )
    assert "Nothing is in quarantine" in gone.words


async def test_a_replay_is_counted_then_made_and_watched(
    browser: Browser, traffic: Traffic
) -> None:
    """Counting delivers nothing; replaying leads to the page that tells how far it is."""
    await browser.get("/console/replays/new")
    fields = {"since": "2020-01-01T00:00:00", "type": "scm.*", "do": "count"}
    counted = await browser.post("/console/replays/new", fields)
    assert "1 events fit" in counted.words
    made = await browser.post("/console/replays/new", {**fields, "do": "replay"})
    assert "/console/replays/rpl_" in made.url

    async def done() -> bool:
        return "done" in (await browser.get(made.url)).words

    await eventually(done)
    wrong = await browser.post("/console/replays/new", {"since": "nonsense", "do": "replay"})
    assert wrong.status == 422
    assert "/since" in wrong.words
    assert traffic.pull_request


async def test_an_integration_is_made_and_turns_green(gateway: Running, browser: Browser) -> None:
    """Choose, fill, copy; a secret is made where none is typed; then it waits and is connected."""
    chosen = await browser.get("/console/integrations/new?type=github")
    assert "Settings → Webhooks → Add webhook" in chosen.words
    fields = {"type": "github", "name": "Acme", "make_secret": "1", "setting.secret": ""}
    made = await browser.post("/console/integrations/new", fields)
    assert "Waiting for the first webhook" in made.words
    secret = made.text.split('id="copy-secret" value="')[1].partition('"')[0]
    assert secret.startswith("whsec_")
    (record,) = gateway.runtime.gateway.registry.snapshot.integrations.values()
    from tests.builders import Sender, issue  # noqa: PLC0415

    sender = Sender(record.id, f"/ingest/{record.id}", "github", {"secret": [secret.encode()]}, {})
    await gateway.accept(sender, issue(1))
    part = await browser.get(
        f"/console/integrations/{record.id}/connect", headers={"HX-Request": "true"}
    )
    assert "The first webhook came" in part.words
    assert "every 2s" not in part.text


async def test_an_integration_is_changed_rotated_and_removed(
    browser: Browser, traffic: Traffic
) -> None:
    """Each says what it did, and a wrong value is shown at its field."""
    page = f"/console/integrations/{traffic.sender.id}"
    assert "5" in (await browser.get(page)).words
    fields = {"name": "Renamed", "key": "acme", "active": "1", "silent_after": "soon"}
    wrong = await browser.post(page, fields)
    assert wrong.status == 422
    assert "/silent_after" in wrong.words
    assert 'value="soon"' in wrong.text  # what was typed is still there
    limits = {"allow_from": "127.0.0.0/8\n192.0.2.7", "rate_per_minute": "600", "rate_burst": ""}
    saved = await browser.post(page, {**fields, "silent_after": "1d", **limits})
    assert "It is saved." in saved.words
    assert "127.0.0.0/8\n192.0.2.7</textarea>" in saved.text
    assert 'name="rate_per_minute" inputmode="numeric" value="600"' in saved.text
    free = await browser.post(page, {**fields, "silent_after": "1d"})
    assert 'name="rate_per_minute" inputmode="numeric" value=""' in free.text
    assert "Renamed" in saved.words
    rotated = await browser.post(f"{page}/rotate-secret", {"secret": "n" * 32, "overlap": "1h"})
    assert "The new secret is in use" in rotated.words
    gone = await browser.post(f"{page}/delete")
    assert "The integration is gone" in gone.words


async def test_a_subscription_is_previewed_made_tested_and_removed(
    browser: Browser, subscriber: Subscriber
) -> None:
    """The preview is what is sent; the secret is shown once; a test shows the answer."""
    await browser.get("/console/subscriptions/new")
    fields = {
        "name": "Mine",
        "url": subscriber.url,
        "events": "ticketing.*",
        "profile": "sha256",
        "active": "1",
        "ordering": "none",
        "sample": "ticketing.ticket.created",
    }
    preview = await browser.post("/console/subscriptions/new", {**fields, "do": "preview"})
    assert "x-onehook-signature" in preview.words
    made = await browser.post("/console/subscriptions/new", {**fields, "do": "save"})
    assert "Mine is made" in made.words
    assert "whsec_" in made.text
    id_ = made.text.split("/console/subscriptions/sub_")[1].partition('"')[0]
    page = f"/console/subscriptions/sub_{id_}"
    tested = await browser.post(f"{page}/test", {"event_type": "scm.push"})
    assert tested.status == 422
    tested = await browser.post(f"{page}/test", {"event_type": "ticketing.ticket.created"})
    assert "The receiver took it" in tested.words
    assert len(subscriber.received) == 1
    assert "whsec_" not in (await browser.get(f"{page}/settings")).text
    paused = await browser.post(f"{page}/pause")
    assert "It is paused" in paused.words
    resumed = await browser.post(f"{page}/resume")
    assert "It goes on" in resumed.words
    gone = await browser.post(f"{page}/delete")
    assert "The subscription is gone." in gone.words


async def test_a_subscription_is_changed_field_by_field(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """What is not changed stays as it is; what is emptied is cleared; what is wrong is told."""
    page = f"/console/subscriptions/{traffic.good['id']}/settings"
    before = (await gateway.api.get(f"/v1/subscriptions/{traffic.good['id']}")).json
    fields = {
        "name": "Payments",
        "url": before["url"],
        "events": "scm.*",
        "filter": '{"$.data.title": {"exists": true}}',
        "timeout": "5s",
        "retry": "1m, 2m",
        "ordering": "key",
        "rate_per_minute": "600",
        "active": "1",
        "do": "save",
    }
    await browser.get(page)
    wrong = await browser.post(page, {**fields, "filter": "{"})
    assert wrong.status == 422
    assert "is no JSON" in wrong.words
    saved = await browser.post(page, fields)
    assert "It is saved." in saved.words
    after = (await gateway.api.get(f"/v1/subscriptions/{traffic.good['id']}")).json
    assert after["name"] == "Payments"
    assert after["events"] == ["scm.*"]
    assert after["timeout"] == "5s"
    assert after["retry"] == ["1m", "2m"]
    assert after["ordering"] == "key"
    assert after["rate_limit"]["per_minute"] == 600
    assert after["pause_after"] is None
    assert after["profile"] == before["profile"]
    assert after["headers"] == before["headers"]


async def test_a_subscription_shows_log_and_statistics(browser: Browser, traffic: Traffic) -> None:
    """Its own deliveries only, and how it fares."""
    page = f"/console/subscriptions/{traffic.bad['id']}"
    log = await browser.get(page)
    assert traffic.tickets[0][4:] in log.text
    assert "Payments team" not in log.words
    shown = await browser.get(f"{page}/statistics")
    assert "0 of 3 attempts" in shown.words
    assert "Failures in a row 3" in shown.words


async def test_references_show_a_timeline(browser: Browser, traffic: Traffic) -> None:
    """What names a thing, the oldest first."""
    event = await browser.get(f"/console/events/{traffic.pull_request}")
    key = event.text.split("/console/references?key=")[1].partition('"')[0]
    shown = await browser.get(f"/console/references?key={key}")
    assert traffic.pull_request in shown.text
    assert "refers to it" in shown.words


async def test_mappings_show_file_coverage_and_drift(browser: Browser, traffic: Traffic) -> None:
    """Lines have addresses, so that an origin leads to its line."""
    assert "mappings/github.yaml" in (await browser.get("/console/mappings")).words
    assert 'id="L12"' in (await browser.get("/console/mappings/github")).text
    assert "of its fields" in (await browser.get("/console/mappings/github/coverage")).words
    drift = await browser.get("/console/mappings/github/drift")
    assert drift.status == 200
    assert (await browser.post("/console/mappings/github/drift/clear")).status == 200
    assert (await browser.get("/console/mappings/none")).status == 404
    assert traffic.quarantined


async def test_the_playground_tries_a_stored_webhook(browser: Browser, traffic: Traffic) -> None:
    """It opens with the webhook and its platform's file, and says what is wrong at its line."""
    shown = await browser.get(f"/console/playground?webhook={traffic.quarantined}")
    assert "schema violation" in shown.words
    text = "onehook: mapping/v1\nplatform: mine\nnonsense: 1\n"
    wrong = await browser.post("/console/playground", {"mapping": text, "body": "{}", "do": "run"})
    assert "line 3" in wrong.words
    assert 'data-line="3"' in wrong.text


async def test_the_playground_begins_with_a_mapping_that_works(browser: Browser) -> None:
    """A first visitor sees an event at once, and what each line gives."""
    shown = await browser.get("/console/playground")
    assert "accepted" in shown.words
    assert "1 event" in shown.words
    assert "/ticket/title" in shown.words


async def test_the_playground_backtests(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """An edited mapping is compared with the one in use over what is stored."""
    text = gateway.runtime.gateway.mappings["github"].mapping.source.text
    edited = text.replace("key: [$.id]", "key: [$.id]", 1)
    fields = {"mapping": edited, "body": "{}", "do": "backtest", "last": "50"}
    shown = await browser.post("/console/playground", fields)
    assert "Backtest of github" in shown.words
    assert "Nothing would change." in shown.words
    assert traffic.pull_request


async def test_settings_tell_of_store_and_key(browser: Browser) -> None:
    """The key's name, never the key; the store's memory."""
    shown = await browser.get("/console/settings")
    assert "Signed in with first" in shown.words
    assert "Valkey" in shown.words
    assert "an-admin-key-for-tests" not in shown.text


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("evt_x", "/console/events/evt_x"),
        ("sub_x", "/console/subscriptions/sub_x"),
        ("PROJ-123", "/console/references?key=PROJ-123"),
    ],
)
async def test_an_id_or_a_key_is_found(browser: Browser, text: str, to: str) -> None:
    """One field leads to whatever has that id, or to the references of anything else."""
    shown = await browser.get("/console/find", params={"q": text}, allow_redirects=False)
    assert shown.headers["Location"] == to


async def test_what_is_not_there_says_so(browser: Browser) -> None:
    """An error page says what went wrong and what to do."""
    for path in ("/console/nothing", "/console/events/evt_none", "/console/deliveries/dlv_none"):
        shown = await browser.get(path)
        assert shown.status == 404, path
        assert "There is no such thing" in shown.words


async def test_pages_are_small(browser: Browser, traffic: Traffic) -> None:
    """No page is larger than a megabyte."""
    for path in ("/console", f"/console/events/{traffic.pull_request}", "/console/playground"):
        assert len((await browser.get(path)).text) < 300_000


async def test_the_store_away_is_told_as_such(browser: Browser, gateway: Running) -> None:
    """A page that cannot be made says why, and that it may be tried again."""

    async def away(*_: object, **__: object) -> object:
        raise ConnectionError

    gateway.runtime.gateway.events.client.xrevrange = away  # type: ignore[method-assign, assignment]
    shown = await browser.get("/console/events")
    assert shown.status == 503
    assert "The store is away" in shown.words


async def test_lists_are_narrowed_by_what_the_address_says(
    gateway: Running, browser: Browser, traffic: Traffic
) -> None:
    """By words and by choices; what nothing fits says so, and how to see all again."""
    await gateway.api.post("/v1/tenants", {"id": "another", "name": "Another company"})
    await gateway.api.post("/v1/keys", {"name": "Nightly export", "scopes": ["subscriber"]})
    since = {"since": "2020-01-01T00:00:00Z", "subscription": traffic.good["id"]}
    await gateway.api.post("/v1/replays", since)
    for path, there, elsewhere in (
        ("/subscriptions?q=payments", "Payments team", "Broken receiver"),
        ("/subscriptions?state=paused", "No subscription fits", "Payments team"),
        ("/subscriptions?destination=generic&q=broken", "Broken receiver", "Payments team"),
        ("/integrations?q=ACME", "GitHub of Acme", "No integration fits"),
        ("/integrations?state=inactive", "No integration fits", "GitHub of Acme"),
        ("/integrations?type=jira", "No integration fits", "GitHub of Acme"),
        ("/mappings?q=jir", "mappings/jira.yaml", "mappings/github.yaml"),
        (f"/replays?subscription={traffic.good['id']}", "every type to Payments team", "No replay"),
        (f"/replays?subscription={traffic.bad['id']}", "No replay fits", "every type to"),
        ("/settings/keys?scope=subscriber", "Nightly export", "key_first"),
        ("/settings/keys?q=nightly", "Nightly export", "key_first"),
        ("/settings/tenants?q=company", "Another company", "always there"),
    ):
        main = (await browser.get(f"/console{path}")).text.partition("<main")[2]
        table = main.partition("</form>")[2]  # the filters name what there is, too
        assert there in _words(table), path
        assert elsewhere not in _words(table), path


def _words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


async def test_a_reader_sees_where_fields_are_from(
    gateway: Running, stranger: Browser, traffic: Traffic
) -> None:
    """Rule, line and place: the scope that sees everything sees why, too."""
    made = await gateway.api.post("/v1/keys", {"name": "for reading", "scopes": ["read"]})
    await stranger.sign_in(made.json["key"])
    shown = await stranger.get(f"/console/events/{traffic.pull_request}")
    assert "/pull_request/title" in shown.words
    assert re.search(r"mappings/github\.yaml:\d+", shown.words)


async def test_whom_to_let_in_is_told(start_gateway: StartGateway) -> None:
    """Settings and the form of a subscription say where deliveries come from."""
    browser = Browser(await start_gateway(egress_addresses="198.51.100.7"))
    async with browser.session:
        await browser.sign_in()
        for path in ("/console/settings", "/console/subscriptions/new"):
            assert "198.51.100.7" in (await browser.get(path)).words, path


async def test_subscriptions_with_dead_letters_are_paged(
    gateway: Running, browser: Browser, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has most comes first; the others are on the next page."""
    monkeypatch.setattr(dead_letters, "RECEIVERS", 1)
    another = {"name": "Broken, too", "url": traffic.bad["url"], "events": ["scm.*"], "retry": []}
    made = await gateway.api.post("/v1/subscriptions", another)
    body = sample("github/pull_request.opened")
    body["pull_request"]["number"] = body["number"] = 4242
    (event_id,) = await gateway.accept(traffic.sender, github("pull_request", body))
    await gateway.settled(event_id, made.json["id"], status="dead")
    first = await browser.get("/console/dead-letters")
    second = await browser.get("/console/dead-letters?cursor=1")
    assert "Broken receiver 3 dead letters" in first.words
    assert "Broken, too 1 dead letter" not in first.words
    assert "Broken, too 1 dead letter" in second.words
    assert 'rel="next"' in first.text
    assert 'rel="next"' not in second.text
    one = re.search(r'formaction="(/console/deliveries/dlv_\w+/retry)"', second.text)
    assert one is not None
    assert "It is attempted now" in (await browser.post(one[1])).words
