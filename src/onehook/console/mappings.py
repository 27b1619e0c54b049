"""``/console/mappings``: each platform's file, what it covers, and where webhooks do not fit it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.console.filters import given, says
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit
from onehook.core.mapping.coverage import Coverage, coverage


@dataclass(frozen=True, slots=True)
class PlatformRow:
    """A platform, and how many integrations use it."""

    platform: Any
    integrations: int


@dataclass(frozen=True, slots=True)
class MappingsPage:
    """Platforms, and the files that are broken. *total*: of platforms, those not shown included."""

    title: str
    filters: Mapping[str, str]
    total: int
    rows: Sequence[PlatformRow]
    broken: Sequence[Any]


async def listing(visit: Visit) -> Outcome:
    """Every platform, or those that the filter means."""
    filters = given(visit.query, "q")
    answer = await visit.call("listPlatforms")
    records = visit.gateway.registry.snapshot.integrations.values()
    types = [one.type for one in records]
    platforms = answer["data"]
    rows = [
        PlatformRow(one, types.count(one["type"]))
        for one in platforms
        if says(filters.get("q", ""), one["type"])
    ]
    page = MappingsPage("Mappings", filters, len(platforms), rows, answer["broken"])
    return Page("mappings.html", page)


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """What the rules fill of one event type; *share*: of the fields it has, in percent."""

    coverage: Coverage
    share: int


@dataclass(frozen=True, slots=True)
class MappingPage:
    """One platform. *lines*: its file, as it is in use."""

    title: str
    platform: Any
    tab: str
    lines: Sequence[str]
    coverage: Sequence[CoverageRow]
    drift: Sequence[Any]
    uncounted: int


async def show(visit: Visit) -> Outcome:
    """A platform's file."""
    return await _page(visit, "file")


async def covered(visit: Visit) -> Outcome:
    """What a platform's rules fill."""
    return await _page(visit, "coverage")


async def drift(visit: Visit) -> Outcome:
    """Where a platform's webhooks do not fit."""
    return await _page(visit, "drift")


async def _page(visit: Visit, tab: str) -> Page:
    name = visit.path["name"]
    found = await visit.call("listDrift", {"name": name})
    answer: Mapping[str, Any] = await visit.call("listPlatforms")
    platform = next(one for one in answer["data"] if one["type"] == name)
    mapping = visit.gateway.mappings[name].mapping
    page = MappingPage(
        title=name,
        platform=platform,
        tab=tab,
        lines=mapping.source.text.splitlines() if tab == "file" else (),
        coverage=[_row(one) for one in coverage(mapping)] if tab == "coverage" else (),
        drift=found["data"],
        uncounted=found["uncounted"],
    )
    return Page("mapping.html", page)


def _row(one: Coverage) -> CoverageRow:
    known = len(one.filled) + len(one.partly) + len(one.never)
    return CoverageRow(one, 100 * (len(one.filled) + len(one.partly)) // max(known, 1))


async def clear(visit: Visit) -> Outcome:
    """Count anew what does not fit."""
    name = visit.path["name"]
    await visit.call("clearDrift", {"name": name})
    return Redirect(f"{PATH}/mappings/{name}/drift", "It is counted anew.")
