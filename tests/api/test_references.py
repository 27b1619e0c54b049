"""``/v1/references/{key}``: one thing, as every tool that talks of it told it."""

import json
from collections.abc import Mapping
from urllib.parse import quote

import pytest

from onehook.store.keys import Keys
from tests.api.test_integrations import pointers
from tests.builders import Answer, Native, Running, Sender, github, sample

JIRA, GITHUB, PAGERDUTY = "acme.atlassian.net", "github.com", "acme.pagerduty.com"
HEAD = "178c040fb76195151aba3d9f4ab33804b03b96c8"  # of the push and of the pull request
INCIDENT = "Q2PAYMENTS0042"


def ticket(key: str = "PAY-311", site: str = JIRA) -> Native:
    """Jira's ``jira:issue_created``: the ticket *key*."""
    text = json.dumps(sample("jira/issue_created")).replace("PAY-142", key).replace(JIRA, site)
    headers = {"Content-Type": "application/json", "X-Atlassian-Webhook-Identifier": key + site}
    return Native(headers, text.encode())


def incident(title: str = "Card payments slow (PAY-311)") -> Native:
    """PagerDuty's ``incident.triggered``, before everything else."""
    body = sample("pagerduty/incident.triggered")
    event = {**body["event"], "id": title, "occurred_at": "2026-11-01T08:58:12Z"}
    event["data"] = {**event["data"], "title": title, "created_at": "2026-11-01T08:58:12Z"}
    return Native({"Content-Type": "application/json"}, json.dumps({"event": event}).encode())


class Company:
    """One gateway, the tools that send to it, and what it tells of a thing."""

    def __init__(self, gateway: Running, senders: Mapping[str, Sender]) -> None:
        self.gateway, self.senders = gateway, senders

    async def tell(self, tool: str, native: Native) -> str:
        """Let a tool send *native*; the id of its first event."""
        return (await self.gateway.accept(self.senders[tool], native))[0]

    async def ask(self, key: str, **query: str) -> Answer:
        """Ask for the timeline of *key*."""
        return await self.gateway.api.get(f"/v1/references/{quote(key, safe='')}", **query)

    async def ids(self, key: str, **query: str) -> list[str]:
        """The ids of the events in the timeline of *key*, in order."""
        answer = await self.ask(key, **query)
        assert answer.status == 200, answer.body
        return [item["event"]["id"] for item in answer.json["data"]]


@pytest.fixture
async def company(gateway: Running) -> Company:
    """A gateway with a tracker, a forge and an incident tool."""
    senders = {name: await gateway.integrate(name) for name in ("jira", "github", "pagerduty")}
    return Company(gateway, senders)


async def story(company: Company) -> dict[str, str]:
    """A ticket, a push and a pull request that name it, and the incident that began it all."""
    return {
        "ticket": await company.tell("jira", ticket()),
        "push": await company.tell("github", github("push", sample("github/push"))),
        "pull_request": await company.tell(
            "github", github("pull_request", sample("github/pull_request.opened"))
        ),
        "incident": await company.tell("pagerduty", incident()),
    }


async def test_timeline_of_a_ticket_goes_through_all_tools(company: Company) -> None:
    """The incident, the ticket, the commits and the pull request stand there, oldest first."""
    ids = await story(company)

    answer = await company.ask("PAY-311")

    found = answer.json
    assert (answer.status, found["key"], found["verified"], found["next"]) == (
        200, "PAY-311", True, None,
    )  # fmt: skip
    times = [item["event"]["timestamp"] for item in found["data"]]
    assert times == sorted(times)
    roles = {item["event"]["id"]: item["role"] for item in found["data"]}
    assert roles == {
        ids["ticket"]: "itself",
        ids["push"]: "reference",
        ids["pull_request"]: "reference",
        ids["incident"]: "reference",
    }
    assert found["data"][0]["event"]["id"] == ids["incident"]
    for item in found["data"]:
        listed = await company.gateway.api.get(f"/v1/events/{item['event']['id']}")
        assert item["event"] == listed.json
        if item["role"] == "itself":
            assert item["reference"] is None
        else:
            reference = item["reference"]
            assert reference["urn"] == f"oh:jira:{JIRA}:ticket:PAY-311"
            assert (reference["key"], reference["verified"]) == ("PAY-311", True)
            assert reference["confidence"] >= 0.95


