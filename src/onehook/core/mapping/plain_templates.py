"""Templates of members, texts and defaults: an expression each, as most are no more than that.

What it says is what ``template_values.py`` makes of the same template; a call of that is what is
left for members that are no text.
"""

from typing import Any

from jinja2 import nodes

from onehook.core.mapping.code import SAFE_INTEGER, Expression, filled, inlined, lookup_of
from onehook.core.mapping.coerce import Get
from onehook.core.mapping.template_filters import MAX_OUTPUT
from onehook.core.mapping.template_values import pieces_of
from onehook.core.model import clean_text

_ABSOLUTE = {"item": False, "body": True}  # the variables whose members are looked up
_FEW = 5  # members: beyond that the call is the smaller part


def inlined_template(tree: nodes.Template, render: Get) -> Get:
    """*render*, the function of *tree*, carrying an expression where the template is plain."""
    parts: dict[str, Expression] = {}
    texts: dict[str, str] = {}
    for at, node in enumerate(pieces_of(tree)):
        if isinstance(node, nodes.TemplateData):
            texts[f"text{at}"] = node.data
        elif (found := _plain(node)) is not None:
            parts[f"part{at}"] = found
        else:
            return render
    if not 0 < len(parts) <= _FEW:
        return render
    own = {name: f"${{v}}{name}" for name in parts}
    nothing = " or ".join(f"({own[name]} := ${name}) is None" for name in parts)
    room = (MAX_OUTPUT - sum(map(len, texts.values()))) // len(parts)
    fits = " and ".join(
        f"(type({name}) is str and len({name}) <= {room} or {SAFE_INTEGER.format(name)})"
        for name in own.values()
    )
    every = sorted([*parts, *texts], key=lambda name: int(name[4:]))
    shown = "".join(f"{{{own.get(name, f'${name}')}}}" for name in every)
    text = f"f'{shown}'"
    return inlined(
        render,
        f"(None if {nothing} else {text} if {fits} else $whole(item, context))",
        parts,
        {**texts, "whole": render},
    )


def _plain(node: Any) -> Expression | None:
    """What *node* comes to, None for what is not there; None if it is not plain."""
    match node:
        case nodes.Const(value=str() as text):
            return Expression(repr(clean_text(text)), {})
        case nodes.Filter(name="default", node=of, args=args) if len(args) < 2:
            value, other = _plain(of), _plain(args[0]) if args else Expression("''", {})
            if value is None or other is None:
                return None
            form = "($v if ($v := $value) is not None else $other)"
            return filled(form, {"value": value, "other": other})
        case nodes.Getattr() | nodes.Getitem():
            return _members(node)
        case _:
            return None


def _members(node: Any) -> Expression | None:
    """The members that lead from the item or the body to *node*."""
    keys: list[str | int] = []
    while True:
        match node:
            case nodes.Getattr(node=of, attr=str() as name):
                keys.append(name)
            case nodes.Getitem(node=of, arg=nodes.Const(value=str() | int() as key)):
                if isinstance(key, bool):
                    return None
                keys.append(key)
            case nodes.Name(name=str() as name) if name in _ABSOLUTE:
                keys.reverse()
                return lookup_of(keys, absolute=_ABSOLUTE[name], missing="None")
            case _:
                return None
        node = of
