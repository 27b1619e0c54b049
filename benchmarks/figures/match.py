"""``match``: what it costs to find the 10 subscriptions that want an event, of so many.

The ten name a type, a pattern or all, half of them their project besides. Those that do not want
the event differ in turn by type, by integration, and by project alone. A filter can be any
expression: those of one type are asked one by one, which the last case shows.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from benchmarks.payloads import SIGNED_WITH, SignedWebhook, make_webhooks
from benchmarks.suite import Figure, Run
from benchmarks.timing import times_us
from onehook.core.filters import compile_filter
from onehook.core.integration import Integration
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted
from onehook.core.model import (
    Event,
    Headers,
    IntegrationId,
    IntegrationInfo,
    Subscription,
    SubscriptionId,
    Webhook,
)
from onehook.core.profiles.outlet import Outlet
from onehook.core.profiles.secrets import Keys
from onehook.core.routing import Routes
from onehook.core.schema.events import EVENT_TYPES
from onehook.mappings import read_file, shipped_folder

_WANTING = 10
_COUNTS = (10, 1_000, 100_000)
_FILTERS = 1_000
_MAX_BODY = 1 << 20
_INTEGRATION = IntegrationInfo(IntegrationId("int_benchmark"), "github", "benchmark")
_OUTLET = Outlet(Keys(SIGNED_WITH.encode()))


def measure(run: Run) -> None:
    """Each number of subscriptions, against the smallest."""
    event = _event()
    routes = [Routes(_subscriptions(event, count)) for count in _COUNTS]
    routes.append(Routes(_with_filters(event)))
    for one in routes:
        assert len(one.match(event, _INTEGRATION)) == _WANTING
    found = times_us(*[lambda one=one: one.match(event, _INTEGRATION) for one in routes])
    cases = [f"{count:,} subscriptions" for count in _COUNTS] + [f"{_FILTERS:,} filters"]
    for case, us in zip(cases, found, strict=True):
        run.ledger.note("match", case, match_us=us, over_10=us / found[0])


def _event() -> Event:
    webhook = make_webhooks(1, SIGNED_WITH)[0]
    mapping = read_file(shipped_folder() / "github.yaml").mapping
    integration = Integration(_INTEGRATION, mapping, {}, unsigned=True, active=True)
    made = integration.normalize(_received(webhook), _MAX_BODY).outcome
    assert isinstance(made, Emitted), made
    return made.events[0]


def _received(webhook: SignedWebhook) -> Webhook:
    head = webhook.template.head.decode().strip().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in head)]
    delivery = ("X-GitHub-Delivery", webhook.delivery_id)
    return Webhook(Headers([*headers, delivery]), webhook.body, datetime.now(UTC))


def _subscriptions(event: Event, count: int) -> Iterator[Subscription]:
    own, others = _repository(event), [type_ for type_ in EVENT_TYPES if type_ != event.type]
    for number in range(count):
        if number < _WANTING:
            pattern = ("*", "scm.*", event.type)[number % 3]
            yield _wish(number, pattern, projects=(own,) if number % 2 else ())
        elif number % 3 == 0:
            yield _wish(number, others[number // 3 % len(others)])
        elif number % 3 == 1:
            yield _wish(number, "scm.*", integrations=(f"int_{number}",))
        else:
            yield _wish(number, event.type, projects=(f"acme/service-{number}",))


def _with_filters(event: Event) -> Iterator[Subscription]:
    own = _repository(event)
    for number in range(_FILTERS):
        wanted = own if number < _WANTING else f"acme/service-{number}"
        condition = compile_filter({"$.data.repository.full_name": wanted})
        yield _wish(number, event.type, condition=condition)


def _repository(event: Event) -> str:
    repository = event.data["repository"]
    assert isinstance(repository, dict)
    return str(repository["full_name"])


def _wish(
    number: int,
    pattern: str,
    integrations: tuple[str, ...] = (),
    projects: tuple[str, ...] = (),
    condition: Callable[[Mapping[str, JsonValue]], bool] | None = None,
) -> Subscription:
    return Subscription(
        id=SubscriptionId(f"sub_{number}"),
        url="https://receiver.example.com/hooks",
        events=(pattern,),
        integrations=integrations,
        active=True,
        paused=False,
        filter=condition,
        outlet=_OUTLET,
        timeout=timedelta(seconds=10),
        retry=(),
        projects=projects,
    )


FIGURE = Figure("match", measure)