@pytest.mark.parametrize(
    "key",
    [
        "pay-311",
        f"oh:jira:{JIRA}:ticket:PAY-311",
        f"https://{JIRA}/browse/PAY-311",
        f"https://{JIRA}/browse/PAY-311?focusedCommentId=7#top",
        " PAY-311 ",
    ],
)
async def test_a_thing_is_found_however_it_is_called(company: Company, key: str) -> None:
    """A key in any case, its urn and its page lead to the same timeline."""
    ids = await story(company)

    assert sorted(await company.ids(key)) == sorted(ids.values())


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("acme/payments#42", {"pull_request"}),
        ("https://github.com/acme/payments/pull/42/files#diff-1", {"pull_request"}),
        ("oh:github:github.com:pull_request:acme/payments/42", {"pull_request"}),
        (HEAD, {"push", "pull_request"}),
        (HEAD[:7], {"push", "pull_request"}),
        (f"acme/payments@{HEAD[:10]}", {"push", "pull_request"}),
        (f"https://github.com/acme/payments/commit/{HEAD}", {"push", "pull_request"}),
        (f"oh:github:github.com:commit:acme/payments/{HEAD}", {"push", "pull_request"}),
        (INCIDENT, {"incident"}),
        (f"https://{PAGERDUTY}/incidents/{INCIDENT}", {"incident"}),
        ("acme/payments#97", {"pull_request"}),  # which fixes it
        ("acme/payments!42", set()),
        ("PAY-312", set()),
        (HEAD[:7] + "0", set()),
        ("https://gitlab.example.com/acme/payments/-/issues/42", set()),
    ],
)
async def test_every_thing_has_a_timeline(company: Company, key: str, named: set[str]) -> None:
    """Pull requests, commits by any number of digits, incidents; what is called alike is not it."""
    ids = await story(company)

    assert set(await company.ids(key)) == {ids[name] for name in named}


async def test_a_thing_without_a_known_page_is_found_by_its_address(company: Company) -> None:
    """A build is found under the URL that a browser shows, and by its commit."""
    run = await company.tell(
        "github", github("workflow_run", sample("github/workflow_run.completed"))
    )
    build = (await company.gateway.api.get(f"/v1/events/{run}")).json["data"]

    assert await company.ids(build["url"] + "#summary") == [run]
    assert await company.ids(build["urn"]) == [run]
    assert run in await company.ids(build["sha"])


async def test_two_sites_of_one_key_are_two_things(company: Company) -> None:
    """The key gives both, a urn and a page give one; who is meant by a text nobody can tell."""
    other = "beta.atlassian.net"
    beta = await company.gateway.integrate("jira")
    mine = await company.tell("jira", ticket())
    (theirs,) = await company.gateway.accept(beta, ticket(site=other))

    assert sorted(await company.ids("PAY-311")) == sorted([mine, theirs])
    assert await company.ids(f"oh:jira:{other}:ticket:PAY-311") == [theirs]
    assert await company.ids(f"https://{JIRA}/browse/PAY-311") == [mine]


async def test_what_nobody_emitted_is_not_verified(company: Company) -> None:
    """A ticket that only texts know is told as such."""
    await company.tell("jira", ticket("PAY-1"))  # so that the prefix is known
    named = await company.tell("pagerduty", incident())

    found = (await company.ask("PAY-311")).json

    assert found["verified"] is False
    (item,) = found["data"]
    assert (item["event"]["id"], item["role"]) == (named, "reference")
    assert (item["reference"]["verified"], item["reference"]["confidence"]) == (False, 0.9)


