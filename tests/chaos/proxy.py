"""A proxy between gateway and store, on loopback, that does to a connection what networks do."""

import asyncio
import random
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

DELAY = 0.05  # seconds that each piece waits where the line is slow
DROPPED = 0.1  # share of the replies that are lost
_PIECE = 1 << 16


class Line(Enum):
    """How the line is."""

    GOOD = auto()
    CUT = auto()  # what is open breaks, what is new is refused
    SLOW = auto()
    HALF_OPEN = auto()  # stays open, but nothing gets through
    DROPPING = auto()  # a command gets through and runs; its reply does not come, the line breaks


class StoreProxy:
    """A TCP port of 127.0.0.1 that leads to the unix socket of a store."""

    def __init__(self, socket: Path, chance: random.Random) -> None:
        self._socket, self._chance = socket, chance
        self._line = Line.GOOD
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.dropped = 0  # replies, so far

    @property
    def url(self) -> str:
        """What a gateway is given as its store."""
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Close the port and every connection."""
        assert self._server is not None
        self._server.close()
        self.cut()

    def become(self, line: Line) -> None:
        """From now on the line is like this; a line that swallowed something is cut first."""
        if line is Line.CUT or self._line is Line.HALF_OPEN:
            self.cut()
        self._line = line

    def cut(self) -> None:
        """Break every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._line is Line.CUT:
            writer.transport.abort()
            return
        try:
            replies, commands = await asyncio.open_unix_connection(self._socket)
        except OSError:  # the store is down
            writer.transport.abort()
            return
        ends = {writer, commands}
        self._open |= ends
        ways = [
            asyncio.create_task(self._pass(reader, commands)),
            asyncio.create_task(self._pass(replies, writer, replies=True)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.transport.abort()
        await asyncio.wait(ways)
        self._open -= ends

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool = False
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self._line is Line.HALF_OPEN:
                    continue
                if self._line is Line.SLOW:
                    await asyncio.sleep(DELAY)
                if self._line is Line.DROPPING and replies and self._chance.random() < DROPPED:
                    self.dropped += 1
                    return
                writer.write(piece)
                await writer.drain()
