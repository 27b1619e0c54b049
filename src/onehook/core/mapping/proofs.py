"""The ``verify`` and ``handshake`` sections: how a vendor proves itself, and its first hello.

Source: `vendors/signatures.md` §2 and §3. Problems are E108.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from onehook.core.durations import parse_duration
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.conditions import Condition, always, compile_condition
from onehook.core.mapping.context import Context
from onehook.core.mapping.paths import Path, PathError, compile_path, is_path
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.templates import Render, TemplateError, compile_template
from onehook.core.model import Headers, Webhook
from onehook.core.signatures import (
    BODY,
    METHOD,
    PATH,
    QUERY,
    TIMESTAMP,
    URL,
    Algorithm,
    AnyOf,
    Basic,
    BodyPath,
    ContentPart,
    Encoding,
    Getter,
    Header,
    HeaderPart,
    Hmac,
    KeyForm,
    List,
    Literal,
    Pairs,
    Plain,
    Proof,
    Query,
    Scheme,
    SharedToken,
    TimeFormat,
    Timestamp,
    Unsigned,
)
from onehook.errors import ConfigurationError

MAX_ECHO = 512  # characters of a challenge that are given back; threats.md A14
_HMAC_KEYS = (
    "scheme", "when", "header", "body_path", "format", "prefix", "encoding", "algorithm",
    "content", "timestamp", "secret", "key", "key_prefix",
)  # fmt: skip
_PARTS: Mapping[str, ContentPart] = {
    "body": BODY, "timestamp": TIMESTAMP, "method": METHOD, "url": URL, "path": PATH,
    "query": QUERY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerifySection:
    """The proofs a platform knows; an integration's settings may choose among them."""

    choices: tuple[tuple[Condition, Proof], ...]
    unsigned: bool = True  # only where the file says verify: none

    def scheme(self, settings: Mapping[str, str]) -> Scheme:
        """The scheme for an integration with these settings."""
        context = Context(None, Headers(), settings, "", "", "keep")
        proofs = tuple(proof for when, proof in self.choices if when(None, context))
        if self.unsigned:
            return Unsigned()
        return proofs[0] if len(proofs) == 1 else AnyOf(proofs)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handshake is answered with."""

    status: int
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Handshake:
    """A request that is no event: the vendor asks whether we are the right one.

    *verify*: the proof is checked before anything is echoed.
    """

    method: str
    header: str | None
    query: str | None
    empty_body: bool
    condition: Condition | None  # on the parsed body
    verify: bool
    status: int
    content_type: str
    render: Render

    def matches(self, webhook: Webhook) -> bool:
        """Whether *webhook*, by method, headers, query and emptiness, may be this handshake."""
        return (
            webhook.method == self.method
            and (self.header is None or webhook.headers.get(self.header) is not None)
            and (self.query is None or webhook.query_value(self.query) is not None)
            and (not self.empty_body or not webhook.body)
        )

    def answer(self, webhook: Webhook, body: JsonValue) -> Answer | None:
        """The answer; None if *body* does not fit, or what it asks to echo is not harmless."""
        context = Context(body, webhook.headers, {}, "", "", "keep")
        if self.condition is not None and not self.condition(body, context):
            return None
        value = None
        if self.header is not None:
            value = webhook.headers.get(self.header)
        elif self.query is not None:
            value = webhook.query_value(self.query)
        text = self.render({"body": body, "item": body, "value": value})
        if text is None or len(text) > MAX_ECHO + 256 or not text.isprintable():
            return None
        return Answer(self.status, self.content_type, text)


def compile_verify(node: Node | None, report: Report, at: Map) -> VerifySection:
    """Compile the ``verify`` section."""
    if node is None:
        hint = "say how the vendor signs, or verify: none"
        report("E108", at.place, "verify: is missing", hint)
        return VerifySection(())
    if isinstance(node, Scalar) and node.value == "none":
        return VerifySection(())
    if not isinstance(node, Map):
        report("E108", node.place, "verify: is a map with a scheme, or none")
        return VerifySection(())
    reader = Reader(node, report, "E108")
    nodes: Sequence[Node] = (node,)
    if "any_of" in node.items:
        reader.only("any_of")
        nodes = reader.items("any_of")
        if not nodes:
            reader.problem("any_of", "any_of: is a list of proofs")
    choices: list[tuple[Condition, Proof]] = []
    for one in nodes:
        proof = _proof(one, report)
        if proof is not None and isinstance(one, Map):
            when = one.get("when")
            choices.append((always if when is None else compile_condition(when, report), proof))
    return VerifySection(tuple(choices), unsigned=False)


def _proof(node: Node, report: Report) -> Proof | None:
    if not isinstance(node, Map):
        report("E108", node.place, "a proof is a map with a scheme")
        return None
    reader = Reader(node, report, "E108")
    scheme = reader.text("scheme", required=True)
    makers = {"hmac": _hmac, "shared_token": _shared_token, "basic": _basic}
    if scheme is None:
        return None
    if scheme not in makers:
        reader.problem("scheme", f"there is no scheme {scheme!r}", nearest(scheme, makers))
        return None
    try:
        return makers[scheme](reader)
    except ConfigurationError as error:
        report("E108", node.place, error.detail)
        return None


def _setting(reader: Reader, key: str) -> str | None:
    """``secret: {setting: name}``."""
    node = reader.map(key)
    if node is None:
        reader.report(
            "E108", reader.place, f"{key}: is missing", f"write {key}: {{setting: secret}}"
        )
        return None
    below = Reader(node, reader.report, "E108").only("setting")
    name = below.text("setting", required=True)
    if name is not None:
        reader.report.uses_setting(name, below.at("setting"))
    return name


def _header(reader: Reader, node: Node) -> Header | None:
    """A header's name, or ``{setting: name, default: X}`` where the operator names it."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
        return Header(node.value)
    if isinstance(node, Map):
        below = Reader(node, reader.report, "E108").only("setting", "default")
        setting = below.text("setting", required=True)
        if setting is None:
            return None
        reader.report.uses_setting(setting, below.at("setting"))
        return Header(below.text("default") or "", setting)
    reader.report("E108", node.place, "header: names a header")
    return None


