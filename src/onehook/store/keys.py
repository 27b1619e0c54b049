r"""Every key in the store: its name, its type, its life.

``T`` is ``<prefix>:{<partition>}:``; all keys that one script touches carry one hash tag, so the
same scripts run on a cluster. ``O`` is a tenant's own part of it: ``T`` itself for ``default``,
``T t:<tenant>:`` for the others. So whatever is looked up, listed or counted there is nobody
else's: an id of another tenant leads to no key.

| key | type | holds | life |
|---|---|---|---|
| T d:<digest> | string | a dedupe marker: the webhook's receipt | 72 h |
| O w:<webhook> | hash | b: the native webhook, zstd; n: events of it still on their way; q: why it is in quarantine | 3 d after the last delivery; quarantined 30 d |
| O e:<event> | string | webhook id, then the event as delivered, zstd | 7 d after the last delivery; dead 30 d |
| O v:<event> | hash | n: deliveries left; at: when made, ms; k: longer life; <subscription>: where its delivery is | 30 d after the last delivery |
| T q:<subscription> | zset | event ids; score = the next moment to act, ms, in one of the bands of `bands.py`. In flight: the lease's end, and its token | until done |
| T c:<subscription> | hash | event -> leases without a record; a:event -> attempts made; k:event -> its place in l; r:event -> of a replay: attempts made before it, its id or -, what the delivery was before: state, ended ms | until it ended |
| T g:<subscription> | hash | its gate, below | while it says anything |
| T l:<subscription> | zset | where events go in order: <thing>:<place>:<event>, all scores 0; the first of a thing is on its way, the others wait | until done |
| T due | zset | subscription -> earliest moment in its queue | - |
| T fo | stream | fan-out: deliveries whose queues are filled after their commit: e event id, t type, i integration, s subscriptions | a moment |
| O ix | stream | every event: e id, t type, i integration, u fingerprints of the things it is about | 30 d |
| O r:<0-9> | zset | references of an eighth of the events' life, by turns: name, kind, time, event id (core/references/timeline.py) | 7 d after that eighth |
| T x:<subscription> | stream | every delivery: e event id, t type, i integration | 30 d |
| T h:<subscription> | stream | every attempt: e event id, a JSON | 30 d; beyond 100,000 on disk |
| O rp:<replay> | hash | a bulk replay: spec JSON, status, at: how far it is, matched, queued, skipped, finished ms, runner and until when it is its, ms | 30 d after its end |
| O rps | zset | all bulk replays; score = when made, ms | 30 d |
| T rpo | zset | bulk replays at work, of other tenants than default as <tenant> <replay>; score = when made, ms | until their end |
| T ar | string | the gateway that moves attempts to disk | while it does |
| T dl:<subscription> | zset | dead letters; score = when, ms | 30 d |
| O qn | zset | quarantined webhooks; score = when, ms | 30 d |
| O st | hash | counters of all time, fields as in store/statistics.py | - |
| O m:<minute> | hash | the same of one minute since 1970 | 25 h |
| T un | hash | facts to be told: n:<topic> how many, t:<topic> the latest as JSON | until told |
| <prefix>:{cfg}:integrations, :subscriptions, :keys, :tenants | hash | id -> JSON, secrets sealed | - |
| <prefix>:{cfg}:gone:<subscription> | string | the tenant of a deleted subscription, if that is not default | 30 d |
| <prefix>:{cfg}:used | zset | API keys; score = when last used, ms, to within a minute | with the key |
| <prefix>:{cfg}:drift:<platform>, of other tenants than default :drift:<tenant>:<platform> | hash | what did not fit the mapping: name -> count, first and last seen, sample | 30 d after the last |
| <prefix>:{cfg}:untold | hash | the same, of facts about the configuration | until told |
| <prefix>:{cfg}:told | hash | what is told only so often -> the moment it was told for, ms | as what it is about |
| <prefix>:{cfg}:heard | zset | integrations; score = their last verified webhook, ms | as the integration |
| <prefix>:{cfg}:learnt | hash | "<integration> host\|prefix <name>" -> what its webhooks taught | with the integration |
| <prefix>:{cfg}:ver | string | counts changes of the configuration | - |
| <prefix>:{cfg}:meta | hash | schema version, partitions, sealed check | - |

Fields of a gate; what is not there is zero, a breaker that is not there is closed:

| field | holds |
|---|---|
| f, d | failed attempts in a row; deliveries in a row that used up their attempts |
| s, u, b, p | breaker: open or probing; nothing is leased before u, ms; ms since the last probe; the event probed with |
| h | nothing is leased before, ms: the subscriber asked for time, or the next attempt of the rate |
| t, r | 60,000ths of attempts that the rate had left at r, ms |
| n | leases that chose between a first attempt and a retry, modulo 4 |
| o | the last place that was given in l |
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from onehook.core.jsontext import encode
from onehook.core.model import DEFAULT_TENANT

LIVE_TURNS = 8  # parts of the index of references that an event's life takes
REFERENCE_TURNS = LIVE_TURNS + 2  # with those that are filling and ending


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of the keys of one partition, as one tenant sees them."""

    prefix: str
    tag: str = "0"
    tenant: str = DEFAULT_TENANT
    _shared: str = field(init=False, repr=False)
    _own: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shared = f"{self.prefix}:{{{self.tag}}}:"
        own = shared if self.tenant == DEFAULT_TENANT else f"{shared}t:{self.tenant}:"
        object.__setattr__(self, "_shared", shared)
        object.__setattr__(self, "_own", own)

    def of(self, tenant: str) -> "Keys":
        """The names as *tenant* sees them."""
        return self if tenant == self.tenant else Keys(self.prefix, self.tag, tenant)

    def _data(self, name: str) -> str:
        return self._shared + name

    def _mine(self, name: str) -> str:
        return self._own + name

    @property
    def due(self) -> str:
        """Subscriptions by the earliest moment in their queues."""
        return self._data("due")

    @property
    def fan_out(self) -> str:
        """Deliveries that are made, and in no queue yet."""
        return self._data("fo")

    @property
    def fan_out_blocks(self) -> str:
        """The same of several events to the same subscriptions, put together."""
        return self._data("fb")

    @property
    def fan_out_progress(self) -> str:
        """How many of its subscriptions a block of the fan-out has come to."""
        return self._data("fp")

    @property
    def index(self) -> str:
        """The stream of all events of the tenant."""
        return self._mine("ix")

    @property
    def archivist(self) -> str:
        """The gateway that moves old attempts to its disk."""
        return self._data("ar")

    @property
    def quarantine(self) -> str:
        """Quarantined webhooks by time."""
        return self._mine("qn")

    @property
    def untold(self) -> str:
        """Facts of the gateway's own that are not events yet."""
        return self._data("un")

    @property
    def totals(self) -> str:
        """Counters of all time."""
        return self._mine("st")

    def minute(self, minute: int) -> str:
        """Counters of one minute since 1970."""
        return self._mine(f"m:{minute}")

    @property
    def references(self) -> list[str]:
        """The parts of the index of references, in order of their turns."""
        return [self._mine(f"r:{turn}") for turn in range(REFERENCE_TURNS)]

    @property
    def replays(self) -> str:
        """Bulk replays by time."""
        return self._mine("rps")

    @property
    def open_replays(self) -> str:
        """Bulk replays that are at work, of all tenants."""
        return self._data("rpo")

    def replay(self, replay_id: str) -> str:
        """A bulk replay."""
        return self._mine(f"rp:{replay_id}")

    def marker(self, integration_id: str, kind: str, parts: Sequence[str]) -> str:
        """The dedupe marker of a delivery id (*kind* ``id``), signed bytes (``bytes``), a fact (``notice``)."""
        digest = hashlib.sha256(encode([integration_id, kind, list(parts)])).digest()[:16]
        return self._data(f"d:{base64.urlsafe_b64encode(digest).decode().rstrip('=')}")

    def native(self, webhook_id: str) -> str:
        """A native webhook."""
        return self._mine(f"w:{webhook_id}")

    def event(self, event_id: str) -> str:
        """A unified event."""
        return self._mine(f"e:{event_id}")

    def deliveries(self, event_id: str) -> str:
        """Where each delivery of an event is; in `l`, whose it left to the fan-out."""
        return self._mine(f"v:{event_id}")

    def queue(self, subscription_id: str) -> str:
        """What a subscription has yet to get."""
        return self._data(f"q:{subscription_id}")

    def leases(self, subscription_id: str) -> str:
        """How often each delivery was leased without a record."""
        return self._data(f"c:{subscription_id}")

    def gate(self, subscription_id: str) -> str:
        """Whether and how fast a subscription's deliveries may be leased."""
        return self._data(f"g:{subscription_id}")

    def line(self, subscription_id: str) -> str:
        """Deliveries that go in order."""
        return self._data(f"l:{subscription_id}")

    def log(self, subscription_id: str) -> str:
        """Every delivery of a subscription, in order of its making."""
        return self._data(f"x:{subscription_id}")

    def attempts(self, subscription_id: str) -> str:
        """Every attempt of a subscription."""
        return self._data(f"h:{subscription_id}")

    def dead(self, subscription_id: str) -> str:
        """A subscription's dead letters."""
        return self._data(f"dl:{subscription_id}")

    def drift(self, platform: str) -> str:
        """What did not fit a platform's mapping."""
        whose = "" if self.tenant == DEFAULT_TENANT else f"{self.tenant}:"
        return self.config(f"drift:{whose}{platform}")

    def gone(self, subscription_id: str) -> str:
        """Whose a deleted subscription was: for as long as anything of it may be left."""
        return self.config(f"gone:{subscription_id}")

    def config(self, name: str) -> str:
        """A part of the configuration."""
        return f"{self.prefix}:{{cfg}}:{name}"
