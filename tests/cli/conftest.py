"""Commands, run beside a gateway."""

from pathlib import Path

import pytest

from tests.builders import API_KEY, Running
from tests.cli.applying import Applying


@pytest.fixture
def applying(
    gateway: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Applying:
    """A folder beside a gateway, whose key the commands know."""
    monkeypatch.setenv("ONEHOOK_API_KEY", API_KEY)
    return Applying(gateway, tmp_path, capsys)
