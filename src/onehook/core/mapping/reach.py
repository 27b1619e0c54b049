"""What a rule's conditions leave possible, together with those of the groups around it.

Only what can be told for sure counts: words and scalars that one and the same path, header or
setting must equal, or must not. Where that leaves nothing, the rule can never match.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from onehook.core.jsontext import JsonScalar
from onehook.core.mapping.lets import PREFIX
from onehook.core.mapping.source import Map, Node, Scalar, Seq

Kinded: TypeAlias = tuple[str, JsonScalar]  # a scalar and its kind: 1 is neither true nor "1"
_TEXTS_ONLY = ("header.", "setting.")
_NULL: Kinded = ("null", None)  # also of what is absent


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a test asks of its subject: one of *allowed* (None: anything), none of *denied*."""

    allowed: frozenset[Kinded] | None
    denied: frozenset[Kinded] = frozenset()


_ANYTHING = _Wish(None)


@dataclass(frozen=True, slots=True)
class Reach:
    """What is left of each subject that the conditions so far name."""

    wishes: Mapping[str, _Wish]

    @classmethod
    def everything(cls) -> "Reach":
        """Before any condition."""
        return cls({})

    def below_foreach(self) -> "Reach":
        """What is left for an item: ``$`` is another thing there, ``$$`` is not."""
        return Reach({name: w for name, w in self.wishes.items() if not _is_relative(name)})

    def narrowed(self, when: Node | None, *, in_item: bool) -> tuple["Reach", str | None]:
        """With *when* beside it; and the key of *when* that leaves nothing, None if all is well."""
        wishes = dict(self.wishes)
        stuck: str | None = None
        for key, name, wish in _wishes(when, in_item=in_item):
            before = wishes.get(name, _ANYTHING)
            after = _both(before, wish, may_be_list=not name.startswith(_TEXTS_ONLY))
            if after.allowed is not None and not after.allowed and stuck is None:
                stuck = key
            wishes[name] = after
        return Reach(wishes), stuck


def _is_relative(name: str) -> bool:
    return (name.startswith("$") and not name.startswith("$$")) or name.startswith(PREFIX)


def _wishes(when: Node | None, *, in_item: bool) -> Iterator[tuple[str, str, _Wish]]:
    """Key in *when*, subject and wish. Outside of an item ``$.a`` is ``$$.a``."""
    for key, test in (when.items if isinstance(when, Map) else {}).items():
        if key == "not":  # of one subject: of several, any one may fail
            if isinstance(test, Map) and len(test.items) == 1:
                ((name, inner),) = test.items.items()
                allowed = _scalars(inner)
                if allowed is not None and name not in ("any", "not"):
                    yield key, _absolute(name, in_item), _Wish(None, allowed)
        elif key != "any":
            yield key, _absolute(key, in_item), _wish(test)


def _absolute(name: str, in_item: bool) -> str:
    return name if in_item or not _is_relative(name) or name.startswith(PREFIX) else f"${name}"


def _wish(test: Node) -> _Wish:
    allowed = _scalars(test)
    if allowed is not None or not isinstance(test, Map):
        return _Wish(allowed)
    denied: frozenset[Kinded] = frozenset()
    exists, unwanted = test.get("exists"), test.get("not")
    if isinstance(exists, Scalar) and exists.value is True:
        denied = frozenset({_NULL})
    elif isinstance(exists, Scalar) and exists.value is False:
        allowed = frozenset({_NULL})
    if unwanted is not None:
        denied |= _scalars(unwanted) or frozenset()
    return _Wish(allowed, denied)


def _scalars(test: Node) -> frozenset[Kinded] | None:
    """The scalars that *test* is satisfied with; None if it is another kind of test."""
    nodes = test.items if isinstance(test, Seq) else (test,)
    found = [_kinded(node.value) for node in nodes if isinstance(node, Scalar)]
    return frozenset(found) if found and len(found) == len(nodes) else None


def _kinded(value: JsonScalar) -> Kinded:
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return "boolean", value
    return ("text", value) if isinstance(value, str) else ("number", float(value))


def _both(one: _Wish, other: _Wish, *, may_be_list: bool) -> _Wish:
    """Both wishes at once. A list that holds two words satisfies a wish for either."""
    denied = one.denied | other.denied
    if one.allowed is None or other.allowed is None:
        allowed = other.allowed if one.allowed is None else one.allowed
    else:
        allowed = one.allowed & other.allowed
        both_words = any(k == "text" for k, _ in one.allowed) and any(
            k == "text" for k, _ in other.allowed
        )
        if not allowed and may_be_list and both_words:
            allowed = one.allowed | other.allowed
    return _Wish(None if allowed is None else allowed - denied, denied)
