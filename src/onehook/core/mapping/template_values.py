"""The parts of a template, compiled: each to a function of the template's variables.

Each is a closure, with the expression of ``code.py`` that gives the same: no text of a template
stands in those. Where something is undefined, a part raises, and the template comes to null.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, cast

from jinja2 import nodes

from onehook.core.mapping.code import Code, Expression, inlined
from onehook.core.mapping.template_filters import (
    FILTERS,
    MAX_OUTPUT,
    OF_TEXT,
    UNDEFINED,
    NothingError,
    Undefined,
    bounded,
    text_of,
)
from onehook.core.model import FirstValues, clean_text

_ARGUMENTS = "variables"  # what the parts of a template are functions of
_OWN = "of_"  # the variable of a template's function that holds one of the template's
_FEW = 5  # pieces of a template that are put together without a call
_PROBLEMS = (NothingError, TypeError, ValueError, OverflowError)

Variables = Mapping[str, object]
Render = Callable[[Variables], str | None]
Evaluate = Callable[[Variables], object]


def evaluated(evaluate: Evaluate, variables: Variables) -> object:
    """What an expression comes to; UNDEFINED where something in it is not there."""
    try:
        return evaluate(variables)
    except _PROBLEMS:
        return UNDEFINED


def renderer(
    tree: nodes.Template, signature: str = "", variables: Mapping[str, str] | None = None
) -> Any:
    """One function for the whole template *tree*, which was checked.

    It is one of the variables; or of *signature*, for which *variables* has an expression for each.
    """
    code = Code(_ARGUMENTS, signature)
    code.names.update(problems=_PROBLEMS, undefined=UNDEFINED, whole=_whole)
    code.add("try:")
    pieces = [_piece(code, node) for node in pieces_of(tree)]
    _join(code, pieces)
    code.add("except problems:", "    return None")
    if variables is not None:
        named = {_OWN + name: text for name, text in variables.items()}
        code.local = {own: named[own] for own in code.local}
        if any(f"({_ARGUMENTS})" in line for line in code.lines):  # some of it is a call
            whole = ", ".join(f"{name!r}: {text}" for name, text in variables.items())
            code.local[_ARGUMENTS] = f"{{{whole}}}"
    return code.function("template")


def pieces_of(tree: nodes.Template) -> list[nodes.Expr]:
    """The texts and expressions of a template, in order."""
    return [node for output in tree.body for node in cast("nodes.Output", output).nodes]


def _join(code: Code, pieces: Sequence[str]) -> None:
    """Return the text that *pieces* come to: where few are texts, as most are, without a call."""
    if 0 < len(pieces) <= _FEW:
        names = [code.variable() for _ in pieces]
        code.add(*(f"    {n} = {piece}" for n, piece in zip(names, pieces, strict=True)))
        fits = "".join(f"type({name}) is str and " for name in names)
        size = " + ".join(f"len({name})" for name in names)
        text = names[0] if len(names) == 1 else f"f'{{{'}{'.join(names)}}}'"
        code.add(f"    if {fits}{size} <= {MAX_OUTPUT}: return {text}")
        pieces = names
    code.add(f"    return whole(({''.join(f'{piece}, ' for piece in pieces)}))")


def _whole(pieces: Sequence[object]) -> str | None:
    """The text that *pieces* come to; None if one of them has nothing to show, or it is too long.

    Raises:
        NothingError: one of them is a list or an object.
    """
    texts: list[str] = []
    for piece in pieces:
        if piece is None or piece is UNDEFINED:
            return None
        texts.append(piece if type(piece) is str else text_of(piece))
    return "".join(texts) if sum(map(len, texts)) <= MAX_OUTPUT else None


def _piece(code: Code, node: nodes.Expr) -> str:
    """An expression for what *node* comes to."""
    if isinstance(node, nodes.TemplateData):
        return code.name(node.data)
    return code.take(_guarded(code, node))


def _guarded(code: Code, node: nodes.Expr) -> Evaluate:
    """The function of *node*; the template ends before a filter that needs what is not there.

    It would end there anyway, by an exception, which costs more than all the rest.
    """
    if not isinstance(node, nodes.Filter) or node.name not in OF_TEXT or node.node is None:
        return compile_node(node)
    of, value = _guarded(code, node.node), code.variable()
    code.add(
        f"    {value} = {code.take(of)}",
        f"    if {value} is None or {value} is undefined: return None",
    )
    return _filtered(node, of, Expression(value, {}))


def _text(of: Evaluate) -> Evaluate:
    """What *of* comes to, as text."""
    return _inlined(
        lambda variables: text_of(of(variables)),
        "($v if type($v := $of) is str else $text_of($v))",
        {"of": of},
        {"text_of": text_of},
    )


def _inlined(
    function: Evaluate,
    form: str,
    parts: Mapping[str, Evaluate | Expression] | None = None,
    values: Mapping[str, object] | None = None,
) -> Evaluate:
    return inlined(function, form, parts, values, _ARGUMENTS)


def _constant(value: object) -> Evaluate:
    return _inlined(lambda _variables: value, "$value", values={"value": value})


def compile_node(node: nodes.Expr) -> Evaluate:
    """The function that works out the expression *node*, which was checked."""
    return _COMPILERS[type(node)](node)


def _name(node: Any) -> Evaluate:
    name: str = node.name
    own = _OWN + name
    there = Expression(
        own, {"undefined": UNDEFINED}, 0, {own: f"variables.get({name!r}, undefined)"}
    )
    return _inlined(lambda variables: variables.get(name, UNDEFINED), "$there", {"there": there})


def _getattr(node: Any) -> Evaluate:
    return _member(compile_node(node.node), _constant(node.attr))


def _getitem(node: Any) -> Evaluate:
    return _member(compile_node(node.node), compile_node(node.arg))


def _member(of: Evaluate, key: Evaluate) -> Evaluate:
    return _inlined(
        lambda variables: member(of(variables), key(variables)),
        "($v.get($key, $undefined) if type($v := $of) is dict else"
        " $undefined if $v is None or $v is $undefined or type($v) is str else $member($v, $key))",
        {"of": of, "key": key},
        {"member": member, "undefined": UNDEFINED},
    )


def member(value: object, key: object) -> object:
    """The member *key* of a map or list; UNDEFINED where there is none."""
    if type(value) is dict or type(value) is FirstValues:
        return cast("Mapping[object, object]", value).get(key, UNDEFINED)
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        items = cast("Sequence[object]", value)
        return items[key] if -len(items) <= key < len(items) else UNDEFINED
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(key, UNDEFINED)
    return UNDEFINED


def _filter(node: Any) -> Evaluate:
    return _filtered(node, compile_node(node.node))


def _filtered(node: Any, of: Evaluate, value: Expression | None = None) -> Evaluate:
    """The filter *node* of what *of* comes to; *value* is the same, where it is known already."""
    function = FILTERS[node.name]
    arguments = tuple(compile_node(argument) for argument in node.args)
    more = {f"argument{at}": argument for at, argument in enumerate(arguments)}
    return _inlined(
        lambda variables: function(of(variables), *[a(variables) for a in arguments]),
        f"$function({', '.join(['$of', *(f'${name}' for name in more)])})",
        {"of": value or of, **more},
        {"function": function},
    )


def _truth(value: object) -> bool:
    if isinstance(value, Undefined):
        raise NothingError
    return bool(value)


def _condition(node: Any) -> Evaluate:
    test, yes = compile_node(node.test), compile_node(node.expr1)
    no = _constant(UNDEFINED) if node.expr2 is None else compile_node(node.expr2)
    return _inlined(
        lambda variables: (yes if _truth(test(variables)) else no)(variables),
        "($yes if $truth($test) else $no)",
        {"test": test, "yes": yes, "no": no},
        {"truth": _truth},
    )


def _is_in(part: Any, whole: Any) -> bool:
    if isinstance(whole, str):
        bounded(len(whole))
    return part in whole


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "ne": ne,
    "gt": gt,
    "gteq": ge,
    "lt": lt,
    "lteq": le,
    "in": _is_in,
    "notin": lambda a, b: not _is_in(a, b),
}


def _compare(node: Any) -> Evaluate:
    first = compile_node(node.expr)
    rest = tuple((_OPERATORS[operand.op], compile_node(operand.expr)) for operand in node.ops)

    def compare(variables: Variables) -> bool:
        left = first(variables)
        for operator, expression in rest:
            right = expression(variables)
            if not _holds(operator, left, right):
                return False
            left = right
        return True

    (operator, second), *more = rest
    if more:
        return compare
    form = "$holds($operator, $first, $second)"
    values = {"holds": _holds, "operator": operator}
    return _inlined(compare, form, {"first": first, "second": second}, values)


def _holds(operator: Callable[[Any, Any], bool], left: object, right: object) -> bool:
    """Whether *left* and *right* compare so.

    Raises:
        NothingError: one of them is not there.
    """
    if left is UNDEFINED or right is UNDEFINED:
        raise NothingError
    return operator(left, right)


def _and(node: Any) -> Evaluate:
    left, right = compile_node(node.left), compile_node(node.right)

    def both(variables: Variables) -> object:
        value = left(variables)
        return right(variables) if _truth(value) else value

    form = "($right if $truth($v := $left) else $v)"
    return _inlined(both, form, {"left": left, "right": right}, {"truth": _truth})


def _or(node: Any) -> Evaluate:
    left, right = compile_node(node.left), compile_node(node.right)

    def either(variables: Variables) -> object:
        value = left(variables)
        return value if _truth(value) else right(variables)

    form = "($v if $truth($v := $left) else $right)"
    return _inlined(either, form, {"left": left, "right": right}, {"truth": _truth})


def _not(node: Any) -> Evaluate:
    of = compile_node(node.node)
    return _inlined(
        lambda variables: not _truth(of(variables)),
        "(not $truth($of))",
        {"of": of},
        {"truth": _truth},
    )


def _concat(node: Any) -> Evaluate:
    texts = [_text(compile_node(part)) for part in node.nodes]
    parts = {f"part{at}": text for at, text in enumerate(texts)}
    form = f"$joined(({''.join(f'${name}, ' for name in parts)}))"
    if len(texts) <= _FEW:
        size = " + ".join(f"len(${{v}}{name} := ${name})" for name in parts)
        own = [f"${{v}}{name}" for name in parts]
        text = "".join(f"{{{name}}}" for name in own)
        form = f"(f'{text}' if {size} <= {MAX_OUTPUT} else $joined(({', '.join(own)},)))"
    return _inlined(
        lambda variables: _joined([text(variables) for text in texts]),
        form,
        parts,
        {"joined": _joined},
    )


def _joined(texts: Any) -> str:
    """*texts* in one.

    Raises:
        NothingError: it grows too long.
    """
    bounded(sum(map(len, texts)))
    return "".join(texts)


def _list(node: Any) -> Evaluate:
    items = tuple(compile_node(item) for item in node.items)
    return lambda variables: [item(variables) for item in items]


def _const(node: Any) -> Evaluate:
    value: object = node.value
    # Jinja2 reads '\\ud800' as half a character, which nothing can write.
    return _constant(clean_text(value) if isinstance(value, str) else value)


_COMPILERS: Mapping[type[nodes.Node], Callable[[Any], Evaluate]] = {
    nodes.Name: _name,
    nodes.Getattr: _getattr,
    nodes.Getitem: _getitem,
    nodes.Const: _const,
    nodes.Filter: _filter,
    nodes.CondExpr: _condition,
    nodes.Compare: _compare,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.Concat: _concat,
    nodes.List: _list,
}
