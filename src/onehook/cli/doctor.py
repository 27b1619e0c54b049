"""``onehook doctor``: is anything wrong, and what mends it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import aiohttp
from cyclopts import Parameter
from rich.text import Text

from onehook.cli.client import HERE, TIMEOUT, Client, RefusedError, Target, address, get_key
from onehook.cli.options import run
from onehook.cli.output import clean, out, progress, show_json
from onehook.cli.plan import path_of
from onehook.clock import SystemClock
from onehook.core.routing import matches
from onehook.errors import OnehookError, SettingsError, StoreUnavailableError
from onehook.reloading import WARNING as BROKEN
from onehook.settings import ClientSettings

_SKEW, _WRONG_SKEW = timedelta(seconds=5), timedelta(minutes=1)
_LATE = timedelta(minutes=5)  # that the oldest of a backlog may wait
_PROBE = "onehook-doctor"  # the key of what is only asked for with dry_run
_STYLES = {"ok": "green", "warning": "yellow", "wrong": "red"}
State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is; *mend* says what to do about what is not as it should be."""

    what: str
    state: State
    detail: str
    mend: str = ""


def doctor(
    *,
    send_tests: Annotated[bool, Parameter(negative=())] = False,
    target: Target = HERE,
) -> int:
    """Check a running gateway, and say what to mend.

    Looks at whether it answers, its clock, your API key and what it may do, the store and what an
    acknowledgement is worth, mapping files, integrations, and each subscription. Exit codes: 0
    nothing is wrong (there may be warnings), 1 something is, 69 no gateway answers.

    Args:
        send_tests: also send a test event to each subscription; it counts nowhere.
        target: which gateway.
    """

    async def work() -> int:
        findings: list[Finding] = []
        with progress("checking") as bar:
            task = bar.add_task("", total=None)
            async with aclosing(_examine(target, send_tests=send_tests)) as found:
                async for finding in found:
                    findings.append(finding)
                    bar.advance(task)
        if target.json_:
            show_json([asdict(finding) for finding in findings])
        else:
            for finding in findings:
                _show(finding)
        if findings[0].state == "wrong":
            return StoreUnavailableError.exit_code
        return 1 if any(finding.state == "wrong" for finding in findings) else 0

    return run(work())


def _show(finding: Finding) -> None:
    line = Text()
    line.append(f"{finding.state:8}", style=_STYLES[finding.state])
    line.append(clean(f"{finding.what}: {finding.detail}"))
    out.print(line)
    if finding.mend:
        out.print(clean(f"        -> {finding.mend}"), markup=False)


async def _examine(target: Target, *, send_tests: bool) -> AsyncGenerator[Finding, None]:
    """Everything there is to say, the most basic first; what rests on what is wrong is left out."""
    settings = ClientSettings()
    url = address(settings, target.url)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=5)
    headers: dict[str, str] = {}
    missing: str | None = None
    try:
        headers["Authorization"] = f"Bearer {get_key(settings)}"
    except SettingsError as error:
        missing = error.detail
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        client = Client(url, session)
        try:
            await client.get("/healthz")
        except OnehookError as error:
            mend = "start it (onehook serve), or say where it is: ONEHOOK_URL or --url"
            yield Finding("gateway", "wrong", error.detail, mend)
            return
        yield Finding("gateway", "ok", f"{url} answers")
        yield _clock(client, SystemClock().now())
        async for finding in _readiness(client):
            yield finding
        if missing is not None:
            yield Finding("API key", "wrong", missing, "set ONEHOOK_API_KEY")
            return
        try:
            platforms = await client.get("/v1/platforms")
        except (SettingsError, RefusedError) as error:
            mend = "set ONEHOOK_API_KEY to a key of this gateway that may read"
            yield Finding("API key", "wrong", error.detail, mend)
            return
        for check in (_scopes(client), _mappings(platforms), _integrations(client, platforms)):
            async for finding in check:
                yield finding
        async for finding in _subscriptions(client, send_tests=send_tests):
            yield finding


