"""The pieces of a proof in a request: presented signatures, timestamps, signed content.

Whatever stands in a header or body, the outcome is a value or a :class:`SignatureError`.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn, assert_never

import msgspec

from onehook.core.jsontext import JsonSyntaxError, JsonValue, Num
from onehook.core.jsontext import decode as parse
from onehook.core.model import Webhook
from onehook.core.signatures.schemes import (
    BodyPath,
    ContentPart,
    Header,
    HeaderPart,
    Hmac,
    List,
    Literal,
    Pairs,
    Part,
    Plain,
    Query,
    Settings,
    TimeFormat,
    Timestamp,
    header_name,
)
from onehook.errors import ConfigurationError, SignatureError

_MAX_BITS = 64  # of a number in the body: beyond some length str() raises
MAX_PRESENTED = 16  # signatures in one request: a rotation needs two
_OWS = " \t"  # what may stand around an entry of a list (RFC 9110 §5.6.3)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_FORMATS = {  # the unit, and the most digits: the year 5138
    TimeFormat.EPOCH_S: (timedelta(seconds=1), 11),
    TimeFormat.EPOCH_MS: (timedelta(milliseconds=1), 14),
}
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:(\.[0-9]{1,6})[0-9]{0,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def refuse_missing(what: str, remedy: str = "set the secret at the sender") -> NoReturn:
    """Refuse a webhook whose proof is not whole: *what* follows "carries".

    Raises:
        SignatureError: ``signature_missing``.
    """
    detail = f"This URL is right, but the request carries {what}: {remedy}."
    raise SignatureError(detail, code="signature_missing")


def refuse_ambiguous(what: str) -> NoReturn:
    """Refuse a webhook with two values where one decides, even if they are equal.

    Raises:
        SignatureError: ``signature_ambiguous``.
    """
    detail = f"The request carries {what} more than once."
    raise SignatureError(detail, code="signature_ambiguous")


def refuse(detail: str, code: str = "signature_invalid") -> NoReturn:
    """Refuse a webhook whose proof proves nothing. *detail* quotes nothing that was presented.

    Raises:
        SignatureError: with *code*.
    """
    raise SignatureError(detail, code=code)


def misconfigured(detail: str) -> NoReturn:
    """Nothing can be verified until the operator acts; the sender may try again then.

    Raises:
        ConfigurationError: ``integration_misconfigured``, 503.
    """
    raise ConfigurationError(detail, code="integration_misconfigured", status=503, retry_after=60)


class Request:
    """A webhook as its proof reads it: the body is parsed at most once, and only when asked."""

    __slots__ = ("_parsed", "settings", "webhook")

    def __init__(self, webhook: Webhook, settings: Settings) -> None:
        self.webhook, self.settings = webhook, settings
        self._parsed: list[JsonValue] | None = None

    def name_of(self, header: Header) -> str:
        """What *header* is called in this integration.

        Raises:
            ConfigurationError: neither the mapping nor the operator has named it.
        """
        name = header_name(header, self.settings)
        if not name:
            misconfigured(f"The setting {header.setting} must name the header to check.")
        return name

    def lines(self, name: str) -> Sequence[str]:
        """Every value of the header *name*, empty ones too."""
        return self.webhook.headers.all(name.lower())

    def header(self, name: str, remedy: str = "set the secret at the sender") -> str:
        """The one value of the header *name*.

        Raises:
            SignatureError: it was not sent, is empty, or was sent more than once.
        """
        lines = self.lines(name)
        if len(lines) > 1:
            refuse_ambiguous(f"the {name} header")
        if not lines or not lines[0].strip():
            refuse_missing(f"{'an empty' if lines else 'no'} {name} header", remedy)
        return lines[0]

    def query(self, query: Query) -> str:
        """The one value of a query parameter.

        Raises:
            SignatureError: it was not sent, is empty, or was sent more than once.
        """
        values = [value for name, value in self.webhook.query if name == query.name]
        if len(values) > 1:
            refuse_ambiguous(f"the query parameter {query.name}")
        if not values or not values[0]:
            refuse_missing(f"no query parameter {query.name}", "add it to the URL at the sender")
        return values[0]

    def values(self, path: BodyPath) -> Sequence[JsonValue]:
        """What stands at *path* in the body; nothing if the body is no JSON."""
        body = self._body()
        return [value for parsed in body for value in path.get(parsed)]

    def found(self, path: BodyPath) -> list[str]:
        """The texts at *path*, one for each batch item.

        Raises:
            SignatureError: there is none, an item lacks its own, or one is no text.
        """
        values = self.values(path)
        if not values:
            refuse_missing(f"no {path.text} in its body")
        if path.items is not None:
            count = sum(len(path.items(parsed)) for parsed in self._body())
            if len(values) != count:
                refuse_missing(f"no {path.text} in some items of its body")
        texts = [text for value in values if (text := _text(value)) is not None]
        if len(texts) != len(values):
            refuse(f"The value at {path.text} is no text.")
        return texts

    def found_one(self, path: BodyPath) -> str:
        """The one text at *path*.

        Raises:
            SignatureError: there is none, it is no text, or there are several.
        """
        texts = self.found(path)
        if len(texts) > 1:
            refuse_ambiguous(path.text)
        return texts[0]

    def _body(self) -> list[JsonValue]:
        """The parsed body; an empty list if it is no JSON."""
        if self._parsed is None:
            try:
                self._parsed = [parse(self.webhook.body)]
            except JsonSyntaxError:
                self._parsed = []
        return self._parsed


def _text(value: JsonValue) -> str | None:
    """A scalar as the body wrote it; None for what no vendor signs."""
    if isinstance(value, str):
        return value
    if isinstance(value, Num):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _MAX_BITS:
        return str(value)
    return None


def octets(text: str) -> bytes:
    """The bytes of a header value.

    Raises:
        SignatureError: no bytes give this text.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        refuse("The proof holds characters that no request can carry.")


