"""What was seen, for as long as there is room."""

from onehook.core.references import Sightings
from onehook.core.references.sightings import FINGERPRINT, fingerprint


def test_what_was_added_is_held() -> None:
    """And nothing else."""
    sightings = Sightings()
    sightings.take([fingerprint("oh:a")])
    assert sightings.holds("oh:a")
    assert not sightings.holds("oh:b")


def test_another_gateway_s_are_held_too() -> None:
    """Told as fingerprints, which are the same in every process, for ever."""
    sightings = Sightings()
    sightings.take([fingerprint("oh:a"), fingerprint("oh:\ud800")])
    assert sightings.holds("oh:a")
    assert sightings.holds("oh:\ud800")
    assert fingerprint("oh:a").hex() == "20af78d40ad78c9d"
    assert len(fingerprint("x" * 9999)) == FINGERPRINT


def test_the_oldest_are_forgotten_first() -> None:
    """Never more than the limit, never fewer than half of it."""
    sightings = Sightings(limit=10)
    for n in range(100):
        sightings.take([fingerprint(f"oh:{n}")])
        held = [m for m in range(100) if sightings.holds(f"oh:{m}")]
        assert held == list(range(held[0], n + 1))
        assert min(n + 1, 5) <= len(held) <= 10


def test_what_is_still_talked_of_takes_no_more_room() -> None:
    """The same thing again and again is one."""
    sightings = Sightings(limit=4)
    sightings.take([fingerprint("oh:first")])
    for _ in range(100):
        sightings.take([fingerprint("oh:same")])
    assert sightings.holds("oh:first")
