"""``mapping``: what normalizing costs, over what parsing the same body costs.

The samples are the whole bodies that the platform's own tests name, as its documentation has them.
Mapping is all from the decoded body to the event's bytes: rules, dedupe parts, references to other
tools' things, identifiers, JSON. Parsing is what the floor does: the whole body, nothing left out.
"""

from collections.abc import Iterator
from statistics import median

from benchmarks.acceptance import PLATFORMS
from benchmarks.suite import Figure, Run
from benchmarks.timing import times_us
from onehook.core.integration import Integration
from onehook.core.jsontext import decode
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import Sample, samples
from onehook.core.mapping.source import plain
from onehook.core.mapping.testing import RECEIVED_AT
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.references import Knowledge
from onehook.mappings import MappingFile, read_file, shipped_folder

_MAX_BODY = 32 * 1024 * 1024


def measure(run: Run) -> None:
    """Each platform over its samples, every one of them known to the others' references."""
    files = {name: read_file(shipped_folder() / f"{name}.yaml") for name in PLATFORMS}
    integrations = {name: _integration(file) for name, file in files.items()}
    links = {name: file.mapping.links for name, file in files.items()}
    knowledge = Knowledge([one.known() for one in integrations.values()], links)
    for name, integration in integrations.items():
        integration.knowledge = knowledge
        found = [_measure(integration, webhook) for webhook in _webhooks(files[name], integration)]
        run.ledger.note(
            "mapping",
            name,
            map_us=median(map_us for map_us, _ in found),
            map_worst_us=max(map_us for map_us, _ in found),
            parse_us=median(parse_us for _, parse_us in found),
            over_parse=median(map_us / parse_us for map_us, parse_us in found),
        )


def _measure(integration: Integration, webhook: Webhook) -> tuple[float, float]:
    """How many us one webhook takes to be mapped, and its body to be parsed."""
    parsed = integration.parse(webhook, _MAX_BODY)
    map_us, parse_us = times_us(
        lambda: integration.complete(integration.apply(webhook, parsed)),
        lambda: decode(webhook.body),
    )
    return map_us, parse_us


def _integration(file: MappingFile) -> Integration:
    mapping = file.mapping
    settings = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    info = IntegrationInfo(IntegrationId(f"int_{mapping.platform}"), mapping.platform, "", settings)
    return Integration(info, mapping, {}, unsigned=True, active=True)


def _webhooks(file: MappingFile, integration: Integration) -> Iterator[Webhook]:
    """The webhooks of whole bodies that become events."""
    for sample in _whole(file):
        webhook = Webhook(Headers(sample.headers), sample.body, RECEIVED_AT)
        if isinstance(integration.normalize(webhook, _MAX_BODY).outcome, Emitted):
            yield webhook


def _whole(file: MappingFile) -> list[Sample]:
    tests = file.mapping.tests
    named = {str(plain(test.items["name"])) for test in tests if "body_file" in test.items}
    return [one for one in samples(file.mapping, file.load_sample) if one.name in named]


FIGURE = Figure("mapping", measure)
