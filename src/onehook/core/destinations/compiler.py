"""A destination's file to a :class:`Destination`, or every problem in it at once.

The file is read as mapping files are, and its problems carry the same codes.
"""

import re

from onehook.core.destinations.document import WEB, Defaults, Destination, Success, UrlSpec
from onehook.core.destinations.trees import compile_text, compile_tree, compile_words
from onehook.core.flow import PauseAfter
from onehook.core.mapping.conditions import always, compile_condition
from onehook.core.mapping.problems import MappingError, Source
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.settings import compile_settings
from onehook.core.mapping.source import Map, Scalar, parse
from onehook.core.profiles.headers import name_problem
from onehook.core.profiles.outlet import RenderBody, RenderText, TypeNames
from onehook.core.profiles.table import PREFIX_PATTERN, PROFILES
from onehook.core.retry import Retry, make_retry, parse_delay, preset
from onehook.core.routing import pattern_problem

FORMAT = "destination/v1"
TYPE_NAMES: tuple[TypeNames, ...] = ("unified", "alias")
SCHEMES = ("https", "http", "smtps", "smtp")
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOP = (
    "onehook", "name", "settings", "url", "defaults", "events", "headers", "body", "success",
    "tests",
)  # fmt: skip
_ANY_PREFIX = "{{ prefix }}"
_REPLACEABLE = tuple(f"x-{_ANY_PREFIX}-{end}" for end in ("event", "delivery"))


def compile_destination(source: Source) -> Destination:
    """Compile the destination in *source*.

    Raises:
        MappingError: with every problem in the file.
    """
    top = parse(source, "a destination's file", f"onehook: {FORMAT}")
    report = Report()
    report.reads(source)
    found = _Document(top, source, report).compile()
    if report.problems:
        raise MappingError(report.problems)
    return found


class _Document:
    """Compiles the sections of one file."""

    def __init__(self, top: Map, source: Source, report: Report) -> None:
        self.top, self.source, self.report = top, source, report
        self.reader = Reader(top, report).only(*_TOP)

    def compile(self) -> Destination:
        reader = self.reader
        if reader.text("onehook") != FORMAT:
            message = f"onehook: {FORMAT} is missing, or another version"
            self.report("E003", reader.at("onehook"), message, f"this release reads {FORMAT}")
        name = reader.text("name", required=True) or ""
        if not _SLUG.fullmatch(name):
            reader.problem("name", "name: is a slug: lower-case letters, digits and '-'")
        settings = compile_settings(reader.map("settings"), self.report)
        self.report.settings = tuple(settings)
        body, defaults = self._body(), self._defaults()
        return Destination(
            name=name,
            source=self.source,
            settings=settings,
            url=self._url(),
            defaults=defaults,
            events=self._events(),
            headers=self._headers(defaults),
            header_names=tuple(self._header_map().items),
            body=body,
            success=self._success(),
            tests=self._tests(),
        )

    def _body(self) -> RenderBody | None:
        node = self.reader.node_of("body")
        return None if node is None else compile_tree(node, self.report)

    def _url(self) -> UrlSpec:
        node = self.reader.map("url")
        if node is None:
            return UrlSpec()
        reader = Reader(node, self.report).only("secret", "default", "schemes")
        schemes = [n.value if isinstance(n, Scalar) else None for n in reader.items("schemes")]
        if not set(schemes) <= set(SCHEMES):
            reader.problem("schemes", f"schemes: holds some of {', '.join(SCHEMES)}")
        default = reader.text("default")
        if default is not None and default.partition("://")[0] not in SCHEMES:
            reader.problem("default", "default: is a URL")
        chosen = tuple(map(str, schemes)) or WEB
        return UrlSpec(reader.flag("secret", default=False), default, chosen)

    def _defaults(self) -> Defaults:
        node = self.reader.map("defaults")
        if node is None:
            return Defaults()
        reader = Reader(node, self.report).only(
            "profile", "prefix", "type_names", "retry", "pause_after"
        )
        prefix = reader.text("prefix")
        if prefix is not None and not re.fullmatch(PREFIX_PATTERN, prefix):
            reader.problem("prefix", "prefix: is 1 to 32 of a-z, 0-9 and -")
        profile = reader.one_of("profile", tuple(PROFILES), "")
        names = reader.one_of("type_names", TYPE_NAMES, "")
        return Defaults(
            next((known for known in PROFILES if known == profile), None),
            prefix,
            next((known for known in TYPE_NAMES if known == names), None),
            self._retry(reader),
            self._pause_after(reader),
        )

    def _retry(self, reader: Reader) -> Retry | None:
        node = reader.node_of("retry")
        if node is None:
            return None
        items = reader.items("retry")
        given = [str(one.value) if isinstance(one, Scalar) else "" for one in items]
        try:
            if isinstance(node, Scalar):
                return preset(given[0])
            for one, text in zip(items, given, strict=True):
                node = one  # a problem is reported where it is
                parse_delay(text)
            return make_retry(given)
        except ValueError as error:
            self.report("E002", node.place, f"retry: {error}")
            return None

    def _pause_after(self, reader: Reader) -> PauseAfter | None:
        node = reader.map("pause_after")
        if node is None:
            return None
        counts = Reader(node, self.report).only("deliveries", "attempts")
        found = PauseAfter(counts.count("deliveries"), counts.count("attempts"))
        if not node.keys:
            reader.problem("pause_after", "pause_after: has deliveries, attempts or both")
        return found

    def _events(self) -> tuple[str, ...]:
        found: list[str] = []
        for node in self.reader.items("events"):
            pattern = str(node.value) if isinstance(node, Scalar) else ""
            problem = pattern_problem(pattern)
            if problem is not None:
                self.report("E105", node.place, problem)
            found.append(pattern)
        return tuple(found)

    def _header_map(self) -> Map:
        return self.reader.map("headers") or Map(self.top.place, {})

    def _headers(self, defaults: Defaults) -> tuple[tuple[RenderText, RenderText], ...]:
        node = self._header_map()
        found: list[tuple[RenderText, RenderText]] = []
        for name, value in node.items.items():
            place = node.keys[name]
            plain = name.replace(_ANY_PREFIX, "p")
            problem = name_problem(plain, "p")
            if problem is not None and name.lower() not in _REPLACEABLE:
                self.report("E002", place, f"the header {name} {problem}")
            if plain.lower() == "authorization" and defaults.profile == "bearer":
                self.report("E002", place, "the profile bearer sends this header itself")
            key = Scalar(place, name, plain=True)
            found.append((compile_words(name, key, self.report), compile_text(value, self.report)))
        return tuple(found)

    def _success(self) -> Success | None:
        node = self.reader.map("success")
        if node is None:
            return None
        reader = Reader(node, self.report).only("status", "when")
        statuses: set[int] = set()
        for one in reader.items("status"):
            status = one.value if isinstance(one, Scalar) else None
            if isinstance(status, int) and 200 <= status <= 299:
                statuses.add(status)
            else:
                self.report("E002", one.place, "status: holds numbers from 200 to 299")
        when = reader.node_of("when")
        condition = always if when is None else compile_condition(when, self.report)
        return Success(frozenset(statuses), condition)

    def _tests(self) -> tuple[Map, ...]:
        found: list[Map] = []
        for node in self.reader.items("tests"):
            if isinstance(node, Map):
                found.append(node)
            else:
                self.report("E002", node.place, "a test is a map with name: and event:")
        return tuple(found)