def _body_path(reader: Reader, node: Node) -> BodyPath | None:
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str) or not is_path(text):
        reader.report("E108", node.place, "expected a path such as $.token")
        return None
    try:
        path = compile_path(text)
        items = None
        if "[*]" in text:  # every item of the batch must carry its proof
            items = _getter(compile_path(text[: text.index("[*]") + 3]))
    except PathError as error:
        reader.report("E108", node.place, error.message)
        return None
    return BodyPath(text, _getter(path), items)


def _getter(path: Path) -> Getter:
    return lambda body: path.values(body) or []


def _hmac(reader: Reader) -> Hmac | None:
    reader.only(*_HMAC_KEYS)
    secret = _setting(reader, "secret")
    where: tuple[Header, ...] | BodyPath | None
    if (body_path := reader.node_of("body_path")) is not None:
        where = _body_path(reader, body_path)
    else:
        where = tuple(h for n in reader.items("header") if (h := _header(reader, n)) is not None)
    if not where:
        reader.report("E108", reader.place, "header: is missing", "name the signature's header")
    if secret is None or not where:
        return None
    encodings = tuple(
        Encoding(word)
        for node in reader.items("encoding")
        if (word := _word(reader, node, tuple(Encoding))) is not None
    )
    format_, timestamp = _format(reader), _timestamp(reader)
    return Hmac(
        where=where,
        secret=secret,
        format=format_,
        encodings=encodings or (Encoding.HEX,),
        algorithm=Algorithm(reader.one_of("algorithm", tuple(Algorithm), "sha256")),
        content=_content(reader),
        timestamp=timestamp,
        key=KeyForm(reader.one_of("key", tuple(KeyForm), "utf8")),
        key_prefix=reader.text("key_prefix") or "",
    )


def _word(reader: Reader, node: Node, allowed: tuple[str, ...]) -> str | None:
    word = node.value if isinstance(node, Scalar) else None
    if isinstance(word, str) and word in allowed:
        return word
    reader.report("E108", node.place, f"{word!r} is not known", nearest(str(word), allowed))
    return None


def _prefixes(reader: Reader) -> tuple[str, ...]:
    nodes = reader.items("prefix")
    return tuple(str(n.value) for n in nodes if isinstance(n, Scalar)) or ("",)


def _format(reader: Reader) -> Plain | List | Pairs:
    node = reader.map("format")
    if node is None:
        return Plain(_prefixes(reader))
    below = Reader(node, reader.report, "E108").only("list", "pairs")
    if (listed := below.map("list")) is not None:
        inner = Reader(listed, reader.report, "E108").only("separator", "tag")
        return List(inner.text("separator", required=True) or ",", inner.text("tag") or "")
    if (paired := below.map("pairs")) is not None:
        inner = Reader(paired, reader.report, "E108").only("timestamp", "signature", "separator")
        names = tuple(str(n.value) for n in inner.items("signature") if isinstance(n, Scalar))
        if not names:
            inner.problem("signature", "pairs: needs signature: [names]")
        return Pairs(names or ("v1",), inner.text("timestamp"), inner.text("separator") or ",")
    reader.problem("format", "format: is {list: …} or {pairs: …}; plain needs none")
    return Plain()


