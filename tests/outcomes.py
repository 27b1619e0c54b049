"""Prints what every sample of every platform becomes, whole and damaged, a hash a line.

Run by itself, by what is compiled and by its source: the two have to agree.
"""

import copy
import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

from onehook.core.integration import Integration
from onehook.core.mapping import normalize
from onehook.core.mapping.samples import Sample, samples
from onehook.core.mapping.testing import RECEIVED_AT
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.references import Knowledge
from onehook.mappings import MappingFile, read_file, shipped_folder
from tests.mappings.corpus import CORPUS, rows

_MAX_BODY = 32 * 1024 * 1024
_TIMES = 2  # that a sample is damaged
_ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -0.0,
    1.5,
    1e300,
    2**53,
    10**20,
    10**400,
    -1,
    "",
    " ",
    "1",
    "é\ud800",
]
_ODD += [
    "é\ud800",
    [],
    {},
    ["x", 1, None],
    {"a": {"b": 1}},
    "2026-13-45",
    "https://x.example/a?c=d#PAY-311",
]


def damaged(body: bytes, chance: random.Random) -> bytes:
    """*body* with some of its values replaced; as it is where it is no JSON."""
    try:
        tree = json.loads(body)
    except ValueError:
        return body
    for _ in range(chance.randint(1, 4)):
        at = tree
        while isinstance(at, dict | list) and at:
            keys: list[Any] = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = chance.choice(keys)
            if not isinstance(at[key], dict | list) or chance.random() < 0.2:
                at[key] = copy.deepcopy(chance.choice(_ODD))
                break
            at = at[key]
    return json.dumps(tree).encode()


def webhooks(file: MappingFile) -> Iterator[tuple[tuple[tuple[str, str], ...], bytes]]:
    """Headers and body of each sample, and of what the corpus has of the platform."""
    found: list[Sample] = samples(file.mapping, file.load_sample)
    yield from ((one.headers, one.body) for one in found)
    if CORPUS is not None:
        yield from ((tuple(row.headers.items()), row.body) for row in rows(file.mapping.platform))


def main() -> None:
    """Print them."""
    print(normalize.__file__)
    files = [read_file(path) for path in sorted(shipped_folder().glob("*.yaml"))]
    integrations = [_integration(file) for file in files]
    links = {file.mapping.platform: file.mapping.links for file in files}
    knowledge = Knowledge([one.known() for one in integrations], links)
    chance = random.Random(7)
    for file, integration in zip(files, integrations, strict=True):
        integration.knowledge = knowledge
        for headers, body in webhooks(file):
            for number in range(1 + _TIMES):
                sent = damaged(body, chance) if number else body
                webhook = Webhook(Headers(headers), sent, RECEIVED_AT)
                outcome = repr(integration.normalize(webhook, _MAX_BODY).outcome)
                digest = hashlib.sha256(outcome.encode("utf-8", "surrogatepass")).hexdigest()
                print(file.mapping.platform, number, digest, outcome[:60].encode())


def _integration(file: MappingFile) -> Integration:
    settings = {n: s.default for n, s in file.mapping.settings.items() if s.default is not None}
    platform = file.mapping.platform
    info = IntegrationInfo(IntegrationId(f"int_{platform}"), platform, "", settings)
    return Integration(info, file.mapping, {}, unsigned=True, active=True)


if __name__ == "__main__":
    main()
