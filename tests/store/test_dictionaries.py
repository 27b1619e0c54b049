"""The dictionaries in the package: never another one under an id that was written with."""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.payloads import SIGNED_WITH, make_webhooks
from onehook.core.model import Headers, Webhook
from onehook.errors import UnreadableError
from onehook.store.packing import (
    CURRENT,
    EVENTS,
    OTHER,
    compress,
    compress_like,
    decompress,
    pack_native,
    zstd,
)
from tests.store import make_dictionaries

# Of every dictionary that was ever released. A store may hold what was packed with any of them: a
# line is never changed, and never removed; `make dictionaries` says which to add.
RELEASED = {
    "events-32768": "e71a416be1b4677610bfc021e24eb14eb1f629abaa3376970e28892c0367f187",
    "webhooks-32769": "a0a2b4cff557a3a2626c6d686b185da71e1b77e18c6b7beaed6291b884140d43",
    "bitbucket-32770": "c07bfa3a0672f45941cfa5eff936f8f5ed5776777d4d6d7130bb376608c29129",
    "corgea-32771": "4dcc26d8a32fb660674f7c449051bf00a1b6cac75f524f1364d6218980e47cf9",
    "github-32772": "45c89641ac7abb3244282eec0dd966d22a0147c7617b09217a8aa60e3c261ef2",
    "gitlab-32773": "267e255bbf0f01f2c4cbac68d934eb9db68af4d5bf891946a9e04dabad55eabc",
    "jira-32774": "47d3b953c06cd8dbb3978347a0d4b5127fb65cd8ec894cffbb45c2aa065d678f",
    "linear-32775": "66ab50d4631f9f16ded7b1ee74b73ee922f3cfdf120c7d3220596ef95f4ba312",
    "okta-32776": "edb0c70145a233c45ed7c28ac5f0f74983c955af3e7d8ea0c35e18a184a4761e",
    "opsgenie-32777": "082b425f536d679cee12c0d45107261eed40eceb05789c811ae4b30806ccd557",
    "pagerduty-32778": "155f4efdea5448ec55a4f48ab414bb738298dcfe8725f389476784ee0d331ee3",
    "sentry-32779": "48aa6b8cc043319b81e512f12d9d056679a6b1871191d265190860e7fd76ae5f",
    "servicenow-32780": "3eb5e9a588030bb5d5689330934ba15375f64460ce1bd4d7666507605872a103",
    "snyk-32781": "d4ce6c600c789b12de42a8668822708b56b467008d30095df741651e7dd86a18",
}
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def shipped() -> dict[str, bytes]:
    """Every dictionary in the package, by its file's name."""
    return {path.stem: path.read_bytes() for path in make_dictionaries.FOLDER.glob("*.zdict")}


def test_a_released_dictionary_stays_as_it_is() -> None:
    """What is in the package is what was released, to the byte, and all of it."""
    assert {
        name: hashlib.sha256(found).hexdigest() for name, found in shipped().items()
    } == RELEASED


def test_a_file_says_which_dictionary_it_is() -> None:
    """The id in a file's name is the one inside it, which stands in what is packed with it."""
    for name, found in shipped().items():
        assert zstd.ZstdDict(found).dict_id == int(name.rpartition("-")[2])
    ids = [name.rpartition("-")[2] for name in RELEASED]
    assert len(set(ids)) == len(ids)


def test_what_is_written_with_is_in_the_package() -> None:
    """Every current dictionary is there under its name, small enough to stay in a cache."""
    found = shipped()
    for name, id_ in CURRENT.items():
        assert len(found[f"{name}-{id_}"]) <= 32 * 1024
    assert sum(map(len, found.values())) < 500_000


@given(st.sampled_from([*CURRENT, "a-platform-of-my-own"]), st.binary(max_size=3000))
def test_packing_is_undone_with_any_dictionary(name: str, raw: bytes) -> None:
    """Any bytes come back, whatever they were packed like, and say with which dictionary."""
    packed = compress_like(name, raw)

    assert zstd.get_frame_info(packed).dictionary_id == CURRENT.get(name, CURRENT[OTHER])
    assert decompress(packed) == raw


def test_what_was_packed_without_a_dictionary_is_read() -> None:
    """A frame of before there were any is read as ever."""
    frame = "28b52ffd20bde50000a87b226964223a226576745f31222c226e223a5b5d7d01004b484d26"

    assert decompress(bytes.fromhex(frame)) == b'{"id":"evt_1","n":[]}' * 9


def test_an_unknown_dictionary_is_named() -> None:
    """What a newer release packed is not read as something else: the error says what to do."""
    packed = bytearray(compress_like(EVENTS, b'{"id":"evt_1"}'))
    at = packed.index(CURRENT[EVENTS].to_bytes(2, "little"))
    packed[at : at + 2] = (65535).to_bytes(2, "little")

    with pytest.raises(UnreadableError, match=r"dictionary 65535, .* or a newer one") as caught:
        decompress(bytes(packed))

    assert (caught.value.code, caught.value.status) == ("record_unreadable", 503)


def test_threads_do_not_disturb_each_other() -> None:
    """Compressors are a thread's own: many at once pack what one alone does."""
    texts = [
        json.dumps({"id": n, "text": "as long as this " * (n % 50)}).encode() for n in range(400)
    ]
    names = [list(CURRENT)[n % len(CURRENT)] for n in range(len(texts))]
    alone = [compress_like(name, text) for name, text in zip(names, texts, strict=True)]

    with ThreadPoolExecutor(8) as threads:
        packed = list(threads.map(compress_like, names, texts))
        read = list(threads.map(decompress, packed))

    assert packed == alone
    assert read == texts


def test_webhooks_that_are_no_samples_are_a_quarter_smaller() -> None:
    """What a dictionary knows is the platform's, not the samples' own."""
    headers = [("host", "hooks.example.org"), ("x-github-event", "pull_request")]
    for webhook in make_webhooks(8, SIGNED_WITH):
        packed = pack_native("int_1", "github", Webhook(Headers(), webhook.body, AT), headers)
        assert len(packed) < 0.75 * len(compress(decompress(packed)))


def test_the_samples_are_taken_once() -> None:
    """A dictionary holds what several texts share a single time, and the longest text whole."""
    shared = b"what all of them have, over and over again, in every webhook"
    texts = [shared + b" and this", b"before " + shared, b"something else altogether"]

    found = make_dictionaries.distinct(texts)

    assert found.count(shared) == 1
    assert found.startswith(texts[0])
    assert found.endswith(b"something else altogether")
    assert b"before " in found


def test_a_changed_dictionary_gets_an_id_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that comes out as before is left alone; another one never takes its place."""
    for name, content in shipped().items():
        (tmp_path / f"{name}.zdict").write_bytes(content)
    same = shipped()[f"github-{CURRENT['github']}"]
    other = shipped()[f"gitlab-{CURRENT['gitlab']}"]
    monkeypatch.setattr(make_dictionaries, "FOLDER", tmp_path)
    monkeypatch.setattr(make_dictionaries, "made", lambda: {"github": same, EVENTS: other})

    make_dictionaries.main([])

    free = max(CURRENT.values()) + 1
    (line,) = capsys.readouterr().out.splitlines()
    new = (tmp_path / f"{EVENTS}-{free}.zdict").read_bytes()
    assert re.fullmatch(f"{EVENTS} {free}: .* {hashlib.sha256(new).hexdigest()}", line)
    assert zstd.ZstdDict(new).dict_id == free
    assert len(list(tmp_path.iterdir())) == len(RELEASED) + 1