def _content(reader: Reader) -> tuple[ContentPart, ...]:
    parts: list[ContentPart] = []
    for node in reader.items("content"):
        if isinstance(node, Scalar) and isinstance(node.value, str):
            parts.append(_PARTS.get(node.value) or Literal(node.value.encode()))
        elif isinstance(node, Map) and "header" in node.items:
            name = Reader(node, reader.report, "E108").only("header").text("header")
            parts.append(HeaderPart(name or ""))
        elif isinstance(node, Map) and "body_path" in node.items:
            path = _body_path(reader, node.items["body_path"])
            if path is not None:
                parts.append(path)
        else:
            hint = f"{', '.join(_PARTS)}, a literal, {{header: X}} or {{body_path: $.x}}"
            reader.report("E108", node.place, "unknown part of the signed content", hint)
    return tuple(parts) or (BODY,)


def _timestamp(reader: Reader) -> Timestamp | None:
    node = reader.map("timestamp")
    if node is None:
        if reader.node_of("tolerance") is not None:
            reader.problem("tolerance", "a tolerance needs a timestamp:")
        return None
    below = Reader(node, reader.report, "E108").only("header", "body_path", "format", "tolerance")
    source: Header | BodyPath | None = None
    if (header := below.node_of("header")) is not None:
        source = _header(below, header)
    elif (body_path := below.node_of("body_path")) is not None:
        source = _body_path(below, body_path)
    tolerance = parse_duration(below.text("tolerance") or "5m")
    if tolerance is None or not timedelta(0) < tolerance <= timedelta(days=7):
        below.problem("tolerance", "tolerance: is a duration up to 7d, such as 5m")
        tolerance = timedelta(minutes=5)
    format_ = below.one_of("format", tuple(TimeFormat), "epoch_s")
    return Timestamp(source, TimeFormat(format_), tolerance)


def _shared_token(reader: Reader) -> SharedToken | None:
    reader.only("scheme", "when", "header", "query", "body_path", "prefix", "secret")
    secret = _setting(reader, "secret")
    where: Header | Query | BodyPath | None = None
    if (header := reader.node_of("header")) is not None:
        where = _header(reader, header)
    elif (query := reader.text("query")) is not None:
        where = Query(query)
    elif (path := reader.node_of("body_path")) is not None:
        where = _body_path(reader, path)
    else:
        hint = "name one of header:, query:, body_path:"
        reader.report("E108", reader.place, "where is the token?", hint)
    if secret is None or where is None:
        return None
    return SharedToken(where, secret, _prefixes(reader))


def _basic(reader: Reader) -> Basic | None:
    reader.only("scheme", "when", "username", "secret")
    username, secret = _setting(reader, "username"), _setting(reader, "secret")
    return None if username is None or secret is None else Basic(username, secret)


def compile_handshakes(node: Node | None, report: Report) -> tuple[Handshake, ...]:
    """Compile the ``handshake`` section, a list."""
    if node is None:
        return ()
    if not isinstance(node, Seq):
        report("E108", node.place, "handshake: is a list")
        return ()
    found = (_handshake(item, report) for item in node.items)
    return tuple(handshake for handshake in found if handshake is not None)


def _handshake(node: Node, report: Report) -> Handshake | None:
    if not isinstance(node, Map):
        report("E108", node.place, "a handshake is a map")
        return None
    reader = Reader(node, report, "E108").only("method", "match", "verify", "answer")
    method = reader.one_of("method", ("GET", "POST"), "POST")
    match, answer = reader.map("match"), reader.map("answer")
    if match is None or answer is None or not match.items:
        report("E108", node.place, "a handshake needs match: and answer:")
        return None
    matching = Reader(match, report, "E108").only("header", "query", "body")
    body = match.get("body")
    empty = isinstance(body, Scalar) and body.value == "empty"
    condition = compile_condition(body, report) if body is not None and not empty else None
    if "verify" not in node.items:
        report("E108", node.place, "verify: is missing", "say whether the proof is checked first")
    header = matching.text("header")
    return Handshake(
        method,
        None if header is None else header.lower(),
        matching.text("query"),
        empty,
        condition,
        reader.flag("verify", default=True),
        *_answer(Reader(answer, report, "E108").only("status", "content_type", "body")),
    )


def _answer(reader: Reader) -> tuple[int, str, Render]:
    status = reader.node_of("status")
    code = status.value if isinstance(status, Scalar) else 200
    if not isinstance(code, int) or not 200 <= code <= 299:
        reader.problem("status", "status: is a number from 200 to 299")
        code = 200
    content_type = reader.one_of("content_type", ("text/plain", "application/json"), "text/plain")
    try:
        template = compile_template(reader.text("body") or "", frozenset({"body", "item", "value"}))
    except TemplateError as problem:
        reader.report("E103", reader.at("body"), str(problem), problem.hint)
        template = compile_template("", frozenset[str]())
    return code, content_type, template.render
