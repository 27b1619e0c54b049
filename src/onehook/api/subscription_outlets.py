"""What a body of ``/v1/subscriptions`` says of the way out: checked, then sealed for the store."""

import secrets as random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from onehook.api.defaults import defaults_of
from onehook.api.subscription_forms import AuthIn, WarningOut
from onehook.core.addresses import check_url
from onehook.core.destinations.checks import check_choices, secret_warning
from onehook.core.destinations.document import Destination, find_destination
from onehook.core.destinations.outlets import Auth, Choices, shown_url
from onehook.core.durations import parse_duration
from onehook.core.mapping.problems import nearest
from onehook.core.model import Subscription
from onehook.core.profiles.outlet import MAX_BODY
from onehook.core.profiles.secrets import make_secret, standard_form, standard_key
from onehook.core.profiles.table import DEFAULT_DESTINATION
from onehook.core.routing import overlap
from onehook.errors import AddressError, ConflictError, FieldError, InvalidRequestError
from onehook.store.outlets import open_choices, seal_choices
from onehook.store.records import SubscriptionRecord
from onehook.store.snapshot import Snapshot
from onehook.web.gateway import Gateway

SECRET_BYTES = 32
_NAMED = 3  # subscriptions, in a warning
_LONGEST_OVERLAP = timedelta(days=30)
Fields = Mapping[str, Any]  # of a body, by name: those that were given

# What each kind of auth takes: the field of its name, if it has one, and that of its secret.
AUTH_FIELDS: Mapping[str, tuple[str | None, str]] = {
    "bearer": (None, "token"),
    "basic": ("username", "password"),
    "header": ("name", "value"),
}
# Fields that null clears or sets back, and what to.
_NULLS: Fields = {
    "profile": None,
    "prefix": None,
    "type_names": None,
    "body_template": None,
    "include_raw": False,
    "max_body_bytes": MAX_BODY,
}


def new_outlet(
    gateway: Gateway, given: Fields, over: SubscriptionRecord | None = None
) -> tuple[Choices, Destination]:
    """What a new subscription chooses, and its destination.

    *over* is the one that it replaces, whose secret stays if none is given, or the same.

    Raises:
        InvalidRequestError: 422, with a pointer to each thing wrong.
        AddressError: the URL may not be called.
    """
    destination = _destination(gateway, given) or _destination(
        gateway, {"destination": defaults_of(gateway).destination}
    )
    if over is not None:
        return _replaced(gateway, over, destination, given)
    secret = given.get("secret") or make_secret(random.token_bytes(SECRET_BYTES))
    return _changed(gateway, Choices("", secret, events=()), destination, given)


def _replaced(
    gateway: Gateway, over: SubscriptionRecord, destination: Destination | None, given: Fields
) -> tuple[Choices, Destination]:
    """What takes the place of *over*: *given* over the defaults, and the secrets that stay."""
    held = open_choices(over.id, over, gateway.registry.sealer)
    if over.sealed_url is not None and given.get("url") == over.url:
        refuse_field("/url", "is what the hidden one is shown as: send it whole")
    wanted = Choices("", given.get("secret") or held.secret, events=())
    made, found = _changed(gateway, wanted, destination, given)
    if not _same_secret(made, held, found):
        return made, found
    kept = replace(made, secret=held.secret, old_secret=held.old_secret, old_until=held.old_until)
    check_choices(kept, found)
    return kept, found


def _same_secret(made: Choices, held: Choices, destination: Destination) -> bool:
    """Whether both sign alike: the same text, or two ways to write the same bytes."""
    key = made.profile_to(destination).key
    try:
        return made.secret == held.secret or key(made.secret) == key(held.secret)
    except ValueError:  # the one before is none for this profile
        return False


def changed_outlet(
    gateway: Gateway, record: SubscriptionRecord, given: Fields
) -> tuple[Choices, Destination]:
    """What *record* chooses once *given* is changed, and its destination.

    Raises:
        InvalidRequestError: 422, with a pointer to each thing wrong.
        AddressError: the URL may not be called.
    """
    choices = open_choices(record.id, record, gateway.registry.sealer)
    destination = _destination(gateway, given)
    if destination is None:
        destination = _destination(gateway, {"destination": record.destination})
    elif destination.name != record.destination:
        choices = _redirected(choices, destination)
    if "secret" in given:
        if given["secret"] is None:
            refuse_field("/secret", "cannot be null; rotate-secret makes a new one")
        choices = replace(choices, secret=given["secret"], old_secret=None, old_until=None)
    return _changed(gateway, choices, destination, given)


