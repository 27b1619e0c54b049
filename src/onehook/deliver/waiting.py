"""Waiting for the first of several things."""

import asyncio


async def first_of(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of *events* is set, or that many *seconds*."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