class Claim(msgspec.Struct, frozen=True):
    """What the signature header says: candidate signatures, and its timestamp pairs."""

    signatures: tuple[str, ...]
    timestamps: frozenset[str] = frozenset()


def read_claim(scheme: Hmac, request: Request) -> Claim:
    """The signatures a request presents, still as text; at least one.

    Raises:
        SignatureError: there is none, or more of them than the format allows.
    """
    lines, place = _signature_lines(scheme, request)
    claim = _split(scheme.format, lines)
    if not claim.signatures:
        refuse(f"{place} holds no signature in the form that is expected.")
    if len(claim.signatures) > MAX_PRESENTED:
        refuse(f"{place} holds more than {MAX_PRESENTED} signatures.")
    return claim


def _signature_lines(scheme: Hmac, request: Request) -> tuple[list[str], str]:
    """The non-empty values that may hold signatures, and how to call their place."""
    if isinstance(scheme.where, BodyPath):
        path = scheme.where
        single = isinstance(scheme.format, Plain)
        return [request.found_one(path)] if single else request.found(path), path.text
    names = [request.name_of(header) for header in scheme.where]
    lines: list[str] = []
    for name in names:
        sent = request.lines(name)
        if len(sent) > 1 and isinstance(scheme.format, Plain):
            refuse_ambiguous(f"the {name} header")
        lines.extend(line for line in sent if line.strip())
    if not lines:
        refuse_missing(" and ".join(f"no {name} header" for name in names))
    return lines, " or ".join(names)


def _split(written: Plain | List | Pairs, lines: Sequence[str]) -> Claim:
    match written:
        case Plain(prefixes):
            return Claim(tuple(text for line in lines for text in _after(line, prefixes)))
        case List(separator, tag):
            entries = [entry.strip(_OWS) for line in lines for entry in line.split(separator)]
            return Claim(tuple(text for entry in entries for text in _after(entry, (tag,))))
        case Pairs(signatures, timestamp, separator):
            entries = [entry.strip(_OWS) for line in lines for entry in line.split(separator)]
            pairs = [entry.partition("=") for entry in entries]
            return Claim(
                tuple(value for key, _, value in pairs if key in signatures),
                frozenset(value for key, _, value in pairs if key == timestamp),
            )
        case _ as never:
            assert_never(never)


def _after(text: str, prefixes: Sequence[str]) -> list[str]:
    return [text[len(prefix) :] for prefix in prefixes if text.startswith(prefix)]


def read_timestamp(timestamp: Timestamp, request: Request, claim: Claim) -> str:
    """The text of the timestamp, as presented.

    Raises:
        SignatureError: there is none, or more than one.
    """
    match timestamp.source:
        case Header() as header:
            return request.header(request.name_of(header), "the sender must send its timestamp")
        case BodyPath() as path:
            return request.found_one(path)
        case None:
            if len(claim.timestamps) > 1:
                refuse_ambiguous("the timestamp of its signature")
            if not (text := next(iter(claim.timestamps), "")):
                refuse_missing("a signature without its timestamp")
            return text
        case _ as never:
            assert_never(never)


def parse_timestamp(text: str, written: TimeFormat) -> datetime | None:
    """The moment *text* names, aware; None if it is not strictly *written* that way."""
    if written is not TimeFormat.RFC3339:
        unit, most_digits = EPOCH_FORMATS[written]
        # int() takes signs, spaces, underscores and the digits of every script.
        if not (text.isascii() and text.isdigit()) or len(text) > most_digits:
            return None
        return EPOCH + int(text) * unit
    if (found := _RFC3339.fullmatch(text)) is None:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}{found[2] or ''}{found[3]}".upper())
    except ValueError:  # a thirteenth month
        return None


def signed_content(scheme: Hmac, request: Request, timestamp: str) -> bytes:
    """The bytes under the signature.

    Raises:
        SignatureError: a header or body value that belongs to them is missing or not unique.
    """
    return b"".join([_part(part, request, timestamp) for part in scheme.content])


def _path(url: str) -> str:
    return "/" + url.partition("?")[0].split("://", 1)[-1].partition("/")[2]


_PARTS: dict[Part, Callable[[Webhook], bytes]] = {  # what needs nothing but the webhook
    Part.BODY: lambda webhook: webhook.body,  # alone it is joined without a copy
    Part.METHOD: lambda webhook: octets(webhook.method),
    Part.URL: lambda webhook: octets(webhook.url),
    Part.PATH: lambda webhook: octets(_path(webhook.url)),
    Part.QUERY: lambda webhook: octets(webhook.url.partition("?")[2]),
}


def _part(part: ContentPart, request: Request, timestamp: str) -> bytes:
    match part:
        case Part.TIMESTAMP:
            return octets(timestamp)
        case Part():
            return _PARTS[part](request.webhook)
        case Literal(text):
            return text
        case HeaderPart(name):
            return octets(request.header(name, "its signature covers that header"))
        case BodyPath():
            return octets(request.found_one(part))
        case _ as never:
            assert_never(never)
