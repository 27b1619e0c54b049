"""A store that comes back empty heals without a restart."""

from pathlib import Path

from tests.chaos.emptied import run_emptied


async def test_d1_a_store_that_comes_back_empty_heals(tmp_path: Path) -> None:
    """What it held is lost, and counted; what is promised afterwards arrives."""
    found = await run_emptied(tmp_path, "short", 400)

    print(found)
    assert found.faulty() == []
