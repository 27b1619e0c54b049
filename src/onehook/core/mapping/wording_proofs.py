"""How a vendor proves itself, in words: the ``verify`` and ``handshake`` sections as Markdown."""

from collections.abc import Iterator
from typing import assert_never

from onehook.core.durations import render_duration
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.source import Map, Node, Seq, plain
from onehook.core.mapping.wording import code, condition, listed
from onehook.core.signatures import (
    Basic,
    BodyPath,
    ContentPart,
    Header,
    HeaderPart,
    Hmac,
    KeyForm,
    List,
    Literal,
    Pairs,
    Part,
    Plain,
    Proof,
    Query,
    SharedToken,
    Timestamp,
)

_PARTS = {
    Part.BODY: "the raw body",
    Part.TIMESTAMP: "the timestamp",
    Part.METHOD: "the method",
    Part.URL: "the URL as it was called",
    Part.PATH: "the path",
    Part.QUERY: "the query",
}


def proofs(mapping: CompiledMapping) -> list[str]:
    """How a webhook of *mapping* is verified, a paragraph or list item each."""
    section = mapping.verify
    if section.unsigned:
        return ["Nothing proves the sender: whoever knows the ingest URL can send."]
    stated = [_proof(proof) for _, proof in section.choices]
    if len(stated) == 1:
        return stated
    whens = [_when(node) for node in _alternatives(mapping.document.get("verify"))]
    lead = "The first of these whose header was sent decides, alone:"
    return [lead, *(f"- {when}{text}" for when, text in zip(whens, stated, strict=True))]


def proof_names(mapping: CompiledMapping) -> list[str]:
    """Each proof in three words, for a table: ``HMAC in `X-Signature```."""
    if mapping.verify.unsigned:
        return ["none"]
    return [_name(proof) for _, proof in mapping.verify.choices]


def signs_bytes(mapping: CompiledMapping) -> bool:
    """Whether a proof of *mapping* covers what was sent, and not only who sent it."""
    return any(isinstance(proof, Hmac) for _, proof in mapping.verify.choices)


def _name(proof: Proof) -> str:
    if isinstance(proof, Basic):
        return "basic authentication"
    kind = "HMAC" if isinstance(proof, Hmac) else "token"
    places = proof.where if isinstance(proof.where, tuple) else (proof.where,)
    return f"{kind} in {listed((_short(place) for place in places), 'or')}"


def _short(where: Header | Query | BodyPath) -> str:
    return code(where.text if isinstance(where, BodyPath) else where.name)


def _alternatives(node: Node | None) -> tuple[Node, ...]:
    below = node.get("any_of") if isinstance(node, Map) else None
    return below.items if isinstance(below, Seq) else ()


def _when(node: Node) -> str:
    when = node.get("when") if isinstance(node, Map) else None
    return "" if when is None else f"If {condition(when)}: "


def _proof(proof: Proof) -> str:
    match proof:
        case Hmac():
            return " ".join(_hmac(proof))
        case SharedToken():
            return (
                f"{_place(proof.where)} holds {_after(proof.prefixes)}the secret itself, the "
                f"setting {code(proof.secret)}. It proves who sent, and nothing of what was sent."
            )
        case Basic():
            return (
                f"Basic authentication: the user name is the setting {code(proof.username)}, the "
                f"password the setting {code(proof.secret)}. It proves nothing of what was sent."
            )
        case _ as never:
            assert_never(never)


def _hmac(proof: Hmac) -> Iterator[str]:
    encoding = listed((word.value for word in proof.encodings), "or")
    signature = (
        f"the HMAC-{proof.algorithm.value.upper()} of {_content(proof.content)}, in {encoding}"
    )
    place = (
        listed((_place(w) for w in proof.where), "or")
        if isinstance(proof.where, tuple)
        else (_place(proof.where))
    )
    yield f"{place} holds {_form(proof.format, signature)}."
    yield _key(proof)
    if proof.timestamp is not None:
        yield _age(proof.timestamp)


def _place(where: Header | Query | BodyPath) -> str:
    match where:
        case Header(name=name, setting=None):
            return f"Header {code(name)}"
        case Header(name=name, setting=setting):
            return (
                f"The header that the setting {code(setting or '')} names (by default {code(name)})"
            )
        case Query(name=name):
            return f"The query parameter {code(name)}"
        case BodyPath(text=text):
            return f"{code(text)} of the body"
        case _ as never:
            assert_never(never)


def _after(prefixes: tuple[str, ...]) -> str:
    named = [code(prefix.strip()) for prefix in prefixes if prefix]
    if not named:
        return ""
    return f"{'perhaps ' if '' in prefixes else ''}{listed(named, 'or')} and "


def _form(form: Plain | List | Pairs, signature: str) -> str:
    match form:
        case Plain(prefixes=prefixes):
            return _after(prefixes) + signature
        case List(separator=separator, tag=tag):
            by = "spaces" if separator == " " else code(separator)
            return (
                f"entries between {by}; one of those that begin with {code(tag)} must go on with "
                f"{signature}"
            )
        case Pairs(signatures=names):
            return f"pairs; one named {listed(map(code, names), 'or')} must be {signature}"
        case _ as never:
            assert_never(never)


def _content(parts: tuple[ContentPart, ...]) -> str:
    return listed((_part(part) for part in parts), "and")


def _part(part: ContentPart) -> str:
    match part:
        case Part():
            return _PARTS[part]
        case Literal(text=text):
            return code(text.decode(errors="replace"))
        case HeaderPart(name=name):
            return f"header {code(name)}"
        case BodyPath(text=text):
            return code(text)
        case _ as never:
            assert_never(never)


def _key(proof: Hmac) -> str:
    cut = f", what follows {code(proof.key_prefix)} in it" if proof.key_prefix else ""
    decoded = "" if proof.key is KeyForm.UTF8 else f", decoded from {proof.key.value}"
    return f"The key is the setting {code(proof.secret)}{cut}{decoded}."


def _age(timestamp: Timestamp) -> str:
    source = "a pair of it" if timestamp.source is None else _place(timestamp.source)
    where = source[0].lower() + source[1:]
    return (
        f"The timestamp ({where}, {timestamp.format.value}) may be "
        f"{render_duration(timestamp.tolerance)} away from the gateway's clock."
    )


def handshakes(mapping: CompiledMapping) -> list[str]:
    """What is answered to requests that are no events, a list item each."""
    node = mapping.document.get("handshake")
    nodes = node.items if isinstance(node, Seq) else ()
    return [f"- {_handshake(one)}" for one in nodes if isinstance(one, Map)]


def _handshake(node: Map) -> str:
    match, answer, verify = node.get("match"), node.get("answer"), node.get("verify")
    given = answer.items if isinstance(answer, Map) else {}
    status, body = given.get("status"), given.get("body")
    wanted = " and ".join(_wanted(match)) if isinstance(match, Map) else ""
    first = "once the proof fits" if _text(verify) == "True" else "before any proof"
    content = "" if body is None else f" and {code(_text(body))}"
    method = _text(node.get("method"), "POST")
    return f"{method} with {wanted}: {_text(status, '200')}{content}, {first}."


def _wanted(match: Map) -> Iterator[str]:
    for key, node in match.items.items():
        if key == "body":
            yield f"a body where {condition(node)}" if isinstance(node, Map) else "an empty body"
        else:
            yield f"the {'query parameter' if key == 'query' else key} {code(_text(node))}"


def _text(node: Node | None, default: str = "") -> str:
    return default if node is None else str(plain(node))
