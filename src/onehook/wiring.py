"""Settings to running parts: builds a gateway, runs it, stops it in order."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

import msgspec
import structlog
from aiohttp import web
from redis.exceptions import RedisError
from yarl import URL

from onehook.app import make_app
from onehook.clock import Clock, SystemClock
from onehook.core.destinations.document import Destination, find_destination
from onehook.core.model import DEFAULT_TENANT
from onehook.core.notices import pause_changed
from onehook.deliver.client import DeliveryClient
from onehook.deliver.courier import Courier
from onehook.deliver.egress import Egress
from onehook.deliver.fanout import FanOut
from onehook.deliver.mail import MailClient
from onehook.deliver.raw import RawBodies
from onehook.deliver.replayer import Replayer
from onehook.deliver.tester import Tester
from onehook.deliver.worker import Worker
from onehook.destinations import read_all as read_destinations
from onehook.errors import SettingsError, StoreUnavailableError
from onehook.ingest.announcer import Announcer
from onehook.ingest.committer import Committer
from onehook.ingest.guard import Guard
from onehook.ingest.handler import Ingest
from onehook.ingest.retry import QuarantineRetrier
from onehook.ingest.shortcut import Shortcut
from onehook.ingest.steps import Steps
from onehook.library import Library
from onehook.mappings import MappingFile, folders_of, read_all
from onehook.metrics import Metrics
from onehook.pulse import Pulse
from onehook.reloading import Reloader
from onehook.settings import Settings
from onehook.store.archive import Archive
from onehook.store.client import Client
from onehook.store.connection import check_server, connect, store_errors
from onehook.store.deliveries import DeliveryStore
from onehook.store.drift import Drift
from onehook.store.events import EventStore, Retention
from onehook.store.fanout import FanOutStore
from onehook.store.health import clock_skew
from onehook.store.history import History
from onehook.store.key_uses import KeyUses
from onehook.store.keys import Keys
from onehook.store.notices import NoticeStore
from onehook.store.quarantine import QuarantineStore
from onehook.store.references import ReferenceIndex
from onehook.store.registry import Registry
from onehook.store.relief import Relief
from onehook.store.replays import ReplayStore
from onehook.store.retention import sweep
from onehook.store.sealing import Sealer, load_sealer, make_sealer, write_private
from onehook.store.server import EmbeddedServer
from onehook.store.statistics import Statistics
from onehook.store.tenant_registry import TenantRegistry
from onehook.web import guesses
from onehook.web.access import make_key
from onehook.web.gateway import STOPPING, Gateway, Readiness
from onehook.web.server import Room, Site
from onehook.web.workbench import Workbench

log = structlog.get_logger()

UNREADABLE = "configuration_unreadable"  # the code of the warning in /readyz
SKEWED, SKEW = "clock_skewed", timedelta(seconds=30)  # beyond it, /readyz warns
CLOCKS = 10.0  # seconds between looks at how far the store's clock is from ours
REFRESH = 0.5  # seconds between looks for another gateway's changes: a revoked key ends in 1 s
KEY_USES = 60.0  # seconds between writings of when API keys were used
STORE_PATIENCE = 10.0  # seconds that a start waits for a store that does not answer
STORE_PAUSE = 0.2
PULSE = 2.0  # seconds between carryings of what came in to the counters that all share
DRIFT = 5.0  # seconds between writings of what did not fit; a kill loses as much of the counts
LOOK = 0.5  # seconds between looks at the mapping files
SWEEP = 60.0  # seconds between rounds of retention
RELIEF = 1.0  # seconds between looks whether the store is too full
TELL = 1.0  # seconds between rounds of telling what happened to the gateway itself
SILENCE = 60.0  # seconds between looks for integrations that fell silent
DRAIN_HTTP = 3.0  # seconds that requests in hand may take when we stop
# What stops us sends SIGKILL after a while: Kubernetes 30 s, Docker 10 s, by default.
DRAIN_ALL = 11.0  # seconds from the start of the stop that all that runs may take to end
LAST_WORDS = 2.0  # seconds for what is only in memory to be written down


class Runtime:
    """One gateway process: from :meth:`start` to :meth:`stop`.

    *mappings* are the compiled files of the folders that *settings* name; without them they are
    read.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        mappings: Sequence[MappingFile] | None = None,
    ) -> None:
        self.settings = settings
        self._mappings = mappings
        self.clock = clock or SystemClock()
        self.url = ""
        self.api_key: str | None = None  # as given or made; None: another start made it
        self.key_file = settings.key_file
        self._stop = asyncio.Event()
        self._stop_store = asyncio.Event()
        self._pausing = asyncio.Lock()
        self.workbench = Workbench()
        self._tasks: list[asyncio.Task[object]] = []
        self._server: EmbeddedServer | None = None
        self._metrics = Metrics()
        self._store_watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring everything up; webhooks are taken when this returns.

        Raises:
            SettingsError: a setting, the data folder or the store cannot be used.
            MappingError: a mapping file is wrong.
            StoreUnavailableError: the store cannot be reached.
        """
        settings = self.settings
        folders = folders_of(settings.mappings)
        library = Library(read_all(folders) if self._mappings is None else self._mappings, folders)
        _prepare_folder(settings.data)
        keys = Keys(settings.key_prefix)
        retention = Retention(history=timedelta(days=settings.history_days))
        metrics, readiness = self._metrics, Readiness()
        sealer = sealer_of(settings)
        destinations = _destinations(settings)
        registry = await self._open(
            lambda: Registry(
                self.client, keys, sealer, library.compiled, destinations, settings.public_url
            ),
            retention,
        )
        events = EventStore(self.client, keys, retention)
        deliveries = DeliveryStore(self.client, keys, retention, self.clock)
        notices = NoticeStore(self.client, keys)
        archive = Archive(settings.data / "archive")
        owner = secrets.token_hex(8)  # who this process is, to the others
        history = History(self.client, keys, retention, archive, owner)
        self.relief = Relief(self.client, keys, retention)
        replays = ReplayStore(self.client, keys, retention)
        egress = _egress(settings)
        self.http = DeliveryClient(egress, settings.concurrency)
        self.mail = MailClient(egress)
        courier = Courier(self.http, self.mail, RawBodies(events, registry.mapping))
        self.worker = Worker(
            deliveries,
            events,
            courier,
            self.clock,
            metrics,
            concurrency=settings.concurrency,
            targets=lambda: registry.snapshot.targets,
            confirm=registry.refresh,
            pause=self._pause,
        )
        replayer = Replayer(
            replays,
            events,
            deliveries,
            notices,
            targets=lambda: registry.snapshot.targets,
            runner=owner,
        )
        fan_out = FanOut(
            FanOutStore(self.client, keys),
            targets=lambda: registry.snapshot.targets,
            wants=self.worker.wants,
            wake=self.worker.hurry,
        )
        self.committer = Committer(
            events, self.worker, metrics, settings.max_waiting, self.clock, fan_out.notice
        )
        statistics = Statistics(self.client, keys)
        self.pulse = Pulse(metrics, statistics, registry.tenant_of, self.clock.now)
        quarantine, self.drift = QuarantineStore(self.client, keys), Drift(self.client, keys)
        self.gateway = Gateway(
            settings=settings,
            clock=self.clock,
            metrics=metrics,
            mappings=library,
            registry=TenantRegistry(registry, DEFAULT_TENANT),
            events=events,
            deliveries=deliveries,
            quarantine=quarantine,
            retrier=QuarantineRetrier(
                registry=registry,
                events=events,
                quarantine=quarantine,
                committer=self.committer,
                notices=notices,
                drift=self.drift,
                metrics=metrics,
                clock=self.clock,
                max_body=settings.max_body,
            ),
            drift=self.drift,
            workbench=self.workbench,
            notices=notices,
            key_uses=KeyUses(self.client, keys),
            guesses=guesses.of_api_keys(),
            secret_guesses=guesses.of_secrets(),
            references=self.references,
            history=history,
            replays=replays,
            replay_began=replayer.notice,
            statistics=statistics,
            tester=Tester(courier, self.clock),
            readiness=readiness,
            origin=[""],
        )
        self.reloader = Reloader(library, registry, readiness, metrics, self.clock)
        self.announcer = Announcer(
            notices, self.committer, lambda: registry.snapshot, self.clock, metrics
        )
        # What was held for want of its destination's file, or by a stop half-way, is due again.
        running = [id_ for id_, one in registry.snapshot.targets.items() if not one.held]
        await deliveries.expedite(*running)
        await self._listen()
        self._tasks = [
            asyncio.create_task(self.worker.run(self._stop)),
            asyncio.create_task(replayer.run(self._stop)),
            asyncio.create_task(fan_out.run(self._stop)),
            asyncio.create_task(self.committer.run()),
            asyncio.create_task(self._every(REFRESH, self._refresh)),
            asyncio.create_task(self._every(SWEEP, self._sweep)),
            asyncio.create_task(self._every(RELIEF, self._relieve)),
            asyncio.create_task(self._every(LOOK, self.reloader.look)),
            asyncio.create_task(self._every(DRIFT, self.drift.flush)),
            asyncio.create_task(self._every(PULSE, self.pulse.flush)),
            asyncio.create_task(self._every(TELL, self.announcer.tell)),
            asyncio.create_task(self._every(SILENCE, self.announcer.check)),
            asyncio.create_task(self._every(KEY_USES, self._write_uses)),
            asyncio.create_task(self._every(CLOCKS, self._compare_clocks)),
        ]
        readiness.set("starting", holds=False)

    async def _open(self, make: Callable[[], Registry], retention: Retention) -> Registry:
        """Open the store and read the configuration; a store that is just coming up is waited for.

        Raises:
            StoreUnavailableError: it did not come up in time.
        """
        deadline = asyncio.get_running_loop().time() + STORE_PATIENCE
        while True:
            try:
                with store_errors():
                    self.client = await self._open_store()
                    registry = make()
                    await registry.open()
                    await self._first_key(registry)
                    self.references = ReferenceIndex(self.client, registry.keys)
                    for tenant, seen in registry.sightings.items():
                        await self.references.recall(tenant, seen, retention.event)
                    return registry
            except StoreUnavailableError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                log.warning("store.awaited", reason=error.detail)
                await asyncio.sleep(STORE_PAUSE)

    async def _open_store(self) -> Client:
        settings, sent = self.settings, self._metrics.round_trips.inc
        if settings.redis_url is not None:
            client = connect(settings.redis_url.get_secret_value(), sent=sent)
        else:
            if self._server is None:
                self._server = EmbeddedServer(settings.data, maxmemory=settings.store_memory)
            client = connect(await self._server.start(), sent=sent)
            if self._store_watch is None:
                self._store_watch = asyncio.create_task(self._server.watch(self._stop_store))
        try:
            info = await check_server(client, settings.ack)
        except BaseException:
            await client.aclose()
            raise
        if info.cluster:
            msg = "ONEHOOK_REDIS_URL leads to a cluster, which this release cannot use yet"
            raise SettingsError(msg)
        for name in info.unverified:
            log.warning("store.unverified", setting=name)
        return cast("Client", client)

    async def _first_key(self, registry: Registry) -> None:
        """The first admin key: as set, as kept in the data folder, or made now."""
        given = self.settings.api_key
        if given is not None:
            self.api_key = given.get_secret_value()
        elif self.key_file.exists():
            self.api_key = self.key_file.read_text(encoding="utf-8").strip()
        else:
            self.api_key = make_key()
        if given is None or self.key_file.exists():
            write_private(self.key_file, self.api_key + "\n")
        await registry.ensure_first_key(self.api_key, self.clock.now())

    async def _listen(self) -> None:
        settings = self.settings
        gateway = self.gateway
        guard = Guard(
            settings.trusted_proxies, settings.sender_failures, settings.sender_concurrency
        )
        whole, keys = gateway.registry.whole, gateway.events.keys
        steps = Steps(whole, keys, self.committer, guard, settings.max_body)
        ingest = Ingest(gateway, self.announcer, guard, steps)
        app = make_app(gateway, ingest)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=DRAIN_HTTP)
        await self._runner.setup()
        site = Site(
            self._runner,
            settings.host,
            settings.port,
            backlog=1024,
            head_timeout=settings.header_timeout.total_seconds(),
            metrics=self.gateway.metrics,
            room=Room(settings.max_connections),
            shortcut=Shortcut(ingest).take,
            access_log=None,
            auto_decompress=False,  # signatures cover the bytes as they came
            keepalive_timeout=75,
        )
        try:
            await site.start()
        except OSError as error:
            msg = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            raise SettingsError(msg) from None
        port = self._runner.addresses[0][1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{host}:{port}"
        self.gateway.origin[0] = settings.public_url or self.url

    async def stop(self) -> None:
        """Stop accepting, commit what is in hand, finish attempts in flight, close the store.

        All within some 14 s, however the store is: what it does not take by then is not lost, as
        it was not acknowledged or has a lease that runs out.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._stop.set()
        self.workbench.close()
        readiness = getattr(self, "gateway", None)
        if readiness is not None:
            self.gateway.readiness.set(STOPPING, holds=True)
        runner = getattr(self, "_runner", None)
        if runner is not None:
            await runner.cleanup()  # waits for requests in hand, and so for their commits
        if self._tasks:
            left = DRAIN_ALL - (loop.time() - begun)
            await _within(left, self._end_tasks(), "drain")
            await _within(LAST_WORDS, self._write_rest(), "last_words")
        http = getattr(self, "http", None)
        if http is not None:
            await http.close()
            self.mail.close()
        client = getattr(self, "client", None)
        if client is not None:
            await client.aclose()
        self._stop_store.set()
        if self._store_watch is not None:
            await self._store_watch
        if self._server is not None:
            await self._server.stop()

    async def _end_tasks(self) -> None:
        await self.announcer.close()
        self.committer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write_rest(self) -> None:
        """Write down what would be lost with this process, and is no event."""
        await self.drift.flush()
        await self.pulse.flush()
        await self._write_uses()
        with suppress(RedisError, OSError):  # else the next start learns it again
            await self.gateway.registry.whole.keep_lessons()

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Act until we stop. A fault ends one round, not all: revoked keys hang on the next."""
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._stop.wait()
            except TimeoutError:
                try:
                    await act()
                except Exception:
                    log.exception("round.crashed", round=getattr(act, "__qualname__", ""))

    async def _refresh(self) -> None:
        """Take up what other gateways changed, learnt and saw; tell whether the store answers."""
        registry = self.gateway.registry.whole
        try:
            await registry.keep_lessons()
            await registry.refresh()
            await self.references.catch_up(registry.sightings)
        except (RedisError, OSError) as error:
            self.gateway.readiness.set("store_unavailable", holds=True)
            log.warning("store.unreachable", error=type(error).__name__)
            return
        except SettingsError as error:  # the configuration from before still runs
            self.gateway.readiness.warn(UNREADABLE, [error.detail])
            log.warning("configuration.unreadable", reason=error.detail)
        else:
            self.gateway.readiness.warn(UNREADABLE, [])
        self.gateway.readiness.set("store_unavailable", holds=False)

    async def _compare_clocks(self) -> None:
        """Warn if the store, whose clock times retries, has another time than we."""
        try:
            skew = await clock_skew(self.client, self.clock.now)
        except (RedisError, OSError):  # told of elsewhere
            return
        seconds = round(skew.total_seconds())
        detail = f"the store's clock is {seconds:+} s from the gateway's: let both keep time by NTP"
        self.gateway.readiness.warn(SKEWED, [detail] if abs(skew) > SKEW else [])

    async def _sweep(self) -> None:
        gateway, snapshot = self.gateway, self.gateway.registry.whole.snapshot
        subscriptions = list(snapshot.subscriptions)
        try:
            await sweep(
                self.client,
                gateway.events.keys,
                gateway.events.retention,
                subscriptions,
                list(snapshot.tenants),
            )
            await gateway.history.trim(subscriptions)
        except (RedisError, OSError) as error:
            log.warning("retention.postponed", error=type(error).__name__)

    async def _relieve(self) -> None:
        """Make room in a store that is too full."""
        gateway, snapshot = self.gateway, self.gateway.registry.whole.snapshot
        subscriptions = {id_: record.tenant for id_, record in snapshot.subscriptions.items()}
        try:
            await self.relief.relieve(
                list(snapshot.tenants),
                subscriptions,
                lambda: gateway.history.trim(list(subscriptions)),
            )
        except (RedisError, OSError) as error:
            log.warning("relief.postponed", error=type(error).__name__)

    async def _write_uses(self) -> None:
        """Write down which API keys were used."""
        try:
            await self.gateway.key_uses.write(self.gateway.registry.whole.snapshot.keys)
        except (RedisError, OSError) as error:
            log.warning("key_uses.postponed", error=type(error).__name__)

    async def _pause(self, subscription_id: str, reason: str) -> None:
        """Pause a subscription that cannot be delivered to; told of once, whoever sees it."""
        registry, saved = self.gateway.registry.whole, False
        async with self._pausing:  # its attempts in flight all hear the same
            while not saved:
                await registry.refresh()
                record = registry.snapshot.subscriptions.get(subscription_id)
                if record is None or record.paused_reason is not None:
                    return
                now = self.clock.now()
                paused = msgspec.structs.replace(record, paused_reason=reason, updated_at=now)
                notice = pause_changed(record.id, record.name, None, reason, now, record.tenant)
                saved = await registry.save_if_current("subscriptions", paused, notice)
        log.warning("subscription.paused", subscription_id=subscription_id, reason=reason)


async def _within(seconds: float, work: Awaitable[None], what: str) -> None:
    """Await *work* for so long, and go on without it."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await work
    except TimeoutError:
        log.warning("stop.hurried", part=what)


