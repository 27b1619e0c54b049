"""Mail: what a server gets, and what its answers come to."""

import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onehook.core.jsontext import encode
from onehook.deliver.client import Reply
from onehook.deliver.egress import Egress
from onehook.deliver.mail import MailClient
from tests.builders import NOW, Running, issue
from tests.deliver.smtp import MailServer

LOCAL = ip_address("127.0.0.1")
LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "onehook/1",
    "webhook-id": "evt_1",
    "x-onehook-event": "scm.tag.created",
    "x-onehook-delivery": "dlv_1",
    "x-onehook-attempt": "1",
}
MAIL = {"from": "a@acme.example", "to": "b@acme.example", "subject": "S", "text": "T\n"}


@pytest.fixture
async def client() -> AsyncIterator[MailClient]:
    """A client that may call loopback."""
    made = MailClient(Egress(LOOPBACK))
    yield made
    made.close()


async def sent(
    client: MailClient,
    url: str,
    *,
    within: float = 5,
    settings: dict[str, str] | None = None,
    **fields: Any,
) -> Reply:
    """What came of a mail with these *fields*."""
    body = encode(MAIL | fields)
    limit = timedelta(seconds=within)
    return await client.send(url, HEADERS, body, settings or {}, NOW, limit)


async def test_a_mail_arrives(client: MailClient) -> None:
    """Its text and subject whole, its headers saying what it came from."""
    async with MailServer() as server:
        reply = await sent(
            client, server.url, to="b@acme.example, c@acme.example", subject="Größe 5",
            text="Zeile é\n.\n..two dots\n" + "long " * 500,
        )  # fmt: skip
    assert (reply.answer.ok, reply.answer.status) == (True, 250)
    (mail,) = server.mails
    assert server.recipients == ["b@acme.example", "c@acme.example"]
    assert (mail["From"], mail["To"]) == ("a@acme.example", "b@acme.example, c@acme.example")
    assert mail["Subject"] == "Größe 5"
    assert mail.get_content().splitlines()[:3] == ["Zeile é", ".", "..two dots"]
    assert mail["X-Onehook-Event"] == "scm.tag.created"
    assert mail["Message-ID"] == "<dlv_1@onehook.invalid>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Sun, 22 Nov 2026 12:00:00 +0000"
    assert "authorization" not in {name.lower() for name in mail}


async def test_f5_a_subject_begins_no_other_header(client: MailClient) -> None:
    """Line breaks of a title become spaces; an address that holds one too."""
    async with MailServer() as server:
        await sent(client, server.url, subject="a\r\nBcc: evil@example.com", to="b@acme.example\n")
    (mail,) = server.mails
    assert mail["Subject"] == "a Bcc: evil@example.com"
    assert mail["Bcc"] is None
    assert server.recipients == ["b@acme.example"]


async def test_who_has_a_name_signs_in(client: MailClient) -> None:
    """With the destination's settings, where the server asks for it."""
    async with MailServer() as server:
        server.extensions = ["AUTH PLAIN"]
        settings = {"username": "u", "password": "p"}
        assert (await sent(client, server.url, settings=settings)).answer.ok
        assert (await sent(client, server.url)).answer.ok
    assert server.signed_in == ["u:p"]


REFUSALS = {
    "greeting": ({"greeting": "421 busy"}, 421, "status"),
    "sender": ({"MAIL": "550 5.7.1 not you"}, 550, "status"),
    "recipient": ({"RCPT": "550 5.1.1 no such user"}, 550, "status"),
    "data": ({"DATA": "552 5.3.4 too large"}, 552, "status"),
    "nonsense": ({"greeting": "hello"}, None, "bad_answer"),
}


@pytest.mark.parametrize(("replies", "status", "error"), REFUSALS.values(), ids=REFUSALS)
async def test_a_server_that_says_no(
    client: MailClient, replies: dict[str, str], status: int | None, error: str
) -> None:
    """Is a failed attempt with its code and its words."""
    async with MailServer(**replies) as server:
        reply = await sent(client, server.url)
    assert (reply.answer.error, reply.answer.status) == (error, status)
    if status is not None:
        assert reply.body
        assert reply.body in next(iter(replies.values()))


async def test_one_recipient_of_two_is_enough(client: MailClient) -> None:
    """Trying again would send the other one a second mail; the history names who was refused."""
    async with MailServer(**{"c@acme.example": "550 no such user"}) as server:
        reply = await sent(client, server.url, to="b@acme.example, c@acme.example")
    assert reply.answer.ok
    assert reply.body == "refused: c@acme.example\n"


async def test_a_server_that_hangs_afterwards_has_the_mail(client: MailClient) -> None:
    """What was taken is not sent again for want of a good-bye."""
    async with MailServer() as server:
        server.hanging = "QUIT"
        assert (await sent(client, server.url, within=2)).answer.ok
    assert len(server.mails) == 1


