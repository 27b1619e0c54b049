"""``/v1/deliveries.csv`` and ``.jsonl``: every delivery that a filter means, in flat memory."""

import csv
import io
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from onehook.api.deliveries import DeliveryOut, add_attempts, add_moments, show
from onehook.api.selection import DeliveryFilter, Selection, pages, resolve
from onehook.store.deliveries import DeliveryState
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, Operation
from onehook.web.streaming import stream

COLUMNS = tuple(name for name in DeliveryOut.model_fields if name != "attempts")
WITH_ATTEMPTS = 50  # deliveries in memory at once with their attempts and their event's JSON


class ExportQuery(DeliveryFilter):
    """Which deliveries to export."""


async def as_csv(call: Call[NoBody, ExportQuery]) -> web.StreamResponse:
    """Give a line of each delivery, newest first, under a line of column names."""
    parts = _csv(call.gateway, resolve(call.gateway, call.query))
    return await _download(call, "csv", "text/csv; charset=utf-8; header=present", parts)


async def as_jsonl(call: Call[NoBody, ExportQuery]) -> web.StreamResponse:
    """Give each delivery with its attempts as one JSON object a line, newest first."""
    parts = _jsonl(call.gateway, resolve(call.gateway, call.query))
    return await _download(call, "jsonl", "application/x-ndjson", parts)


async def _download(
    call: Call[NoBody, ExportQuery], suffix: str, content_type: str, parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="deliveries.{suffix}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return await stream(call.request, headers, parts)


_Chosen = list[tuple[DeliveryOut, DeliveryState]]


async def _chosen(gateway: Gateway, selection: Selection) -> AsyncIterator[_Chosen]:
    """What *selection* means, page by page."""
    async for rows in pages(gateway, selection, None):
        found = [
            (show(row, id_, state), state)
            for row in rows
            for id_, state in selection.chosen(row).items()
        ]
        if found:
            await add_moments(gateway, [delivery for delivery, _ in found])
            yield found


async def _csv(gateway: Gateway, selection: Selection) -> AsyncIterator[bytes]:
    yield _lines([COLUMNS])
    async for found in _chosen(gateway, selection):
        rows = [delivery.model_dump(mode="json") for delivery, _ in found]
        yield _lines([[row[name] for name in COLUMNS] for row in rows])


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    """Source: RFC 4180."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _jsonl(gateway: Gateway, selection: Selection) -> AsyncIterator[bytes]:
    reader = await gateway.history.reader()
    async for found in _chosen(gateway, selection):
        for at in range(0, len(found), WITH_ATTEMPTS):
            some = found[at : at + WITH_ATTEMPTS]
            events = await gateway.events.find_events([delivery.event_id for delivery, _ in some])
            batch = [
                (delivery, state, None if event is None else event[1])
                for (delivery, state), event in zip(some, events, strict=True)
            ]
            await add_attempts(gateway, batch, reader)
            yield "".join([d.model_dump_json() + "\n" for d, _, _ in batch]).encode()


OPERATIONS = (
    Operation("GET", "/v1/deliveries.csv", "exportDeliveriesCsv",
              "Export deliveries, a line each", as_csv, query=ExportQuery, content_type="text/csv",
              scopes=["subscriber"]),
    Operation("GET", "/v1/deliveries.jsonl", "exportDeliveriesJsonl",
              "Export deliveries with their attempts, a JSON object a line", as_jsonl,
              query=ExportQuery, content_type="application/x-ndjson", scopes=["subscriber"]),
)  # fmt: skip
