"""Deterministic ids (`schema.md` §2 rule 6)."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.identity import digest, event_id, ulid
from onehook.core.jsontext import encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def test_the_vector_of_the_page() -> None:
    """`schema.md` §2 rule 6."""
    found = event_id(
        "int_demo", ["72d3162e-cc78-11e3-81ab-4c9367dc0958"], "scm.pull_request.created", "0"
    )
    assert found == "evt_zsgqtj2h0f1k17crwx2eejz4sk"


def test_an_id_is_26_characters_of_crockford_s_alphabet() -> None:
    """Lower case, without i, l, o and u."""
    found = event_id("int_a", [], "scm.tag.created", "0")
    assert found.startswith("evt_")
    assert len(found) == 4 + 26
    assert set(found[4:]) <= set("0123456789abcdefghjkmnpqrstvwxyz")


@pytest.mark.parametrize(
    "other",
    [
        ("int_b", ["a", "b"], "scm.tag.created", "0"),
        ("int_a", ["a"], "scm.tag.created", "0"),
        ("int_a", ["ab"], "scm.tag.created", "0"),
        ("int_a", ["b", "a"], "scm.tag.created", "0"),
        ("int_a", ["a", "b"], "scm.tag.deleted", "0"),
        ("int_a", ["a", "b"], "scm.tag.created", "1"),
    ],
)
def test_every_part_tells_events_apart(other: tuple[str, list[str], str, str]) -> None:
    """Integration, dedupe parts and their borders, type and discriminator."""
    assert event_id(*other) != event_id("int_a", ["a", "b"], "scm.tag.created", "0")


@given(TEXTS, st.lists(TEXTS, max_size=3), TEXTS, TEXTS)
def test_an_id_is_the_top_130_bits_of_the_digest(
    integration: str, parts: list[str], type_: str, discriminator: str
) -> None:
    """Worked out another way: bit by bit from the digest's text."""
    text = encode(["1", integration, parts, type_, discriminator])
    bits = f"{int(hashlib.sha256(text).hexdigest(), 16):0256b}"[:130]
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    expected = "".join(alphabet[int(bits[n : n + 5], 2)] for n in range(0, 130, 5))
    assert event_id(integration, parts, type_, discriminator) == f"evt_{expected}"


def test_a_digest_is_lower_case_hex_of_sha_256() -> None:
    """FIPS 180-2's first vector."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest(b"abc") == expected


def test_a_ulid_is_that_of_the_specification() -> None:
    """The time of the specification's own example, and the greatest of all."""
    at = datetime.fromtimestamp(1469922850.259, UTC)
    assert ulid(at, bytes(10)) == "01arz3ndek" + "0" * 16 == "01arz3ndek0000000000000000"
    assert ulid(at, b"\xff" * 10).endswith("z" * 16)


@given(st.integers(0, 250_000_000_000_000))
def test_ulids_sort_by_time(ms: int) -> None:
    """A later millisecond gives a greater ULID, whatever chance adds."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert ulid(at, b"\xff" * 10) < ulid(at + timedelta(milliseconds=1), bytes(10))
