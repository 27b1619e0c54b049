"""One mail to one answer, as the client of HTTP does it: a failure is a value.

The standard library speaks SMTP, in threads of its own: a server that hangs holds up nobody else.
"""

import asyncio
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from urllib.parse import urlsplit

import msgspec

from onehook.core.addresses import is_allowed, is_named
from onehook.core.schedule import Answer
from onehook.deliver.client import CONNECT_TIMEOUT, MAX_READ, Reply
from onehook.deliver.egress import BlockedAddressError, Egress

SCHEMES = ("smtps", "smtp")
PORTS = {"smtps": 465, "smtp": 587}  # RFC 8314 §3, RFC 6409 §3.1
_THREADS = 64
_NEARLY = 0.05  # seconds: timers of sockets and of the loop end at about the same moment
_ADDRESS = re.compile(r"[^\s@<>\x00-\x1f\x7f]+@[^\s@<>\x00-\x1f\x7f]+")
_LEFT_OUT = ("content-type", "user-agent", "authorization")


class Mail(msgspec.Struct):
    """What a destination for mail makes of an event."""

    from_: str = msgspec.field(name="from")
    to: str
    subject: str
    text: str


class MailClient:
    """Sends mail. What *egress* allows by name may be private, and without TLS."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mail")

    def close(self) -> None:
        """Let go of the threads; what is being sent ends by its own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        settings: Mapping[str, str],
        now: datetime,
        within: timedelta,
    ) -> Reply:
        """Send the mail in *body* by the server at *url*, all *within* that time."""
        started = time.monotonic()
        try:
            message = _message(msgspec.json.decode(body, type=Mail), headers, now)
        except (ValueError, msgspec.MsgspecError, LookupError) as error:  # email's parser has all
            return _failed("template", f"this is no mail: {error}", started)
        session = _Session(url, self._egress, settings, started + within.total_seconds())
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within.total_seconds()):
                answer, text = await loop.run_in_executor(self._threads, session.send, message)
        except (OSError, smtplib.SMTPException) as error:
            session.abandon()
            if session.is_late:  # smtplib calls a timeout a lost connection
                detail = f"no answer in time ({within.total_seconds():g} s)"
                return _failed("timeout", detail, started)
            return _refused(error, started)
        return Reply(answer, _since(started), None, {}, text.encode()[:MAX_READ])


class _Guarded(smtplib.SMTP):
    """SMTP that connects only where it may: the address that is judged is the one called."""

    def __init__(self, host: str, port: int, session: "_Session") -> None:
        self.session = session
        super().__init__(host, port, socket.gethostname(), timeout=session.left())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.session.connect(host, port, timeout)


class _GuardedTls(smtplib.SMTP_SSL, _Guarded):
    """The same, with TLS from the beginning."""

    def __init__(self, host: str, port: int, session: "_Session", context: ssl.SSLContext) -> None:
        self.session = session
        local, left = socket.gethostname(), session.left()
        smtplib.SMTP_SSL.__init__(self, host, port, local, timeout=left, context=context)