@pytest.mark.parametrize("hanging", ["EHLO", "DATA"])
async def test_a_server_that_hangs_is_a_timeout(client: MailClient, hanging: str) -> None:
    """Within the subscription's own time, all steps together; its thread is free again."""
    async with MailServer() as server:
        server.hanging = hanging
        started = time.monotonic()
        reply = await sent(client, server.url, within=0.5)
        assert time.monotonic() - started < 3
    assert reply.answer.error == "timeout"


async def test_nobody_listens(client: MailClient) -> None:
    """Is a failure of the connection."""
    async with MailServer() as server:
        url = server.url
    reply = await sent(client, url)
    assert (reply.answer.error, reply.answer.status) == ("connection", None)


async def test_a_name_that_is_none(client: MailClient) -> None:
    """Is a failure of DNS."""
    reply = await sent(client, "smtp://nowhere.invalid")
    assert reply.answer.error == "dns"


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}", "smtp://localhost:{}"])
async def test_f1_private_addresses_are_not_called(url: str) -> None:
    """Nor names that lead to them: the server sees no connection."""
    strict = MailClient(Egress())
    async with MailServer() as server:
        reply = await sent(strict, url.format(server.port))
        assert reply.answer.error == "blocked_address"
        assert server.commands == []
    strict.close()


async def test_f6_without_tls_nothing_is_sent_beyond_the_networks_named(
    client: MailClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public server must offer STARTTLS."""
    monkeypatch.setattr("onehook.deliver.mail.is_named", lambda *_: False)
    async with MailServer() as server:
        reply = await sent(client, server.url)
    assert reply.answer.error == "tls_error"
    assert server.mails == []
    assert "MAIL" not in server.commands


CERTIFICATE = "server.pem"


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOCAL)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / CERTIFICATE
    plain = serialization.NoEncryption()
    pem = serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, pem, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_f6_a_certificate_that_is_not_valid(
    client: MailClient, certificate: ssl.SSLContext
) -> None:
    """TLS from the beginning: nothing is said before the server has proven who it is."""
    async with MailServer(certificate) as server:
        reply = await sent(client, server.url)
    assert (reply.answer.error, server.mails) == ("tls_error", [])


@pytest.mark.parametrize("starttls", [True, False])
async def test_mail_goes_over_tls(
    client: MailClient,
    certificate: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    starttls: bool,
) -> None:
    """From the beginning, or from STARTTLS on, where the server's certificate is trusted."""
    trusting = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
    monkeypatch.setattr("onehook.deliver.mail.ssl.create_default_context", lambda: trusting)
    async with MailServer(None if starttls else certificate) as server:
        if starttls:
            server.upgrade, server.extensions = certificate, ["STARTTLS"]
        reply = await sent(client, server.url)
    assert reply.answer.ok, reply
    assert len(server.mails) == 1
    assert ("STARTTLS" in server.commands) is starttls


@pytest.mark.parametrize(
    "fields",
    [{"to": None}, {"subject": 5}, {"from": ""}, {"to": "a\x00@b"}, {"to": "a@b, nobody"}],
)
async def test_what_is_no_mail_is_not_sent(client: MailClient, fields: dict[str, Any]) -> None:
    """A destination's file may come to anything."""
    async with MailServer() as server:
        reply = await sent(client, server.url, **fields)
    assert reply.answer.error == "template"
    assert server.commands == []


async def test_an_event_by_mail(gateway: Running) -> None:
    """End to end: the destination's file, the settings of the subscription, the history."""
    async with MailServer() as server:
        server.extensions = ["AUTH PLAIN"]
        settings = {"from": "onehook@acme.example", "to": "team@acme.example",
                    "username": "u", "password": "mail-password"}  # fmt: skip
        answer = await gateway.api.post(
            "/v1/subscriptions",
            {"url": server.url, "destination": "email", "settings": settings},
        )
        assert answer.status == 201, answer.body
        assert answer.json["settings"]["password"] == "***"
        sender = await gateway.integrate(name="acme on GitHub")
        (event_id,) = await gateway.accept(sender, issue())
        found = await gateway.settled(event_id, answer.json["id"], status="delivered")
    (mail,) = server.mails
    assert mail["To"] == "team@acme.example"
    assert mail["Subject"].startswith("[acme on GitHub] ")
    assert event_id in mail.get_content()
    assert server.signed_in == ["u:mail-password"]
    (attempt,) = found["attempts"]
    assert attempt["status"] == 250
    assert "mail-password" not in str(found)
    assert '"to":"team@acme.example"' in attempt["request"]["body"]
