"""A mail server for tests: enough of RFC 5321 to take a mail, or to refuse it at any step."""

import asyncio
import base64
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast


class MailServer:
    """Takes mail on loopback; *replies* replace its answers, by command."""

    def __init__(self, context: ssl.SSLContext | None = None, **replies: str) -> None:
        self.context, self.replies = context, replies
        self.upgrade: ssl.SSLContext | None = None  # for STARTTLS
        self.extensions: list[str] = []
        self.hanging = ""  # the command that is never answered
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.signed_in: list[str] = []
        self.commands: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._over = asyncio.Event()

    async def __aenter__(self) -> "MailServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._over.set()
        self._server.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'smtps' if self.context else 'smtp'}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._say(writer, "greeting", "220 mail.example")
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            command = word.upper()
            self.commands.append(command)
            if command == self.hanging:
                await self._over.wait()
                return
            match command:
                case "EHLO":
                    names = ["mail.example", *self.extensions]
                    lines = [f"250-{name}" for name in names[:-1]] + [f"250 {names[-1]}"]
                    await self._say(writer, command, "\r\n".join(lines))
                case "AUTH":
                    _, login, password = base64.b64decode(rest.split(" ")[1]).split(b"\0")
                    self.signed_in.append(f"{login.decode()}:{password.decode()}")
                    await self._say(writer, command, "235 welcome")
                case "RCPT":
                    self.recipients.append(rest.partition("<")[2].partition(">")[0])
                    address = self.recipients[-1]
                    await self._say(
                        writer, address if address in self.replies else command, "250 ok"
                    )
                case "DATA":
                    await self._say(writer, "ready", "354 go on")
                    raw = await reader.readuntil(b"\r\n.\r\n")
                    plain = raw[:-3].replace(b"\r\n..", b"\r\n.")  # RFC 5321 §4.5.2
                    message = message_from_bytes(plain, policy=default)
                    self.mails.append(cast("EmailMessage", message))
                    await self._say(writer, command, "250 2.0.0 taken")
                case "STARTTLS":
                    await self._say(writer, command, "220 go on")
                    assert self.upgrade is not None
                    await writer.start_tls(self.upgrade)
                case "QUIT":
                    await self._say(writer, command, "221 bye")
                    return
                case _:
                    await self._say(writer, command, "250 ok")

    async def _say(self, writer: asyncio.StreamWriter, command: str, usual: str) -> None:
        writer.write(self.replies.get(command, usual).encode() + b"\r\n")
        await writer.drain()
