"""Attempts in memory and on disk: none is dropped before its time."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from onehook.store import history as module
from onehook.store.archive import Archive
from onehook.store.attempts import AttemptRow, encode
from onehook.store.history import History
from onehook.store.keys import Keys
from tests.builders import NOW
from tests.store.test_events import KEEP

SUB = f"sub_{'1' * 26}"


@pytest.fixture
def chunk(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many attempts go to disk at once: few."""
    monkeypatch.setattr(module, "CHUNK", 10)
    monkeypatch.setattr(module, "LEAST", 5)
    return 10


def make(client: Any, keys: Keys, folder: Path, kept: int = 20, owner: str = "a") -> History:
    """A history that keeps so many attempts in memory."""
    keep = replace(KEEP, attempts=kept, history=timedelta(days=30))
    return History(client, keys, keep, Archive(folder), owner)


def row(number: int) -> AttemptRow:
    """An attempt of that number."""
    return AttemptRow(number, NOW, 5, 500, "status", None, "https://x", "v1,s", {}, "no")


async def attempt(client: Redis, keys: Keys, count: int) -> list[tuple[str, str]]:
    """Make attempts; their places."""
    places = []
    for number in range(count):
        fields: Any = {"e": f"evt_{number}", "a": encode(row(number))}
        position = await client.xadd(keys.attempts(SUB), fields)
        places.append((SUB, position.decode()))
    return places


async def test_oldest_attempts_go_to_disk(
    client: Redis, keys: Keys, tmp_path: Path, chunk: int
) -> None:
    """What is too much for memory is on disk, and every attempt is found wherever it is."""
    history = make(client, keys, tmp_path)
    places = await attempt(client, keys, 47)

    await history.trim([SUB])

    assert await client.xlen(keys.attempts(SUB)) == 27
    assert len(history.archive.files()) == 2
    found = await history.find(places)
    assert [found[place] for place in places] == [row(number) for number in range(47)]
    assert chunk == 10


async def test_few_attempts_stay(client: Redis, keys: Keys, tmp_path: Path, chunk: int) -> None:
    """What has room in memory stays there."""
    history = make(client, keys, tmp_path)
    await attempt(client, keys, 20 + chunk - 1)

    await history.trim([SUB])

    assert await client.xlen(keys.attempts(SUB)) == 29
    assert history.archive.files() == []


async def test_crash_between_disk_and_memory_doubles_nothing(
    client: Redis, keys: Keys, tmp_path: Path, chunk: int
) -> None:
    """Attempts that were written and not taken from memory are written again, as the same file."""
    history = make(client, keys, tmp_path)
    places = await attempt(client, keys, 35)
    kept = client.xtrim

    async def die(*_: object, **__: object) -> int:
        raise ConnectionError

    client.xtrim = die  # type: ignore[method-assign]
    await history.trim([SUB])
    assert await client.xlen(keys.attempts(SUB)) == 35
    client.xtrim = kept  # type: ignore[method-assign]

    await history.trim([SUB])

    assert len(history.archive.files()) == 1
    assert len(await history.find(places)) == 35
    assert await client.xlen(keys.attempts(SUB)) == 25


async def test_what_cannot_be_written_stays_in_memory(
    client: Redis, keys: Keys, tmp_path: Path, chunk: int
) -> None:
    """A disk that takes nothing costs memory, and no attempt."""
    blocked = tmp_path / "archive"
    blocked.write_text("a file where the folder should be")
    history = make(client, keys, blocked)
    await attempt(client, keys, 20 + 2 * chunk)

    await history.trim([SUB])

    assert await client.xlen(keys.attempts(SUB)) == 40


async def test_memory_that_runs_short_sends_more_to_disk(
    client: Redis, keys: Keys, tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store's memory is nearly full, only the latest attempts stay in it."""
    monkeypatch.setattr(module, "PRESSURE", 0.0)
    history = make(client, keys, tmp_path, kept=1000)
    places = await attempt(client, keys, 40)

    await history.trim([SUB])

    assert await client.xlen(keys.attempts(SUB)) < 5 + chunk
    assert len(await history.find(places)) == 40


async def test_one_gateway_archives(client: Redis, keys: Keys, tmp_path: Path, chunk: int) -> None:
    """As long as one gateway comes back to it, no other one archives."""
    one = make(client, keys, tmp_path / "one", owner="a")
    two = make(client, keys, tmp_path / "two", owner="b")
    for _ in range(3):
        await attempt(client, keys, 20 + chunk)
        await one.trim([SUB])
        await two.trim([SUB])
    assert one.archive.files()
    assert two.archive.files() == []

    await client.delete(keys.archivist)  # the first one is gone for good
    await attempt(client, keys, 20 + chunk)
    await two.trim([SUB])

    assert two.archive.files()


async def test_time_ends_what_is_on_disk(
    client: Redis, keys: Keys, tmp_path: Path, chunk: int
) -> None:
    """Archived attempts end with the history's time, like all others."""
    history = make(client, keys, tmp_path)
    history.archive.write(SUB, [("1000-0", "evt_a", row(1))])  # of 1970
    await attempt(client, keys, 20 + chunk)

    await history.trim([SUB])

    (file,) = history.archive.files()
    assert file.first != (1000, 0)
