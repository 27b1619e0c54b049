"""Which other things an event talks about: tickets, pull requests, commits, incidents, findings.

:func:`find` reads the texts of a unified event and gives the references of `schema.md` §5, those
that the mapping stated among them. What it knows of the platforms comes from the ``links:`` of
their mappings, and what it knows of the integrations from their webhooks, as :class:`Knowledge`.

``texts`` says what is searched; ``links``, ``ticket_keys``, ``mentions`` and ``stated`` find;
``search`` and ``targets`` merge what they found. ``naming`` says which things an event names,
``timeline`` what the index keeps of that, and ``asked`` what somebody looks for in it.

Patterns are bounded and begin with a set of characters or a literal, so the time is linear in
the text, and there are limits on how much text and how many matches of an event are looked at.
"""

from onehook.core.references.asked import Asked, Proof, proof_of, read_asked
from onehook.core.references.finding import THRESHOLD, find, finder
from onehook.core.references.knowledge import Knowledge, KnownIntegration
from onehook.core.references.lessons import Learnt, Lesson
from onehook.core.references.sightings import Sightings
from onehook.core.references.ticket_keys import prefixes_in
from onehook.core.references.timeline import POSITION, Entry, Indexed, index, ranges, read_entry

__all__ = [
    "POSITION",
    "THRESHOLD",
    "Asked",
    "Entry",
    "Indexed",
    "Knowledge",
    "KnownIntegration",
    "Learnt",
    "Lesson",
    "Proof",
    "Sightings",
    "find",
    "finder",
    "index",
    "prefixes_in",
    "proof_of",
    "ranges",
    "read_asked",
    "read_entry",
]