async def test_an_event_says_what_was_verified_when_it_came(company: Company) -> None:
    """What is delivered knows of what was seen before it; the timeline knows it afterwards."""
    await company.tell("jira", ticket("PAY-1"))
    early = await company.tell("pagerduty", incident("Early: PAY-311"))
    await company.tell("jira", ticket())
    late = await company.tell("pagerduty", incident("Late: PAY-311"))

    for event_id, verified in ((early, False), (late, True)):
        event = (await company.gateway.api.get(f"/v1/events/{event_id}")).json
        (reference,) = event["data"]["references"]
        assert reference["verified"] is verified
        assert (reference["confidence"] >= 0.95) is verified
    items = (await company.ask("PAY-311")).json["data"]
    assert {i["reference"]["verified"] for i in items if i["role"] == "reference"} == {True}


async def test_a_comment_belongs_to_its_ticket(company: Company) -> None:
    """It stands in the ticket's timeline without naming it in any text."""
    comment = await company.tell(
        "github", github("issue_comment", sample("github/issue_comment.created"))
    )

    (item,) = (await company.ask("acme/payments#97")).json["data"]

    assert (item["event"]["id"], item["role"], item["reference"]) == (comment, "part", None)


async def test_pages_hold_every_event_once(company: Company) -> None:
    """Oldest first, also while more comes in."""
    await company.tell("jira", ticket())
    texts = [f"{n} PAY-311" for n in range(7)]
    ids = {await company.tell("pagerduty", incident(text)) for text in texts}
    everything = await company.ids("PAY-311")
    assert ids < set(everything)

    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    for _ in range(5):
        page = (await company.ask("PAY-311", **query)).json
        seen += [item["event"]["id"] for item in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert seen == everything
    assert page["next"] is None


async def test_a_timeline_is_cut_by_time(company: Company) -> None:
    """`since` is inclusive and `until` exclusive, of the moment at the source."""
    ids = await story(company)

    assert await company.ids("PAY-311", until="2026-11-01T08:58:12.001Z") == [ids["incident"]]
    assert await company.ids("PAY-311", until="2026-11-01T08:58:12Z") == []
    later = await company.ids("PAY-311", since="2026-11-01T08:58:12.001Z")
    assert set(later) == set(ids.values()) - {ids["incident"]}


async def test_what_expired_is_no_longer_told(company: Company) -> None:
    """An event that is gone leaves its timeline, and proves nothing any more."""
    ids = await story(company)
    keys: Keys = company.gateway.keys
    await company.gateway.store.delete(keys.event(ids["ticket"]))

    found = (await company.ask("PAY-311")).json

    assert ids["ticket"] not in [item["event"]["id"] for item in found["data"]]
    assert (len(found["data"]), found["verified"]) == (3, False)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("7", "a number alone"),
        (" ", "1 to 512 characters"),
        ("x" * 513, "1 to 512 characters"),
        ("two words", "no blanks"),
        ("a\x07b", "no control characters"),
        ("oh:jira:ticket", "is no urn"),
        ("oh:jira::ticket:PAY-1", "is no urn"),
        ("https://[::1]/x", "no URL that a browser opens"),
    ],
)
async def test_nonsense_is_422(gateway: Running, key: str, says: str) -> None:
    """What can be the name of nothing is refused, with the reason."""
    answer = await gateway.api.get(f"/v1/references/{quote(key, safe='')}")

    assert (answer.status, answer.media_type) == (422, "application/problem+json"), answer.body
    assert pointers(answer) == ["/key"]
    assert says in answer.json["detail"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [({"cursor": "AAAA"}, "/cursor"), ({"limit": "0"}, "/limit"), ({"type": "scm.*"}, "/type")],
)
async def test_wrong_queries_are_422(gateway: Running, query: dict[str, str], pointer: str) -> None:
    """As in every list."""
    answer = await gateway.api.get("/v1/references/PAY-1", **query)

    assert (answer.status, pointers(answer)) == (422, [pointer]), answer.body


async def test_a_thing_that_nobody_names_has_an_empty_timeline(gateway: Running) -> None:
    """It may be named tomorrow."""
    answer = await gateway.api.get("/v1/references/PAY-1")

    assert answer.json == {"key": "PAY-1", "verified": False, "data": [], "next": None}
