"""Ten times what a gateway can take."""

from pathlib import Path

import pytest

from tests.chaos.overload import run_overload


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_b7_ten_times_overload_is_shed(tmp_path: Path) -> None:
    """429 or 503 with Retry-After, /healthz answers, its memory has a ceiling; then it recovers."""
    burst = await run_overload(tmp_path, 10)

    print(burst)
    assert burst.faulty() == []
