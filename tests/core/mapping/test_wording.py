"""Conditions and values in words."""

import pytest

from onehook.core.mapping.problems import Source
from onehook.core.mapping.source import Node, parse
from onehook.core.mapping.wording import code, condition, listed, value


def node(text: str) -> Node:
    """The YAML value *text*."""
    return parse(Source("x.yaml", f"x: {text}")).items["x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{$.action: opened}", "`$.action` is `opened`"),
        ("{header.x-event: [push, tag]}", "header `x-event` is `push` or `tag`"),
        ("{setting.proof: hmac}", "setting `proof` is `hmac`"),
        ("{$.a: true, $.b: 3}", "`$.a` is `true` and `$.b` is `3`"),
        ('{$.a: [false, "false"]}', '`$.a` is `false` or `"false"`'),
        ("{$.a: null}", "`$.a` is absent"),
        ("{$.a: {exists: true}}", "`$.a` is there"),
        ("{$.a: {exists: false}}", "`$.a` is not there"),
        ("{$.a: {not: x}}", "`$.a` is not `x`"),
        ("{$.a: {not: null}}", "`$.a` is there"),
        ("{$.a: {not: [x, y]}}", "`$.a` is none of `x` and `y`"),
        ("{$.a: {not: {matches: '^x'}}}", "`$.a` does not begin with `x`"),
        ("{$.a: {not: {matches: 'x$'}}}", "`$.a` does not end with `x`"),
        ("{$.a: {not: {matches: 'x|y'}}}", "`$.a` does not match `x|y`"),
        ("{$.a: {not: {gt: 3}}}", "`$.a` is not above `3`"),
        ("{$.a: {not: {exists: true}}}", "`$.a` is not there"),
        ("{$.a: {not: {exists: false}}}", "`$.a` is there"),
        ("{$.a: {not: {not: x}}}", "`$.a` is `x`"),
        ("{$.a: {not: {gt: 3, lt: 9}}}", "`$.a` is not so that it is above `3` and is below `9`"),
        ("{$.ref: {matches: '^refs/heads/'}}", "`$.ref` begins with `refs/heads/`"),
        ("{$.a: {matches: '-x$'}}", "`$.a` ends with `-x`"),
        ("{$.a: {matches: '^x$'}}", "`$.a` is `x`"),
        ("{$.a: {matches: '^0+$'}}", "`$.a` matches `^0+$`"),
        ("{$.a: {matches: '^'}}", "`$.a` matches `^`"),
        ("{$.a: {gt: 3, lt: 9}}", "`$.a` is above `3` and is below `9`"),
        ("{$.a: {present: true}}", "`$.a` is there or null"),
        ("{$.a: {present: false}}", "`$.a` is not there, not even null"),
        ("{$.a: {equals: $.b}}", "`$.a` equals `$.b`"),
        ("{$.a: {equals: header.x}}", "`$.a` equals header `x`"),
        ("{$.a: {not: {equals: $.b}}}", "`$.a` does not equal `$.b`"),
        ("{let.state: open}", "`let.state` is `open`"),
        ("{any: [{$.a: 1}, {$.b: 2}]}", "`$.a` is `1` or `$.b` is `2`"),
        (
            "{$.c: x, any: [{$.a: 1, $.d: 2}, {$.b: 2}]}",
            "`$.c` is `x` and ((`$.a` is `1` and `$.d` is `2`) or `$.b` is `2`)",
        ),
        ("{not: {any: [{$.a: 1}, {$.b: 2}]}}", "not (`$.a` is `1` or `$.b` is `2`)"),
    ],
)
def test_conditions_are_said(text: str, words: str) -> None:
    """Every form of a condition reads as a clause."""
    assert condition(node(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$.a.b", "`$.a.b`"),
        ("null", "nothing"),
        ("3", "`3`"),
        ("{const: x}", "`x`"),
        ("{header: X-Id}", "header `X-Id`"),
        ("{setting: host}", "setting `host`"),
        ('{template: "{{ body.a }}"}', "`{{ body.a }}`"),
        ("{coalesce: [{header: X-Id}, $.id]}", "header `X-Id`, else `$.id`"),
        ("{lookup: $.a, table: t}", "`$.a` by table `t`"),
        ("{if: {$.a: 1}, then: $.b}", "if `$.a` is `1`: `$.b`"),
        ("{if: {$.a: 1}, then: $.b, else: $.c}", "if `$.a` is `1`: `$.b`, else `$.c`"),
        ("{date: $.at}", "the time `$.at`"),
        ("{match: $.a, pattern: 'x+'}", "what `x+` finds in `$.a`"),
        ("{join: $.a}", "`$.a` as one text"),
        ("{let: state}", "`let.state`"),
        ("[$.a, $.b]", "`$.a` and `$.b`"),
        ("{count: $.a}", '`{"count":"$.a"}`'),
    ],
)
def test_values_are_said(text: str, words: str) -> None:
    """A value says where it comes from; a rare kind is shown as it stands in the file."""
    assert value(node(text)) == words


def test_nothing_is_said_of_no_value() -> None:
    """What a file leaves out."""
    assert value(None) == "nothing"


def test_code_spans_hold_any_text() -> None:
    """Line breaks become spaces, and backticks get more around them."""
    assert code("a\n   b") == "`a b`"
    assert code("a `b`") == "`` a `b` ``"


def test_lists_are_read_aloud() -> None:
    """None, one, two, three."""
    assert [listed("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
