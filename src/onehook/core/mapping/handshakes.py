"""The ``handshake`` section: requests that are no events, and how they are answered.

Source: `vendors/signatures.md` §3. Problems are E108.
"""

from dataclasses import dataclass

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.conditions import Condition, compile_condition
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import CONDITION, FLAG, TEMPLATE, TEXT, Form, Keys, map_of, word_of
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.template_values import Render
from onehook.core.mapping.templates import TemplateError, compile_template
from onehook.core.model import Webhook

MAX_ECHO = 512  # characters of a challenge that are given back; threats.md A14
_METHODS = ("GET", "POST")
_TYPES = ("text/plain", "application/json")
MATCH: Keys = {
    "header": TEXT,
    "query": TEXT,
    "body": {"anyOf": [{"const": "empty"}, CONDITION]},
}
ANSWER: Keys = {
    "status": {"type": "integer", "minimum": 200, "maximum": 299},
    "content_type": word_of(_TYPES),
    "body": TEMPLATE,
}
HANDSHAKE: Keys = {
    "method": word_of(_METHODS),
    "match": {**map_of(MATCH), "minProperties": 1},
    "verify": FLAG,
    "answer": map_of(ANSWER),
}
HANDSHAKE_FORM: Form = map_of(HANDSHAKE, "match", "verify", "answer")


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
    reader = Reader(node, report, "E108").only(*HANDSHAKE)
    method = reader.one_of("method", _METHODS, "POST")
    match, answer = reader.map("match"), reader.map("answer")
    if match is None or answer is None or not match.items:
        report("E108", node.place, "a handshake needs match: and answer:")
        return None
    matching = Reader(match, report, "E108").only(*MATCH)
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
        *_answer(Reader(answer, report, "E108").only(*ANSWER)),
    )


def _answer(reader: Reader) -> tuple[int, str, Render]:
    status = reader.node_of("status")
    code = status.value if isinstance(status, Scalar) else 200
    if not isinstance(code, int) or not 200 <= code <= 299:
        reader.problem("status", "status: is a number from 200 to 299")
        code = 200
    content_type = reader.one_of("content_type", _TYPES, "text/plain")
    try:
        template = compile_template(reader.text("body") or "", frozenset({"body", "item", "value"}))
    except TemplateError as problem:
        reader.report("E103", reader.at("body"), str(problem), problem.hint)
        template = compile_template("", frozenset[str]())
    return code, content_type, template.render
