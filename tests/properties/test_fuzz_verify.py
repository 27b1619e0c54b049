"""Verifying under anything: a request is refused in words of ours, or what was signed is as it was.

It begins with a request that each scheme of `tests/core/test_signatures.py` has signed.
"""

from dataclasses import replace

from hypothesis import strategies as st

from onehook.core.signatures import Unsigned, configured, signed_bytes
from tests.core.test_signatures import TO_SIGN, Case, signed_by
from tests.properties.budget import fuzz


def saved(case: Case) -> Case:
    """*case* as an integration that was saved has it: nothing is asked for what it has no secret."""
    scheme = configured(case.scheme, case.keys)
    assert scheme is not None
    return replace(case, scheme=scheme)


SIGNED = {name: saved(signed_by(case)) for name, case in TO_SIGN.items()}
TEXT = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text("0123456789abcdefABCDEF=,. vst+/-_:\u0663\t\r\n", max_size=80),
    st.sampled_from(["", "sha256=", "v1=", "v1," * 500, "t=,v1=", "Basic ", "Bearer ", "=" * 5000]),
)
BYTES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"[" * 5000, b'{"id":1e400}', b"\xef\xbb\xbf{}", b'{"\\ud800":1}']),
)


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """*text* with something put in place of a part of it."""
    at = draw(st.integers(0, len(text)))
    end = draw(st.integers(at, min(len(text), at + 6)))
    return text[:at] + draw(TEXT | st.just(text[at:end] * 2)) + text[end:]


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Case]:
    """The name of a scheme, and a request to it: its own, another's, changed in up to four ways."""
    name = draw(st.sampled_from(sorted(SIGNED)))
    case = SIGNED[name]
    headers, query = list(case.headers), list(case.query)
    for _ in range(draw(st.integers(0, 4))):
        how = draw(
            st.sampled_from(["edit", "drop", "twice", "case", "more", "body", "url", "query"])
        )
        at = draw(st.integers(0, max(len(headers) - 1, 0)))
        if how in ("edit", "drop", "twice", "case") and headers:
            key, value = headers[at]
            new = {
                "edit": lambda key=key, value=value: [(key, draw(edited(value)))],
                "drop": list,
                "twice": lambda key=key, value=value: [(key, value), (key, draw(TEXT))],
                "case": lambda key=key, value=value: [(key.swapcase(), value.swapcase())],
            }[how]()
            headers[at : at + 1] = new
        elif how == "more":
            other = SIGNED[draw(st.sampled_from(sorted(SIGNED)))]
            headers += draw(st.permutations(list(other.headers)))
        elif how == "body":
            cut = draw(st.integers(0, len(case.body)))
            case = replace(case, body=case.body[:cut] + draw(BYTES) + case.body[cut:])
        elif how == "url":
            case = replace(case, url=draw(edited(case.url)))
        elif how == "query":
            query.append((draw(st.sampled_from(["secret", "token", "a"])), draw(TEXT)))
    return name, replace(case, headers=headers, query=query)


def check(made: tuple[str, Case]) -> None:
    """A refusal is a 401 that quotes nothing; what passes signs what the vendor signed."""
    name, case = made
    if case.code() != "verified" or isinstance(case.scheme, Unsigned):
        return
    signed = signed_bytes(case.scheme, case.webhook, case.settings)
    if signed is None:  # another way in, by a token that signs nothing
        return
    original = SIGNED[name]
    assert signed == signed_bytes(original.scheme, original.webhook, original.settings)


def test_a4_any_request_is_refused_or_is_what_was_signed() -> None:
    """Whatever is done to headers, body, URL and query."""
    assert fuzz("verify", requests(), check, fixed=1500) > 100
