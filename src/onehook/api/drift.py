"""``/v1/platforms/{name}/drift``: where a platform's webhooks no longer fit its mapping."""

from datetime import datetime

from pydantic import BaseModel

from onehook.core.drift import Kind
from onehook.errors import NotFoundError
from onehook.store.drift import Seen
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation


class DriftQuery(Form):
    """Which kind to list."""

    kind: Kind | None = None


class DriftSample(BaseModel):
    """One of the webhooks: its id if it is kept, else its body's members and their JSON types."""

    webhook_id: str | None
    members: dict[str, str] | None


class DriftOut(BaseModel):
    """Something that does not fit, and how often.

    ``value``: an enum ``field`` became unknown, because no table names the source's ``value``.
    ``misfit``: an optional ``field`` became null, because what the source sends is of another type.
    ``ignored``, ``quarantined``: webhooks by ``reason`` and the vendor's ``event``; ``pointer`` is
    the required field that had no value.
    """

    kind: Kind
    field: str | None
    value: str | None
    reason: str | None
    event: str | None
    pointer: str | None
    count: int
    first_seen: datetime
    last_seen: datetime
    sample: DriftSample


class DriftList(BaseModel):
    """What does not fit, the last seen first; the list has one page.

    ``uncounted``: how many more there were of names that found no place in the list.
    """

    data: list[DriftOut]
    next: str | None
    uncounted: int


def _show(seen: Seen) -> DriftOut:
    kind, name, value, pointer = seen.oddity
    of_field = kind in ("value", "misfit")
    return DriftOut(
        kind=kind,
        field=name if of_field else None,
        value=value if kind == "value" else None,
        reason=None if of_field else name,
        event=None if of_field else value or None,
        pointer=pointer or None,
        count=seen.count,
        first_seen=seen.first_seen,
        last_seen=seen.last_seen,
        sample=DriftSample(webhook_id=seen.sample.webhook_id, members=seen.sample.members),
    )


def _platform(gateway: Gateway, name: str) -> str:
    """*name*, if there is such a platform.

    Raises:
        NotFoundError: there is none.
    """
    if name not in gateway.mappings:
        msg = f"there is no platform {name[:40]!r}; /v1/platforms lists them"
        raise NotFoundError(msg)
    return name


async def listing(call: Call[NoBody, DriftQuery]) -> DriftList:
    """List what does not fit a platform's mapping."""
    found, uncounted = await call.gateway.drift.read(_platform(call.gateway, call.path["name"]))
    kind = call.query.kind
    shown = [_show(seen) for seen in found if kind in (None, seen.oddity.kind)]
    return DriftList(data=shown, next=None, uncounted=uncounted)


async def clear(call: Call[NoBody, NoQuery]) -> None:
    """Count anew, after a mapping was mended."""
    await call.gateway.drift.clear(_platform(call.gateway, call.path["name"]))


OPERATIONS = (
    Operation("GET", "/v1/platforms/{name}/drift", "listDrift",
              "List what does not fit a platform's mapping", listing, query=DriftQuery,
              answer=DriftList, scopes=["ingest-admin"]),
    Operation("DELETE", "/v1/platforms/{name}/drift", "clearDrift",
              "Count anew what does not fit", clear, status=204, scopes=["ingest-admin"]),
)  # fmt: skip