def rotated_outlet(
    gateway: Gateway,
    record: SubscriptionRecord,
    secret: str | None,
    overlap: str | None,
    now: datetime,
) -> tuple[Choices, Destination]:
    """What *record* chooses with a new *secret*, the old one kept for *overlap* from *now* on.

    Raises:
        ConflictError: a rotation is under way, and this one would cut it short.
        InvalidRequestError: 422, the secret or the overlap cannot be used.
    """
    choices = open_choices(record.id, record, gateway.registry.sealer)
    destination = _destination(gateway, {"destination": record.destination})
    assert destination is not None  # noqa: S101 named just now
    kept = _overlap(overlap, choices.profile_to(destination).overlap)
    if kept and choices.old_until is not None and choices.old_until > now:
        until = choices.old_until.isoformat()
        msg = f'a rotation is under way until {until}: wait, or send overlap "0s" to end it'
        raise ConflictError(msg)
    changed = replace(
        choices,
        secret=secret or make_secret(random.token_bytes(SECRET_BYTES)),
        old_secret=choices.secret if kept else None,
        old_until=now + kept if kept else None,
    )
    check_choices(changed, destination)
    return changed, destination


def sealed_fields(
    gateway: Gateway, id_: str, choices: Choices, destination: Destination
) -> dict[str, Any]:
    """*choices* as fields of the record of *id_*."""
    return seal_choices(id_, choices, destination, gateway.registry.sealer)


def answered_secret(choices: Choices, destination: Destination) -> str:
    """The secret in the form that libraries for its profile take."""
    standard = choices.profile_to(destination).key is standard_key
    return standard_form(choices.secret) if standard else choices.secret


def warnings_of(
    given: Fields, *, target: Subscription | None = None, snapshot: Snapshot | None = None
) -> dict[str, list[WarningOut]]:
    """The field ``warnings`` of an answer; nothing where there is nothing to warn of.

    *target* is the subscription as it is now, to be compared with the others of *snapshot*.
    """
    found: list[WarningOut] = []
    weak = secret_warning(given["secret"]) if given.get("secret") else None
    if weak is not None:
        found.append(WarningOut(pointer=weak.pointer, detail=weak.detail))
    if target is not None and snapshot is not None:
        twice = [id_ for id_, one in snapshot.targets.items() if overlap(target, one)]
        if twice:
            ids = ", ".join(twice[:_NAMED]) + (" and others" if len(twice) > _NAMED else "")
            detail = f"is sent some of the same events by {ids} already"
            found.append(WarningOut(pointer="/url", detail=detail))
    return {"warnings": found} if found else {}


def _destination(gateway: Gateway, given: Fields) -> Destination | None:
    """The destination that a body names; the default one for null, None if it names none.

    Raises:
        InvalidRequestError: there is none of that name.
    """
    fields = [name for name in ("destination", "type") if name in given]
    if not fields:
        return None
    names = {given[name] or defaults_of(gateway).destination for name in fields}
    if len(names) > 1:
        refuse_field("/type", "is another name for destination, and says something else")
    (name,) = names
    destinations = gateway.registry.destinations
    found = find_destination(destinations, name)
    if found is None:
        detail = f"there is no destination {name[:40]!r}; {nearest(name, destinations)}"
        refuse_field(f"/{fields[0]}", detail)
    return found


def _changed(
    gateway: Gateway, choices: Choices, destination: Destination | None, given: Fields
) -> tuple[Choices, Destination]:
    """*choices* with *given* over them, checked."""
    assert destination is not None  # noqa: S101 whoever names none gets the default
    changes: dict[str, Any] = {
        name: default if given[name] is None else given[name]
        for name, default in _NULLS.items()
        if name in given
    }
    if "settings" in given:
        changes["settings"] = _merged(choices.settings, given["settings"])
    if "headers" in given:
        changes["headers"] = _merged_headers(choices.headers, given["headers"])
    if "auth" in given:
        changes["auth"] = _auth(given["auth"])
    if "events" in given or not choices.events:
        events = given.get("events") or destination.events or ("*",)
        changes["events"] = tuple(dict.fromkeys(events))
    if "url" in given or not choices.url:
        changes["url"] = _url(given.get("url"), choices, destination)
    changed = _settled(gateway, replace(choices, **changes), destination)
    pulls = not changed.url and given.get("url") is None
    if not pulls and ("url" in changes or "destination" in given or "type" in given):
        _check_url(gateway, changed.url, destination)
    check_choices(changed, destination)
    return changed, destination