def _destinations(settings: Settings) -> Mapping[str, Destination]:
    """Every destination there is.

    Raises:
        SettingsError: the one that is the default is not among them.
    """
    found = read_destinations(settings.destinations)
    if find_destination(found, settings.default_destination) is None:
        msg = f"ONEHOOK_DEFAULT_DESTINATION: there is no {settings.default_destination!r}"
        raise SettingsError(msg)
    return found


def sealer_of(settings: Settings) -> Sealer:
    """What seals the secrets: the keys that are set, or those of ``secret.key``.

    Raises:
        SettingsError: they are no keys.
    """
    given = settings.secret_key
    return (
        load_sealer(settings.key_ring) if given is None else make_sealer(given.get_secret_value())
    )


def _egress(settings: Settings) -> Egress:
    """How deliveries leave.

    Raises:
        SettingsError: a source address is not ours.
    """
    proxy = settings.egress_proxy
    egress = Egress(
        settings.delivery_allow,
        settings.egress_bind,
        None if proxy is None else URL(proxy.get_secret_value()),
    )
    egress.check()
    return egress


def _prepare_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the data folder {data} cannot be made: {error.strerror}"
        raise SettingsError(msg) from None


async def run(settings: Settings, ready: Callable[[Runtime], None], stop: asyncio.Event) -> None:
    """Run a gateway until *stop* is set; *ready* is called once it takes webhooks.

    Raises:
        OnehookError: it cannot start.
        StoreUnavailableError: the store does not answer.
    """
    runtime = Runtime(settings)
    try:
        await runtime.start()
        ready(runtime)
        await stop.wait()
    except (RedisError, OSError) as error:
        msg = "the store cannot be used: it does not answer"
        raise StoreUnavailableError(msg) from error
    finally:
        await runtime.stop()