class _Session:
    """One mail's conversation, in a thread. *deadline* is monotonic."""

    def __init__(
        self,
        url: str,
        egress: Egress,
        settings: Mapping[str, str],
        deadline: float,
    ) -> None:
        split = urlsplit(url)
        self.tls = split.scheme == "smtps"
        self.host, self.port = split.hostname or "", split.port or PORTS[split.scheme]
        self.egress, self.settings, self.deadline = egress, settings, deadline
        self.named = False  # the address is one of those allowed by name
        self.socket: socket.socket | None = None
        self.smtp: smtplib.SMTP | None = None  # once the server has greeted

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            TimeoutError: none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @property
    def is_late(self) -> bool:
        """Whether no time is left, or next to none."""
        return time.monotonic() > self.deadline - _NEARLY

    def abandon(self) -> None:
        """Break the conversation off, so that its thread is free again."""
        talking = self.socket if self.smtp is None else self.smtp.sock
        if talking is not None:
            with suppress(OSError):
                talking.shutdown(socket.SHUT_RDWR)

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A connection to the first address that may be called and answers.

        Raises:
            OSError: there is none; BlockedAddressError if none may be called.
        """
        last: OSError = BlockedAddressError(host)
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            if not is_allowed(str(address[0]), self.egress.allowed):
                continue
            try:
                made = self.egress.open(family, kind, protocol)
            except OSError as error:
                last = error
                continue
            try:
                made.settimeout(min(timeout, CONNECT_TIMEOUT))
                made.connect(address)
                made.settimeout(self.left())
            except OSError as error:
                made.close()
                last = error
                continue
            self.named = is_named(str(address[0]), self.egress.allowed)
            self.socket = made
            return made
        raise last

    def send(self, message: EmailMessage) -> tuple[Answer, str]:
        """Send *message*.

        Raises:
            OSError: the server cannot be reached.
            smtplib.SMTPException: it says no.
        """
        context = ssl.create_default_context()
        smtp = self.smtp = self._open(context)
        try:
            smtp.ehlo_or_helo_if_needed()
            if not self.tls:
                self._encrypt(smtp, context)
            if self.settings.get("username"):
                smtp.login(self.settings["username"], self.settings.get("password", ""))
            refused = smtp.send_message(message)
            smtp.putcmd("quit")  # its answer is not waited for: the mail is taken already
        finally:
            smtp.close()
        text = "".join(f"refused: {address}\n" for address in refused)
        return Answer(250, None), text  # RFC 5321 §4.2.3; all but those were taken

    def _open(self, context: ssl.SSLContext) -> smtplib.SMTP:
        if self.tls:
            return _GuardedTls(self.host, self.port, self, context)
        return _Guarded(self.host, self.port, self)

    def _encrypt(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> None:
        """STARTTLS; without it only inside the networks where plain http is allowed too.

        Raises:
            smtplib.SMTPNotSupportedError: the server does not offer it.
        """
        if smtp.has_extn("starttls") or not self.named:
            smtp.starttls(context=context)
            smtp.ehlo()


def _message(mail: Mail, headers: Mapping[str, str], now: datetime) -> EmailMessage:
    """*mail* as RFC 5322 has it; what the profile says of the delivery stands in its headers.

    Raises:
        ValueError: an address or header cannot be written.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = _addresses("from", mail.from_)
    message["To"] = _addresses("to", mail.to)
    message["Subject"] = _line(mail.subject)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{headers['x-onehook-delivery']}@onehook.invalid>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's holiday note answers
    for name, value in headers.items():
        if name.lower() not in _LEFT_OUT:
            message[name] = value
    message.set_content(mail.text)
    return message


def _line(text: str) -> str:
    return " ".join(text.split())


def _addresses(field: str, text: str) -> str:
    """The addresses in *text*, each one of which can be sent to.

    Raises:
        ValueError: one cannot, or there is none.
    """
    found = [address for _, address in getaddresses([text])]
    if not found or not all(_ADDRESS.fullmatch(address) for address in found):
        msg = f"{field} holds something that is no address"
        raise ValueError(msg)
    return _line(text)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _failed(error: str, detail: str, started: float, status: int | None = None) -> Reply:
    return Reply(Answer(status, error), _since(started), detail, {}, b"")


def _refused(error: Exception, started: float) -> Reply:
    """The class of *error* for the history; what the server said is kept as its answer."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
        return Reply(Answer(code, "status"), _since(started), None, {}, text[:MAX_READ])
    if isinstance(error, smtplib.SMTPResponseException):
        if not 200 <= error.smtp_code <= 599:
            return _failed("bad_answer", "the answer is not SMTP", started)
        said = error.smtp_error
        content = said if isinstance(said, bytes) else said.encode()
        return Reply(
            Answer(error.smtp_code, "status"), _since(started), None, {}, content[:MAX_READ]
        )
    for kind, name, detail in _CLASSES:
        if isinstance(error, kind):
            return _failed(name, detail, started)
    return _failed("connection", type(error).__name__, started)


_CLASSES: tuple[tuple[type[Exception], str, str], ...] = (
    (BlockedAddressError, "blocked_address", "the host's address is not one that may be called"),
    (smtplib.SMTPNotSupportedError, "tls_error", "the server offers no STARTTLS, or no sign-in"),
    (ssl.SSLCertVerificationError, "tls_error", "the certificate is not valid"),
    (ssl.SSLError, "tls_error", "TLS failed"),
    (socket.gaierror, "dns", "the host's name was not found"),
    (TimeoutError, "timeout", "no answer in time"),
    (smtplib.SMTPServerDisconnected, "connection", "the connection was closed without an answer"),
    (OSError, "connection", "no connection"),
)
