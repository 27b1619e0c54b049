"""A subscription's log, whose rows hold one delivery or several."""

import pytest

from onehook.store import logs
from onehook.store.connection import StoreClient
from onehook.store.events import IndexEntry
from onehook.store.keys import Keys

ROWS = [3, 1, 0, 5, 1, 2]  # deliveries of each row; 0: one as a commit writes it


@pytest.fixture
async def log(client: StoreClient, keys: Keys) -> str:
    """A log with `ROWS`."""
    name, made = keys.log("sub_1"), 0
    for row, count in enumerate(ROWS, start=1):
        several = [f"evt_{made + n} scm.issue.opened int_1" for n in range(count)]
        fields = {"m": "\n".join(several)}
        if not count:
            fields = {"e": f"evt_{made}", "t": "scm.issue.opened", "i": "int_1"}
        await client.xadd(name, fields, id=f"{row}000-0")  # type: ignore[arg-type]
        made += max(count, 1)
    return name


async def page(client: StoreClient, log: str, before: str | None, count: int) -> list[IndexEntry]:
    """Up to *count* of the log, newest first."""
    return await logs.newest(client, log, "-", "+", before, count)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 13, 14])
async def test_pages_of_any_size_make_up_the_whole(
    client: StoreClient, log: str, size: int
) -> None:
    """Newest first, none twice, none left out; a page that is not full is the last."""
    found: list[IndexEntry] = []
    before: str | None = None
    while len(part := await page(client, log, before, size)) == size:
        found += part
        before = part[-1].position
    found += part

    assert [one.event_id for one in found] == [f"evt_{n}" for n in reversed(range(13))]
    assert {one.integration_id for one in found} == {"int_1"}
    assert len({one.position for one in found}) == 13


async def test_a_cursor_of_a_row_that_has_gone(client: StoreClient, log: str) -> None:
    """Trimmed since, or never there: what is older follows."""
    assert [one.event_id for one in await page(client, log, "2500-0.7", 3)] == [
        "evt_3",
        "evt_2",
        "evt_1",
    ]
    assert len(await page(client, log, "1000-0.99", 9)) == 3


async def test_only_some_rows(client: StoreClient, log: str) -> None:
    """From a first to a last one."""
    found = await logs.newest(client, log, "2000-0", "(4000-0", None, 9)  # type: ignore[arg-type]
    assert [one.event_id for one in found] == ["evt_4", "evt_3"]


@pytest.mark.parametrize(("number", "found"), [(0, True), (4, True), (9, True), (12, False)])
async def test_one_is_found_by_its_event(
    client: StoreClient, log: str, number: int, found: bool
) -> None:
    """Among the rows that are asked for."""
    entry = await logs.find(client, log, f"evt_{number}", "1000-0", "5000")  # type: ignore[arg-type]
    assert (entry is not None) == found
    assert entry is None or entry.event_id == f"evt_{number}"
