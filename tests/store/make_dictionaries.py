"""Makes the dictionaries that webhooks and events are packed with, as ``make dictionaries``.

They are made of nothing but the sample webhooks that the mapping files test themselves with, and
of the events that these become; who writes samples keeps secrets and customers out of them, and
what is here goes to everyone. Names as arguments make only those.

A dictionary that comes out as it is now is left alone. Another one gets the next free id, and
nothing writes with it yet: this says what to put into ``CURRENT.txt`` in the next release, and what
to add to the sums in ``test_dictionaries.py`` in this one. An old one stays, for what was packed
with it.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from onehook.core.jsontext import JsonSyntaxError, decode, encode
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import Sample, samples
from onehook.core.mapping.testing import RECEIVED_AT, normalize_sample
from onehook.core.model import Headers, Webhook
from onehook.mappings import MappingFile, read_all, shipped_folder
from onehook.store import packing
from onehook.store.packing import CURRENT, EVENTS, OTHER, native_bytes, zstd

FOLDER = Path(packing.__file__).parent / "dictionaries"
SIZE = 32 * 1024  # bytes: with more of them, what is needed often is no longer found
LEAST = 3 * 1024  # bytes of a platform's own, for less of which no file is worth while
STRETCH = 40  # bytes that are worth leaving out where they come again
FIRST_ID = 32768
_ID_AT = slice(4, 8)  # of the file: RFC 8878, section 5
_INTEGRATION = "int_01k" + "0" * 23


def made() -> dict[str, bytes]:
    """Every dictionary by its name, with no id yet."""
    webhooks: dict[str, list[bytes]] = {}
    events: list[bytes] = []
    for file in read_all((shipped_folder(),)):
        kept = webhooks.setdefault(file.mapping.platform, [])
        for sample in _once(file):
            kept.append(_native(sample))
            outcome = normalize_sample(file.mapping, sample)
            if isinstance(outcome, Emitted):
                events += [event.body for event in outcome.events]
    found = {
        EVENTS: zstd.train_dict(events, SIZE).dict_content,
        OTHER: zstd.train_dict(_all(webhooks), SIZE).dict_content,
    }
    for platform, own in webhooks.items():
        content = distinct(own)[:SIZE]
        if len(content) >= LEAST:
            # What is frequent is asked of the others: all of a platform's own is in its content.
            rest = _all({name: some for name, some in webhooks.items() if name != platform})
            raw = zstd.ZstdDict(content, is_raw=True)
            found[platform] = zstd.finalize_dict(raw, rest, SIZE, 1).dict_content
    return found


def distinct(texts: Iterable[bytes]) -> bytes:
    """*texts* one after the other, the longest first, without what was in an earlier one."""
    seen: set[bytes] = set()
    found = bytearray()
    for text in sorted(texts, key=lambda text: (-len(text), text)):
        stretches = [text[at : at + STRETCH] for at in range(len(text) - STRETCH + 1)]
        again = bytearray(len(text))
        for at, stretch in enumerate(stretches):
            if stretch in seen:
                again[at : at + STRETCH] = bytes([1]) * STRETCH
        seen.update(stretches)
        found += bytes(byte for byte, known in zip(text, again, strict=True) if not known)
    return bytes(found)


def _once(file: MappingFile) -> Iterator[Sample]:
    """The samples of *file*, less those that differ in one word, for each row of a table."""
    return (one for one in samples(file.mapping, file.load_sample) if one.row is None)


def _native(sample: Sample) -> bytes:
    """*sample* as the store would have it, had its vendor sent it: without line breaks."""
    try:
        body = encode(decode(sample.body))
    except JsonSyntaxError:
        body = sample.body
    length = [("content-length", str(len(body)))]
    headers = [("host", "hooks.acme.example"), *sample.headers, *length]
    return native_bytes(_INTEGRATION, Webhook(Headers(headers), body, RECEIVED_AT), headers)


def _all(texts: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    return [one for some in texts.values() for one in some]


def _with_id(dictionary: bytes, id_: int) -> bytes:
    changed = bytearray(dictionary)
    changed[_ID_AT] = id_.to_bytes(4, "little")
    return bytes(changed)


def main(names: Sequence[str]) -> None:
    """Write what is new of the dictionaries called *names*, or of all."""
    FOLDER.mkdir(exist_ok=True)
    ids = [int(path.stem.rpartition("-")[2]) for path in FOLDER.glob("*.zdict")]
    free = max(ids, default=FIRST_ID - 1) + 1
    for name, dictionary in made().items():
        if names and name not in names:
            continue
        before = FOLDER / f"{name}-{CURRENT.get(name)}.zdict"
        if before.is_file() and before.read_bytes()[8:] == dictionary[8:]:
            continue
        after = _with_id(dictionary, free)
        (FOLDER / f"{name}-{free}.zdict").write_bytes(after)
        digest = hashlib.sha256(after).hexdigest()
        sys.stdout.write(f"{name} {free}: {len(after)} bytes, SHA-256 {digest}\n")
        free += 1


if __name__ == "__main__":
    main(sys.argv[1:])