def _redirected(choices: Choices, destination: Destination) -> Choices:
    """*choices* on their way to another *destination*: what its file says counts anew."""
    says = destination.defaults
    return replace(
        choices,
        settings={},  # they were the other one's
        profile=None if says.profile else choices.profile,
        prefix=None if says.prefix else choices.prefix,
        type_names=None if says.type_names else choices.type_names,
    )


def _settled(gateway: Gateway, choices: Choices, destination: Destination) -> Choices:
    """*choices* with the tenant's defaults where neither they nor the destination say.

    They are kept as they are now, so that another default later changes no receiver's requests.
    """
    own, says = defaults_of(gateway), destination.defaults
    profile = choices.profile or (None if says.profile else own.profile)
    prefix = choices.prefix or (None if says.prefix else own.prefix)
    return replace(choices, profile=profile, prefix=prefix)


def _merged(before: Mapping[str, str], given: Mapping[str, str | None] | None) -> dict[str, str]:
    """RFC 7396: null removes, as for a member so for the whole."""
    found = {} if given is None else {**before, **given}
    return {name: value for name, value in found.items() if value is not None}


def _merged_headers(
    before: Mapping[str, str], given: Mapping[str, str | None] | None
) -> dict[str, str]:
    """The same, for names without case; two spellings in one body are left for the check."""
    said = {name.lower() for name in given or ()}
    return _merged({n: v for n, v in before.items() if n.lower() not in said}, given)


def _auth(given: AuthIn | None) -> Auth | None:
    """What *given* says.

    Raises:
        InvalidRequestError: a field is missing, or not one of its type.
    """
    if given is None:
        return None
    name_field, secret_field = AUTH_FIELDS[given.type]
    taken = {name for name in (name_field, secret_field) if name is not None}
    errors = [
        FieldError(f"/auth/{name}", f"is needed for the type {given.type}")
        for name in sorted(taken)
        if getattr(given, name) is None
    ]
    errors += [
        FieldError(f"/auth/{name}", f"is not for the type {given.type}")
        for name in sorted(given.model_fields_set - taken - {"type"})
    ]
    if errors:
        detail = f"auth is wrong: {errors[0].pointer} {errors[0].detail}"
        raise InvalidRequestError(detail, errors=errors)
    name = None if name_field is None else str(getattr(given, name_field))
    return Auth(given.type, name, str(getattr(given, secret_field)))


def _url(given: str | None, choices: Choices, destination: Destination) -> str:
    """The URL that holds; empty for a subscription that pulls.

    Raises:
        InvalidRequestError: none is given and the destination needs one, or it is a hidden one.
    """
    url = destination.url.default if given is None else given
    if url is None and destination.name == DEFAULT_DESTINATION:
        return ""  # nothing is sent: it pulls
    if url is None:
        refuse_field("/url", f"is missing: {destination.name} has no URL of its own")
    if choices.url and url == shown_url(choices.url):
        refuse_field("/url", "is what the hidden one is shown as: send it whole, or leave it out")
    return url


def _check_url(gateway: Gateway, url: str, destination: Destination) -> None:
    settings = gateway.settings
    try:
        check_url(url, settings.delivery_allow, destination.url.schemes, settings.delivery_ports)
    except AddressError as error:
        raise AddressError(error.detail, errors=[FieldError("/url", error.detail)]) from None


def _overlap(text: str | None, usual: timedelta) -> timedelta:
    found = usual if text is None else parse_duration(text)
    if found is None or found > _LONGEST_OVERLAP:
        refuse_field("/overlap", "is a duration up to 30d, such as 24h or 0s")
    return found


def refuse_field(pointer: str, detail: str) -> NoReturn:
    """Refuse a field.

    Raises:
        InvalidRequestError: always.
    """
    sentence = f"{pointer} {detail}"
    raise InvalidRequestError(sentence, errors=[FieldError(pointer, detail)])
