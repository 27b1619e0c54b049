"""Configuration as it is declared: PUT by key, the difference it makes, and the declaration itself.

What a body leaves out is at its default; only ``secret`` stays as it is. Whether a secret differs
is told here, where both lie open: neither it nor a digest of it leaves the gateway.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from onehook.api import integrations, subscriptions
from onehook.api.integrations import IntegrationIn, IntegrationOut, Key, check_key
from onehook.api.subscription_forms import SubscriptionIn, SubscriptionOut, show
from onehook.api.subscription_outlets import refuse_field, warnings_of
from onehook.api.views import (
    View,
    differences,
    integration_declaration,
    integration_view,
    subscription_declaration,
    subscription_view,
)
from onehook.core.flow import CLEAR
from onehook.core.profiles.headers import HIDDEN
from onehook.errors import NotFoundError
from onehook.store.records import IntegrationRecord, SubscriptionRecord
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation

Result = Literal["created", "changed", "unchanged"]
# What saving decides, or the gateway: not what a declaration says.
_KEPT = frozenset({"id", "created_at", "updated_at", "paused_reason"})


class DeclaredQuery(Form):
    """``dry_run``: change nothing, and answer as if it had been."""

    dry_run: bool = False


class DeclaredSubscriptionQuery(DeclaredQuery):
    """``assume``: keys of integrations, with commas between, that will be there by then.

    Only with ``dry_run``.
    """

    assume: str = ""


class ChangeOut(BaseModel):
    """One field that differs. The value of a secret is never shown: both are ``***`` then."""

    pointer: str
    before: Any
    after: Any


class DeclaredIntegration(IntegrationOut):
    """The integration, and what declaring it changed; with ``dry_run`` a new one has no id yet."""

    result: Result
    changes: list[ChangeOut]


class DeclaredSubscription(SubscriptionOut):
    """The subscription, and what declaring it changed; with ``dry_run`` a new one has no id yet.

    ``secret`` only where one was made.
    """

    result: Result
    changes: list[ChangeOut]


class DeclarationOut(BaseModel):
    """What declares a thing: its fields that are not at their defaults.

    ``secrets`` point to the values that are not shown.
    """

    fields: dict[str, Any]
    secrets: list[str]


async def declare_integration(
    call: Call[IntegrationIn, DeclaredQuery],
) -> DeclaredIntegration | web.Response:
    """Make an integration of that key, or have it as the body says and no other.

    Raises:
        InvalidRequestError: 422, also for another ``type``: an integration keeps its own.
    """
    gateway, name, registry = call.gateway, call.path["id"], call.gateway.registry
    over = _find_integration(gateway, name)
    if over is not None and call.body.type != over.type:
        detail = f"is {over.type}: remove the integration first, or use another key"
        refuse_field("/type", detail)
    key = _key(name, call.body.key, over)
    record = integrations.new_record(gateway, call.body.model_copy(update={"key": key}), over)
    check_key(registry, key, record.id)
    before = None if over is None else integration_view(gateway, over)
    result, changes = _compare(before, integration_view(gateway, record), call.body)
    _count_guess(gateway, record.id, changes, dry_run=call.query.dry_run)
    if result != "unchanged" and not call.query.dry_run:
        if over is None:
            await integrations.add(registry, record)
        else:
            await registry.replace("integrations", over, record)
    shown = integrations.show(gateway, record if result != "unchanged" or not over else over)
    answer = DeclaredIntegration(**dict(shown), result=result, changes=changes)
    return _answered(answer, "integrations", dry_run=call.query.dry_run)


async def declare_subscription(
    call: Call[SubscriptionIn, DeclaredSubscriptionQuery],
) -> DeclaredSubscription | web.Response:
    """Make a subscription of that key, or have it as the body says and no other."""
    gateway, body, query, name = call.gateway, call.body, call.query, call.path["id"]
    over = _find_subscription(gateway, name)
    key = _key(name, body.key, over)
    given = subscriptions.given_fields(body)
    record, secret = subscriptions.new_record(
        gateway, body.model_copy(update={"key": key}), given, over, _assumed(query)
    )
    check_key(gateway.registry, key, record.id)
    before = None if over is None else subscription_view(gateway, over)
    result, changes = _compare(before, subscription_view(gateway, record), body)
    _count_guess(gateway, record.id, changes, dry_run=query.dry_run)
    if result == "unchanged" and over is not None:
        record = over
    elif not query.dry_run:
        record = await _save(gateway, record, over)
    (gate,) = [CLEAR] if over is None else await gateway.deliveries.gates([record.id])
    shown = show(gateway.registry, record, gate, gateway.clock.now())
    made = over is None and not body.secret and not query.dry_run
    told: dict[str, Any] = {"secret": secret} if made else {}
    registry = gateway.registry
    told |= warnings_of(given, target=registry.target(record), snapshot=registry.snapshot)
    named = shown.model_dump(exclude_unset=True) | told
    answer = DeclaredSubscription(**named, result=result, changes=changes)
    return _answered(answer, "subscriptions", dry_run=query.dry_run)


Declared = TypeVar("Declared", DeclaredIntegration, DeclaredSubscription)


def _answered(answer: Declared, kind: str, *, dry_run: bool) -> Declared | web.Response:
    """RFC 9110 §9.3.4: a PUT that makes something is answered 201."""
    made = answer.result == "created" and not dry_run
    if not made:
        return answer
    text = answer.model_dump_json(exclude_unset=True).encode()
    headers = {"Location": f"/v1/{kind}/{answer.id}"}
    return web.Response(status=201, body=text, content_type="application/json", headers=headers)


def _assumed(query: DeclaredSubscriptionQuery) -> Collection[str]:
    """The keys that are to be taken for there.

    Raises:
        InvalidRequestError: there is nothing to be assumed where it is saved.
    """
    if query.assume and not query.dry_run:
        detail = "is only for dry_run=true: name integrations that are there"
        refuse_field("/assume", detail)
    return frozenset(query.assume.split(",")) - {""}


async def _save(
    gateway: Gateway, record: SubscriptionRecord, over: SubscriptionRecord | None
) -> SubscriptionRecord:
    if over is None:
        await subscriptions.add(gateway.registry, record)
        return record
    targets = gateway.registry.snapshot.targets
    is_moved = gateway.registry.target(record).url != targets[over.id].url
    changes = {name: getattr(record, name) for name in record.__struct_fields__}
    saved = await subscriptions.save(
        gateway, over, **{name: changes[name] for name in changes.keys() - _KEPT}
    )
    if is_moved:  # what failed was the old one, which nobody knows any more
        await gateway.deliveries.resume(over.id)
    return saved


def _find_integration(gateway: Gateway, name: str) -> IntegrationRecord | None:
    try:
        return integrations.get_record(gateway.registry.snapshot, name)
    except NotFoundError:
        return None


def _find_subscription(gateway: Gateway, name: str) -> SubscriptionRecord | None:
    try:
        return subscriptions.get_record(gateway.registry.snapshot, name)
    except NotFoundError:
        return None


def _key(
    name: str, given: str | None, over: IntegrationRecord | SubscriptionRecord | None
) -> str | None:
    """The key that holds: of what is there its own, unless another one is *given*.

    Raises:
        InvalidRequestError: *name* can be no key, or the body names another one.
    """
    if over is not None:
        return given or over.key
    try:
        key: str = TypeAdapter(Key).validate_python(name)
    except ValidationError:
        detail = "is 1 to 64 letters, digits, _, . and -, and begins with a letter or digit"
        refuse_field("/key", detail)
    if given is not None and given != key:
        detail = f"is not the one of the path, {key!r}"
        refuse_field("/key", detail)
    return key


def _compare(
    before: View | None, after: View, body: IntegrationIn | SubscriptionIn
) -> tuple[Result, list[ChangeOut]]:
    """What becomes of it, and what differs; of a new one what *body* gives."""
    if before is None:
        found = differences(View({}, {}), after.only(body.model_fields_set))
    else:
        found = differences(before, after)
    changes = [ChangeOut(pointer=c.pointer, before=c.before, after=c.after) for c in found]
    return "created" if before is None else "changed" if changes else "unchanged", changes


def _count_guess(
    gateway: Gateway, id_: str, changes: Sequence[ChangeOut], *, dry_run: bool
) -> None:
    """Count a secret that was asked about and is another one than *id_* has.

    A dry run leaves no trace, and tells whether a secret is the right one: what may write secrets
    must not find out by it what they are. To set a secret is no guess, it ends what is guessed at.

    Raises:
        RateLimitedError: 429, there were too many.
    """
    if dry_run and any(change.before == change.after == HIDDEN for change in changes):
        gateway.secret_guesses.count(id_, asyncio.get_running_loop().time())


async def integration_as_declared(call: Call[NoBody, NoQuery]) -> DeclarationOut:
    """Show what declares an integration."""
    record = integrations.get_record(call.gateway.registry.snapshot, call.path["id"])
    return _declaration(integration_declaration(call.gateway, record))


async def subscription_as_declared(call: Call[NoBody, NoQuery]) -> DeclarationOut:
    """Show what declares a subscription.

    Raises:
        InvalidRequestError: 422, it could not be declared as it is: its destination is gone.
    """
    record = subscriptions.get_record(call.gateway.registry.snapshot, call.path["id"])
    return _declaration(subscription_declaration(call.gateway, record))


def _declaration(view: View) -> DeclarationOut:
    return DeclarationOut(fields=dict(view.fields), secrets=sorted(view.secrets))


_INTEGRATION = "/v1/integrations/{id}"
_SUBSCRIPTION, _SUBSCRIPTION_TOO = subscriptions.aliased("/{id}")
_DECLARATION, _DECLARATION_TOO = subscriptions.aliased("/{id}/declaration")
OPERATIONS = (
    Operation("PUT", _INTEGRATION, "declareIntegration",
              "Make an integration of that key, or have it as the body says", declare_integration,
              body=IntegrationIn, query=DeclaredQuery, answer=DeclaredIntegration,
              problems=(409,), creates=True, scopes=["ingest-admin"]),
    Operation("PUT", _SUBSCRIPTION, "declareSubscription",
              "Make a subscription of that key, or have it as the body says", declare_subscription,
              body=SubscriptionIn, query=DeclaredSubscriptionQuery, answer=DeclaredSubscription,
              problems=(409,), aliases=_SUBSCRIPTION_TOO, creates=True,
              scopes=["subscriber"]),
    Operation("GET", _INTEGRATION + "/declaration", "getIntegrationDeclaration",
              "Show what declares an integration", integration_as_declared,
              answer=DeclarationOut, scopes=["ingest-admin"]),
    Operation("GET", _DECLARATION, "getSubscriptionDeclaration",
              "Show what declares a subscription", subscription_as_declared,
              answer=DeclarationOut, aliases=_DECLARATION_TOO, scopes=["subscriber"]),
)  # fmt: skip
