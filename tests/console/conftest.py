"""A visitor of the console of a running gateway."""

from collections.abc import AsyncIterator

import pytest

from tests.builders import Running
from tests.console.browsing import Browser


@pytest.fixture
async def stranger(gateway: Running) -> AsyncIterator[Browser]:
    """Somebody who has not signed in."""
    browser = Browser(gateway)
    async with browser.session:
        yield browser


@pytest.fixture
async def browser(stranger: Browser) -> Browser:
    """Somebody who signed in with the first key."""
    shown = await stranger.sign_in()
    assert shown.status == 200, shown.text
    return stranger
