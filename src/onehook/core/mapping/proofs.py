"""The ``verify`` section: how a vendor proves itself.

Source: `vendors/signatures.md` §2. Problems are E108.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from onehook.core.durations import parse_duration
from onehook.core.mapping.conditions import Condition, always, compile_condition
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import (
    ANY_TEXT,
    CONDITION,
    SCALAR,
    TEXT,
    Form,
    Keys,
    list_of,
    map_of,
    one_or_list,
    word_of,
)
from onehook.core.mapping.forms import PATH as A_PATH
from onehook.core.mapping.paths import Path, PathError, compile_path, is_path
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar
from onehook.core.model import Headers
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

_PARTS: Mapping[str, ContentPart] = {
    "body": BODY, "timestamp": TIMESTAMP, "method": METHOD, "url": URL, "path": PATH,
    "query": QUERY,
}  # fmt: skip

_SETTING: Keys = {"setting": TEXT}
_SECRET = map_of(_SETTING, "setting")
_HEADER: Keys = {**_SETTING, "default": TEXT}
_HEADER_NAME: Form = {"anyOf": [TEXT, map_of(_HEADER, "setting")]}
_LIST: Keys = {"separator": TEXT, "tag": TEXT}
_PAIRS: Keys = {"timestamp": TEXT, "signature": one_or_list(SCALAR), "separator": TEXT}
_FORMAT: Keys = {"list": map_of(_LIST, "separator"), "pairs": map_of(_PAIRS, "signature")}
_TIMESTAMP: Keys = {
    "header": _HEADER_NAME,
    "body_path": A_PATH,
    "format": word_of(TimeFormat),
    "tolerance": TEXT,
}
_HEADER_PART: Keys = {"header": TEXT}
_BODY_PART: Keys = {"body_path": A_PATH}
_HMAC: Keys = {
    "scheme": {"const": "hmac"},
    "when": CONDITION,
    "header": one_or_list(_HEADER_NAME),
    "body_path": A_PATH,
    "format": map_of(_FORMAT),
    "prefix": one_or_list(SCALAR),
    "encoding": one_or_list(word_of(Encoding)),
    "algorithm": word_of(Algorithm),
    "content": one_or_list({"anyOf": [ANY_TEXT, map_of(_HEADER_PART), map_of(_BODY_PART)]}),
    "timestamp": map_of(_TIMESTAMP),
    "secret": _SECRET,
    "key": word_of(KeyForm),
    "key_prefix": TEXT,
}
_SHARED_TOKEN: Keys = {
    "scheme": {"const": "shared_token"},
    "when": CONDITION,
    "header": _HEADER_NAME,
    "query": TEXT,
    "body_path": A_PATH,
    "prefix": one_or_list(SCALAR),
    "secret": _SECRET,
}
_BASIC: Keys = {
    "scheme": {"const": "basic"},
    "when": CONDITION,
    "username": _SECRET,
    "secret": _SECRET,
}
_PROOF: Form = {
    "anyOf": [
        map_of(_HMAC, "scheme", "secret"),
        map_of(_SHARED_TOKEN, "scheme", "secret"),
        map_of(_BASIC, "scheme", "username", "secret"),
    ]
}
_ANY_OF: Keys = {"any_of": list_of(_PROOF)}
VERIFY: Form = {"anyOf": [{"const": "none"}, map_of(_ANY_OF, "any_of"), _PROOF]}


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
        reader.only(*_ANY_OF)
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
    below = Reader(node, reader.report, "E108").only(*_SETTING)
    name = below.text("setting", required=True)
    if name is not None:
        reader.report.uses_setting(name, below.at("setting"))
    return name


def _header(reader: Reader, node: Node) -> Header | None:
    """A header's name, or ``{setting: name, default: X}`` where the operator names it."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
        return Header(node.value)
    if isinstance(node, Map):
        below = Reader(node, reader.report, "E108").only(*_HEADER)
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
    reader.report.takes(node.place, 2 * path.effort)
    return BodyPath(text, _getter(path), items)


def _getter(path: Path) -> Getter:
    return lambda body: path.values(body) or []


def _hmac(reader: Reader) -> Hmac | None:
    reader.only(*_HMAC)
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
    below = Reader(node, reader.report, "E108").only(*_FORMAT)
    if (listed := below.map("list")) is not None:
        inner = Reader(listed, reader.report, "E108").only(*_LIST)
        return List(inner.text("separator", required=True) or ",", inner.text("tag") or "")
    if (paired := below.map("pairs")) is not None:
        inner = Reader(paired, reader.report, "E108").only(*_PAIRS)
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
            name = Reader(node, reader.report, "E108").only(*_HEADER_PART).text("header")
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
    below = Reader(node, reader.report, "E108").only(*_TIMESTAMP)
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
    reader.only(*_SHARED_TOKEN)
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
    reader.only(*_BASIC)
    username, secret = _setting(reader, "username"), _setting(reader, "secret")
    return None if username is None or secret is None else Basic(username, secret)
