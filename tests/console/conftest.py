"""A visitor of the console of a running gateway."""

from collections.abc import AsyncIterator

import pytest

from tests.builders import Running
from tests.conftest import StartSubscriber
from tests.console.browsing import Browser
from tests.console.traffic import Traffic, send_traffic


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


@pytest.fixture
async def traffic(gateway: Running, start_subscriber: StartSubscriber) -> Traffic:
    """A gateway with something to look at."""
    return await send_traffic(gateway, await start_subscriber(), await start_subscriber())
