"""A mapping file to a :class:`CompiledMapping`, or every problem in it at once.

Source: `schema.md` §6, which names the keys and the codes E001 to E108.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from onehook.core.durations import parse_duration
from onehook.core.jsontext import JsonValue, decode, decoder
from onehook.core.mapping.code import generated
from onehook.core.mapping.coerce import Get, nothing
from onehook.core.mapping.conditions import Condition, always, compile_condition
from onehook.core.mapping.document import CompiledMapping, Dedupe, Reply, SettingSpec
from onehook.core.mapping.extending import extended
from onehook.core.mapping.forms import (
    CONDITION,
    FIELDS,
    PATH,
    SCALAR,
    TEXT,
    VALUE,
    Keys,
    defined,
    list_of,
    map_of,
    names_to,
    one_or_list,
    word_of,
)
from onehook.core.mapping.handshakes import HANDSHAKE_FORM, compile_handshakes
from onehook.core.mapping.lets import Lets
from onehook.core.mapping.links import LINKS, compile_links
from onehook.core.mapping.problems import MappingError, Source
from onehook.core.mapping.proofs import VERIFY, compile_verify
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.reads import reads_of
from onehook.core.mapping.redactions import compile_redactions
from onehook.core.mapping.report import Report
from onehook.core.mapping.rules import RuleCompiler
from onehook.core.mapping.samples import TEST
from onehook.core.mapping.settings import SETTING, compile_settings
from onehook.core.mapping.source import Map, Scalar, parse
from onehook.core.mapping.tables import Table
from onehook.core.mapping.values import ValueCompiler
from onehook.core.schema.base import FieldSpec, Kind

FORMAT = "mapping/v1"
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,31}")
REPLY: Keys = {"accepted": {"enum": [200, 201, 202, 204]}, "error_field": TEXT}
DEDUPE: Keys = {"key": one_or_list(VALUE), "repeatable": one_or_list(CONDITION)}
IGNORE: Keys = {"when": CONDITION, "reason": TEXT}
TOP: Keys = {
    "onehook": {"const": FORMAT},
    "platform": {"type": "string", "pattern": f"^{_SLUG.pattern}$"},
    "version": TEXT,
    "setup": list_of(TEXT),
    "settings": names_to(map_of(SETTING)),
    "extends": TEXT,
    "disable": list_of(SCALAR),
    "verify": VERIFY,
    "handshake": list_of(HANDSHAKE_FORM),
    "answer_within": TEXT,
    "reply": map_of(REPLY),
    "dedupe": map_of(DEDUPE),
    "event_name": VALUE,
    "host": VALUE,
    "urn_case": word_of(("keep", "lower", "upper")),
    "links": map_of(LINKS),
    "redact": list_of(PATH),
    "tables": names_to(names_to(SCALAR)),
    "let": names_to(defined("part")),
    "shapes": names_to(FIELDS),
    "rules": list_of(defined("rule")),
    "ignore": list_of(map_of(IGNORE, "reason")),
    "tests": list_of(map_of(TEST, "name")),
}
_TEXT = FieldSpec("text", Kind.TEXT, required=False)


def compile_mapping(
    source: Source, parent_of: Callable[[str], Source | None] = lambda _name: None
) -> CompiledMapping:
    """Compile the mapping in *source*; *parent_of* finds the file that ``extends`` names.

    Raises:
        MappingError: with every problem in the file.
    """
    top = parse(source)
    report = Report()
    report.reads(source)
    top = extended(top, parent_of, report)
    mapping = _Document(top, source, report).compile()
    errors = [problem for problem in report.problems if not problem.is_warning]
    if errors:
        raise MappingError(errors)
    return mapping


class _Document:
    """Compiles the sections of one file."""

    def __init__(self, top: Map, source: Source, report: Report) -> None:
        self.top, self.source, self.report = top, source, report
        self.reader = Reader(top, report).only(*TOP)
        self.settings = compile_settings(self.reader.map("settings"), report)
        if "settings" in top.items:
            report.settings = tuple(self.settings)
        self.lets = Lets(self.reader.map("let"), report)
        self.values = ValueCompiler(report, self._tables(), self._shapes(), self.lets)

    def compile(self) -> CompiledMapping:
        reader, top = self.reader, self.top
        if reader.text("onehook") != FORMAT:
            message = f"onehook: {FORMAT} is missing, or another version"
            self.report("E003", reader.at("onehook"), message, f"this release reads {FORMAT}")
        platform = reader.text("platform", required=True) or ""
        if not _SLUG.fullmatch(platform):
            reader.problem("platform", "platform: is a slug: lower-case letters, digits and '-'")
        branch = RuleCompiler(self.report, self.values).compile(reader.items("rules"))
        for node in reader.items("tests"):
            if not isinstance(node, Map):
                self.report("E002", node.place, "a test is a map with name: and expect:")
        tests = tuple(node for node in reader.items("tests") if isinstance(node, Map))
        compiled = CompiledMapping(
            platform,
            reader.text("version", required=True) or "",
            self.source,
            self.settings,
            compile_verify(top.get("verify"), self.report, top),
            compile_handshakes(top.get("handshake"), self.report),
            self._answer_within(),
            self._reply(),
            self._dedupe(),
            self._value("event_name"),
            self._value("host"),
            reader.one_of("urn_case", ("keep", "lower", "upper"), "keep"),
            compile_links(top.get("links"), self.report),
            branch,
            self._ignores(),
            tests,
            self.values.tables,
            self.values.plans,
            self._decoder(),
            compile_redactions(self.reader.items("redact"), self.report),
            (),
            top,
            self._setup(),
        )
        if self.report.settings is None:  # declared by their use, none required but the secret
            for name in dict.fromkeys(self.report.used_settings):
                secret = name == "secret"
                self.settings[name] = SettingSpec(name, secret, secret, None, "", ())
        self._warn_of_unused()
        warnings = tuple(p for p in self.report.problems if p.is_warning)
        return replace(compiled, warnings=warnings)

    def _decoder(self) -> Callable[[bytes], JsonValue]:
        """What decodes of a body what the file looks at."""
        if any(not problem.is_warning for problem in self.report.problems):
            return decode  # the file is refused, and may hold what is too deep to follow
        return decoder(reads_of(self.top, self.values.shapes, self.values.lets.nodes).type())

    def _warn_of_unused(self) -> None:
        """W205, of this file: a mapping that it extends may be used in part only."""
        shapes, used, lets = self.values.shapes, self.values.objects.used, self.lets
        unused = [("shapes", "shape", name) for name in shapes if name not in used]
        unused += [("tables", "table", n) for n, t in self.values.tables.items() if not t.used]
        unused += [("let", "value", name) for name in lets.nodes if name not in lets.used]
        for section, what, name in unused:
            below = self.top.get(section)
            place = below.keys[name] if isinstance(below, Map) else self.top.place
            if place.source == self.source:
                message = f"nothing uses the {what} {name!r}"
                self.report("W205", place, message, "remove it")

    def _setup(self) -> tuple[str, ...]:
        steps: list[str] = []
        for node in self.reader.items("setup"):
            if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
                steps.append(node.value)
            else:
                self.report("E002", node.place, "setup: is a list of steps, each a text")
        return tuple(steps)

    def _tables(self) -> dict[str, Table]:
        tables: dict[str, Table] = {}
        node = self.reader.map("tables")
        for name, below in (node.items if node else {}).items():
            if not isinstance(below, Map):
                self.report("E002", below.place, "a table is a map of source values to ours")
                continue
            rows = {k: v.value for k, v in below.items.items() if isinstance(v, Scalar)}
            for key, value in below.items.items():
                if not isinstance(value, Scalar):
                    self.report("E002", value.place, f"table row {key!r} is no scalar")
            tables[name] = Table(name, rows, below)
        return tables

    def _shapes(self) -> dict[str, Map]:
        shapes: dict[str, Map] = {}
        node = self.reader.map("shapes")
        for name, below in (node.items if node else {}).items():
            if isinstance(below, Map):
                shapes[name] = below
            else:
                self.report("E002", below.place, "a shape is a map of fields")
        return shapes

    def _value(self, key: str) -> Get:
        node = self.top.get(key)
        return nothing if node is None else generated(self.values.typed(node, _TEXT), key)

    def _answer_within(self) -> timedelta:
        text = self.reader.text("answer_within")
        found = parse_duration(text or "8s")
        if found is None or not timedelta(milliseconds=500) <= found <= timedelta(seconds=60):
            self.reader.problem("answer_within", "answer_within: is a duration up to 60s, e.g. 8s")
            return timedelta(seconds=8)
        return found

    def _reply(self) -> Reply:
        node = self.reader.map("reply")
        if node is None:
            return Reply()
        reader = Reader(node, self.report).only(*REPLY)
        given = reader.node_of("accepted")
        accepted = given.value if isinstance(given, Scalar) else 202
        if isinstance(accepted, bool) or accepted not in (200, 201, 202, 204):
            reader.problem("accepted", "accepted: is 200, 201, 202 or 204")
            accepted = 202
        return Reply(int(accepted or 202), reader.text("error_field"))

    def _dedupe(self) -> Dedupe:
        node = self.reader.map("dedupe")
        if node is None:
            return Dedupe((), ())
        reader = Reader(node, self.report).only(*DEDUPE)
        return Dedupe(
            tuple(
                generated(self.values.typed(part, _TEXT), "dedupe") for part in reader.items("key")
            ),
            tuple(
                generated(compile_condition(n, self.report), "repeatable")
                for n in reader.items("repeatable")
            ),
        )

    def _ignores(self) -> tuple[tuple[Condition, str], ...]:
        found: list[tuple[Condition, str]] = []
        for node in self.reader.items("ignore"):
            if not isinstance(node, Map):
                self.report("E002", node.place, "ignore: holds {when, reason}")
                continue
            reader = Reader(node, self.report).only(*IGNORE)
            when = node.get("when")
            condition = always if when is None else compile_condition(when, self.report)
            if found and found[-1][0] is always:
                message = "this is never asked: the entry before it takes everything"
                self.report("W207", node.place, message, "move it up, or give that one a when:")
            reason = reader.text("reason", required=True) or ""
            found.append((generated(condition, "ignore"), reason))
        return tuple(found)
