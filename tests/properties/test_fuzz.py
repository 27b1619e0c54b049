"""The shipped mappings under anything: nothing raises, and every event is valid.

``CORPUS=folder`` adds real bodies to change.
"""

from collections import Counter

import pytest

from onehook.core.integration import Integration
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted, Ignored, Outcome, Quarantined
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.references import Knowledge
from onehook.errors import InvalidRequestError
from tests.core.mapping.building import MAX_BYTES, NOW
from tests.properties.budget import fuzz
from tests.properties.webhooks import SHIPPED, Case, cases, check, shipped

EACH = -(-2000 // len(SHIPPED))  # webhooks for each mapping where no time is given


def integration(name: str, case: Case, mapping: CompiledMapping | None = None) -> Integration:
    """An integration as a gateway has it, which also looks for references; its proof aside.

    *mapping*: the shipped one of that *name*, unless it is given.
    """
    mapping = mapping or shipped(name).mapping
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    info = IntegrationInfo(IntegrationId("int_fuzz"), name, "acme", {**defaults, **case.settings})
    made = Integration(info, mapping, {}, unsigned=True, active=True)
    made.knowledge = Knowledge([made.known()])
    return made


def outcome_of(name: str, case: Case) -> Outcome | None:
    """What becomes of *case*, its events checked; None if the request itself is refused."""
    webhook = Webhook(Headers(case.headers.items()), case.body, NOW)
    try:
        outcome = integration(name, case).normalize(webhook, MAX_BYTES).outcome
    except InvalidRequestError:  # 4xx: the media type, or a content encoding that is none
        return None
    check(outcome)
    return outcome


def count(outcome: Outcome | None) -> str:
    """The word under which an outcome is counted."""
    match outcome:
        case Emitted():
            return "accepted"
        case Ignored():
            return "ignored"
        case Quarantined(reason=reason):
            return reason
        case _:
            return "refused"


@pytest.mark.parametrize("name", SHIPPED)
def test_any_webhook_has_an_outcome_under_every_shipped_mapping(name: str) -> None:
    """Real bodies with things changed, arbitrary JSON, broken bytes, under arbitrary headers.

    Run with ``-s`` it prints what became of them.
    """
    found: Counter[str] = Counter()
    events = 0

    def check_case(case: Case) -> None:
        nonlocal events
        outcome = outcome_of(name, case)
        found[count(outcome)] += 1
        if isinstance(outcome, Emitted):
            events += len(outcome.events)
            again = outcome_of(name, case)
            assert isinstance(again, Emitted)
            assert [event.body for event in again.events] == [e.body for e in outcome.events]

    fuzz("normalize", cases(name), check_case, fixed=EACH, parts=len(SHIPPED))
    shown = ", ".join(f"{number} {word}" for word, number in found.most_common())
    print(f"\n{name}: {found.total()} webhooks ({shown}), {events} events, all valid")
    assert found["accepted"] > found.total() // 50 > 0