def _clock(client: Client, now: datetime) -> Finding:
    """How far the gateway's clock, by its Date header, is from ours."""
    if client.date is None:
        mend = "let no proxy take the header away"
        return Finding("clock", "warning", "the gateway's answer has no Date header", mend)
    skew = abs(now - client.date)
    seconds = round(skew.total_seconds())
    detail = f"this machine's and the gateway's are {seconds} s apart"
    if skew <= _SKEW:
        return Finding("clock", "ok", detail)
    mend = "let both keep time by NTP: senders' signatures and ours hold for minutes only"
    return Finding("clock", "wrong" if skew > _WRONG_SKEW else "warning", detail, mend)


_REASONS = {
    "starting": "wait until it has started",
    "stopping": "it is being stopped: start it again",
    "store_unavailable": "look after the store: ONEHOOK_REDIS_URL, or the gateway's log",
}


async def _readiness(client: Client) -> AsyncGenerator[Finding, None]:
    """What ``/readyz`` says."""
    said = await client.call("GET", "/readyz", checked=False)
    for reason in said["reasons"]:
        mend = _REASONS.get(reason, "the gateway's log says more")
        yield Finding("ready", "wrong", f"it takes no webhooks: {reason}", mend)
    if not said["reasons"]:
        yield Finding("ready", "ok", "it takes webhooks")
    for warning in said.get("details", ()):
        if warning["code"] != BROKEN:  # these are told of file by file
            yield Finding("ready", "warning", f"{warning['code']}: {warning['detail']}")
    match said.get("ack"):
        case "fsync":
            yield Finding("store", "ok", f"{said['store']}, and what is acknowledged is on disk")
        case "memory":
            detail = f"{said['store']}, and what is acknowledged may be lost when the machine fails"
            mend = "unset ONEHOOK_ACK, unless that is meant"
            yield Finding("store", "warning", detail, mend)
        case _:
            return


async def _scopes(client: Client) -> AsyncGenerator[Finding, None]:
    """What the key may do, found by asking for it without its being done."""
    yield Finding("API key", "ok", "it may read")
    for kind, body in (("integrations", {"type": _PROBE}), ("subscriptions", {})):
        what = f"API key, {kind}"
        try:
            await client.call("PUT", f"/v1/{kind}/{_PROBE}", body, {"dry_run": True})
        except RefusedError as error:
            if error.status == 403:
                mend = f"use another key to change {kind}"
                yield Finding(what, "warning", error.detail, mend)
                continue
        yield Finding(what, "ok", "it may change them")


async def _mappings(platforms: Any) -> AsyncGenerator[Finding, None]:
    """Which mapping files are broken."""
    for file in platforms["broken"]:
        first = file["problems"][0] if file["problems"] else None
        detail = file["detail"].splitlines()[0]
        if first is not None:
            place = f"{first['file']}:{first['line']}:{first['column']}"
            detail = f"{place}: {first['code']} {first['message']}"
        used = "an earlier text of it is in use" if file["platform"] else "nothing of it is in use"
        mend = f"mend the file, and try it: onehook mapping test {file['file']}"
        yield Finding(f"mapping {file['file']}", "wrong", f"{detail}; {used}", mend)
    for platform in platforms["data"]:
        if platform["status"] == "removed":
            mend = "put the file back, or remove the integrations that use it"
            yield Finding(f"mapping {platform['file']}", "warning", "the file is gone", mend)
    if not platforms["broken"]:
        yield Finding("mappings", "ok", f"{len(platforms['data'])} platforms")


async def _integrations(client: Client, platforms: Any) -> AsyncGenerator[Finding, None]:
    """Whether anybody may send, and whether what he sends can be understood."""
    types = {platform["type"] for platform in platforms["data"]}
    found = await client.listed("/v1/integrations")
    if not found:
        mend = "onehook integrations create type=<platform> secret=@secret.txt"
        yield Finding("integrations", "warning", "there is none, so nobody may send", mend)
    for one in found:
        what = f"integration {one['key'] or one['id']}"
        if one["type"] not in types:
            detail, mend = f"there is no mapping for {one['type']}", "put its mapping file back"
            yield Finding(what, "wrong", detail, mend)
        elif not one["active"]:
            mend = f"onehook integrations update {one['key'] or one['id']} active=true"
            yield Finding(what, "warning", "it is switched off", mend)
        elif one["verify"] == "none" and not one["allow_from"]:
            mend = "give it the vendor's secret, or name in allow_from who may send"
            yield Finding(what, "warning", "it takes what anybody sends: nothing proves who", mend)
        else:
            yield Finding(what, "ok", f"{one['type']} may send")


