"""``extends`` and ``disable``: a mapping laid over another one, before anything is compiled."""

from collections.abc import Callable, Iterator

from onehook.core.mapping.problems import Source, nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq, merge, parse, plain


def extended(top: Map, parent_of: Callable[[str], Source | None], report: Report) -> Map:
    """*top* laid over the mapping it extends: maps by key, rules by id, lists replace."""
    name = top.get("extends")
    if name is None:
        if "disable" in top.items:
            report("E104", top.keys["disable"], "disable: removes rules of the mapping it extends")
        return top
    parent = parent_of(str(name.value)) if isinstance(name, Scalar) else None
    if parent is None or parent == top.place.source:
        shown = plain(name)
        report("E104", name.place, f"there is no mapping {shown!r} to extend")
        return top
    under = parse(parent)
    report.reads(parent)
    if "extends" in under.items:
        report("E104", name.place, "one level only: that mapping extends another itself")
    merged = dict(under.items)
    for key, value in top.items.items():
        before = merged.get(key)
        if key == "rules" and isinstance(before, Seq) and isinstance(value, Seq):
            merged[key] = _merge_rules(before, value)
        elif key in ("tables", "shapes", "settings", "let") and isinstance(before, Map):
            merged[key] = _merge_deep(before, value)
        elif key == "tests":
            merged[key] = value
        else:
            merged[key] = value if before is None else merge(before, value)
    if "tests" not in top.items:
        merged.pop("tests", None)  # the parent's tests hold for the parent
    result = Map(top.place, merged, {**under.keys, **top.keys})
    return _disabled(result, report)


def _merge_deep(under: Map, over: Node) -> Node:
    if not isinstance(over, Map):
        return over
    items = dict(under.items)
    for key, value in over.items.items():
        items[key] = merge(items[key], value) if key in items else value
    return Map(over.place, items, {**under.keys, **over.keys})


def _rule_id(node: Node) -> str | None:
    found = node.get("id") if isinstance(node, Map) else None
    return str(found.value) if isinstance(found, Scalar) else None


def _merge_rules(under: Seq, over: Seq) -> Seq:
    items: list[Node] = list(under.items)
    places: dict[str | None, int] = {}
    for at, item in enumerate(items):
        places.setdefault(_rule_id(item), at)
    for rule in over.items:
        name = _rule_id(rule)
        if name is not None and name in places:
            items[places[name]] = merge(items[places[name]], rule)
        else:
            items.append(rule)
    return Seq(over.place, tuple(items))


def _disabled(top: Map, report: Report) -> Map:
    names = top.get("disable")
    rules = top.get("rules")
    if names is not None and not isinstance(names, Seq):
        report("E002", names.place, "disable: is a list of rule ids")
    if not isinstance(names, Seq) or not isinstance(rules, Seq):
        return top
    known = set(_all_ids(rules))
    unwanted: set[str] = set()
    for name in names.items:
        text = str(name.value) if isinstance(name, Scalar) else ""
        if text not in known:
            report("E104", name.place, f"there is no rule {text!r}", nearest(text, known))
        unwanted.add(text)
    return Map(top.place, {**top.items, "rules": _without(rules, unwanted)}, top.keys)


def _all_ids(rules: Seq) -> Iterator[str]:
    for rule in rules.items:
        name = _rule_id(rule)
        if name is not None:
            yield name
        below = rule.get("rules") if isinstance(rule, Map) else None
        if isinstance(below, Seq):
            yield from _all_ids(below)


def _without(rules: Seq, unwanted: set[str]) -> Seq:
    kept: list[Node] = []
    for rule in rules.items:
        if _rule_id(rule) in unwanted:
            continue
        below = rule.get("rules") if isinstance(rule, Map) else None
        if isinstance(rule, Map) and isinstance(below, Seq):
            items = {**rule.items, "rules": _without(below, unwanted)}
            kept.append(Map(rule.place, items, rule.keys))
        else:
            kept.append(rule)
    return Seq(rules.place, tuple(kept))
