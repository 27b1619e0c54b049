"""A proxy between gateway and store, on loopback, that does to a connection what networks do."""

import asyncio
import random
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

DROPPED = 0.1  # share of the replies that are lost
_PIECE = 1 << 16
_KEYLESS = frozenset(b"HELLO AUTH SELECT CLIENT PING INFO CONFIG TIME SCRIPT".split())


class Line(Enum):
    """How the line is."""

    GOOD = auto()
    CUT = auto()  # what is open breaks, what is new is refused
    SLOW = auto()
    VERY_SLOW = auto()
    CRAWLING = auto()
    HALF_OPEN = auto()  # stays open, but nothing gets through
    MUTE = auto()  # scripts get through and run; nothing comes back, and nobody is told
    MOVED = auto()  # whoever answers there says that the key lies elsewhere
    DROPPING = auto()  # a command gets through and runs; its reply does not come, the line breaks


_DELAYS = {
    Line.SLOW: 0.05,
    Line.VERY_SLOW: 0.1,
    Line.CRAWLING: 0.25,
}  # seconds that each piece waits


class StoreProxy:
    """A TCP port of 127.0.0.1 that leads to the unix socket of a store."""

    def __init__(self, socket: Path, chance: random.Random) -> None:
        self._socket, self._chance = socket, chance
        self._line = Line.GOOD
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

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
        while self._open:
            self.cut()
            await asyncio.sleep(0.01)

    def become(self, line: Line) -> None:
        """From now on the line is like this; a line that swallowed something is cut first."""
        if Line.MOVED in (line, self._line):
            self.cut()  # commands are told apart from the start of a connection only
        elif line is Line.CUT or self._line in (Line.HALF_OPEN, Line.MUTE):
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
        scripts = asyncio.Event()  # one was sent while the line was mute
        if self._line is Line.MOVED:
            way = self._send_away(reader, commands, writer)
        else:
            way = self._send(reader, commands, scripts)
        ways = [
            asyncio.create_task(way),
            asyncio.create_task(self._reply(replies, writer, scripts)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.transport.abort()
        await asyncio.wait(ways)
        self._open -= ends

    async def _send(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scripts: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self._line is Line.HALF_OPEN:
                    continue
                if self._line is Line.MUTE and b"EVALSHA" in piece:
                    scripts.set()
                await self._pass(piece, writer)

    async def _send_away(
        self,
        reader: asyncio.StreamReader,
        commands: asyncio.StreamWriter,
        replies: asyncio.StreamWriter,
    ) -> None:
        """Answer every command that has a key with MOVED."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                name, command = await _read_command(reader)
                if name in _KEYLESS:
                    commands.write(command)
                    await commands.drain()
                else:
                    replies.write(b"-MOVED 3999 127.0.0.1:1\r\n")
                    await replies.drain()

    async def _reply(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scripts: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self._line is Line.HALF_OPEN or scripts.is_set():
                    continue
                if self._line is Line.DROPPING and self._chance.random() < DROPPED:
                    return
                await self._pass(piece, writer)

    async def _pass(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if (delay := _DELAYS.get(self._line)) is not None:
            await asyncio.sleep(delay)
        if writer.is_closing():  # cut meanwhile
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()


async def _read_command(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The next command of a client: its name, and all of its bytes.

    Raises:
        asyncio.IncompleteReadError: the client has gone.
    """
    head = await reader.readuntil(b"\r\n")
    words, name = [head], b""
    for number in range(int(head[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        words += [size, word]
        if not number:
            name = word[:-2].upper()
    return name, b"".join(words)