async def _subscriptions(client: Client, *, send_tests: bool) -> AsyncGenerator[Finding, None]:
    """How each subscription fares."""
    found = await client.listed("/v1/subscriptions")
    if not found:
        mend = "onehook subscriptions create url=https://… , or onehook listen"
        yield Finding("subscriptions", "warning", "there is none, so nobody gets events", mend)
    types: list[str] = []
    if send_tests:
        types = [one["type"] for one in (await client.get("/v1/event-types"))["data"]]
    for one in found:
        name = one["key"] or one["id"]
        stats = await client.get(path_of("subscriptions", one["id"]) + "/stats")
        wrong = list(_complaints(one, name, stats, SystemClock().now()))
        for finding in wrong:
            yield finding
        if not wrong:
            rate = stats["success_rate"]
            told = "no attempts yet" if rate is None else f"{rate:.1%} of attempts succeed"
            if rate is None and one["url"] and not send_tests:
                told += ", so nobody knows whether it can be reached: --send-tests tries it"
            yield Finding(_called(one, name), "ok", f"{one['status']}, {told}")
        if send_tests and one["url"]:
            yield await _tested(client, one, name, types)


def _complaints(one: Any, name: str, stats: Any, now: datetime) -> list[Finding]:
    """What is not as it should be."""
    what, found = _called(one, name), list[Finding]()
    backlog = stats["backlog"]
    if one["status"] == "paused":
        detail = f"it is paused ({one['paused_reason']}), and {backlog} deliveries wait"
        found.append(Finding(what, "wrong", detail, f"onehook subscriptions resume {name}"))
    elif one["breaker"] != "closed":
        detail = f"its breaker is {one['breaker']}: its receiver fails, and {backlog} wait"
        mend = f"onehook deliveries list --subscription {name} says how it fails"
        found.append(Finding(what, "wrong", detail, mend))
    elif stats["oldest_waiting_at"] is not None:
        waits = now - datetime.fromisoformat(stats["oldest_waiting_at"])
        if waits > _LATE:
            detail = f"{backlog} deliveries wait, the oldest for {round(waits.total_seconds())} s"
            mend = f"onehook deliveries list --status pending --subscription {name}"
            found.append(Finding(what, "warning", detail, mend))
    failures = stats["consecutive_failures"]
    if failures and not found:
        detail = "its last attempt failed"
        if failures > 1:
            detail = f"its last {failures} attempts failed"
        mend = f"onehook deliveries list --subscription {name} says how"
        found.append(Finding(what, "warning", detail, mend))
    dead = stats["deliveries"]["dead"]
    if dead:
        mend = f"onehook deliveries retry --status dead --subscription {name}"
        found.append(Finding(what, "warning", f"{dead} deliveries used up their attempts", mend))
    return found


def _called(one: Any, name: str) -> str:
    """A subscription as people know it: an id alone tells them nothing."""
    shown = f" ({one['name']})" if one["name"] and one["name"] != name else ""
    return f"subscription {name}{shown}"


async def _tested(client: Client, one: Any, name: str, types: list[str]) -> Finding:
    """What came of a test event of a type that the subscription wants."""
    what = f"test of {_called(one, name)}"
    wanted = [t for t in types if any(matches(pattern, t) for pattern in one["events"])]
    body = {"event_type": wanted[0] if wanted else types[0]}
    try:
        found = await client.call("POST", path_of("subscriptions", one["id"]) + "/test", body)
    except RefusedError as error:
        mend = "use a key that may change subscriptions"
        return Finding(what, "wrong", error.detail, mend if error.status == 403 else "")
    if found["delivered"]:
        return Finding(what, "ok", f"{found['status']} within {found['duration_ms']} ms")
    said = f"it answers {found['status']}" if found["status"] else found["error"]
    detail = ": ".join(filter(None, (said, found["detail"])))
    mend = f"look after the receiver, or change the URL: onehook subscriptions show {name}"
    return Finding(what, "wrong", detail, mend)
