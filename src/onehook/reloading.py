"""Takes up mapping files that change while the gateway runs."""

import asyncio

import structlog

from onehook.clock import Clock
from onehook.library import Fault, Library
from onehook.metrics import Metrics
from onehook.store.registry import Registry
from onehook.web.gateway import Readiness

log = structlog.get_logger()
WARNING = "mapping_broken"


class Reloader:
    """Looks at the mapping files, and swaps in what compiles; what does not, it tells."""

    def __init__(
        self,
        library: Library,
        registry: Registry,
        readiness: Readiness,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._library, self._registry, self._readiness = library, registry, readiness
        self._metrics, self._clock = metrics, clock
        self._at_once = False

    def hurry(self) -> None:
        """Have the next look take every file as it is, without waiting for it to settle."""
        self._at_once = True

    async def look(self) -> None:
        """One look at the files; whatever happens, there will be a next one."""
        try:
            await self._look()
        except Exception:
            log.exception("mappings.crashed")

    async def _look(self) -> None:
        """Reading and compiling is done in a thread."""
        library, at_once, self._at_once = self._library, self._at_once, False
        found = await asyncio.to_thread(library.look, self._clock.now(), at_once=at_once)
        used = {record.type for record in self._registry.snapshot.integrations.values()}
        if found is None:
            library.forget(used)
            return
        known, removed = {fault.path: fault.problems for fault in library.faults}, library.removed
        changed = library.take(found, used)
        # No await from here on: webhooks see all of the change, or nothing of it.
        self._registry.use(library.compiled, changed)
        self._tell(changed, {*library.removed} - {*removed})
        for fault in library.faults:
            if known.get(fault.path) != fault.problems or fault.path not in known:
                self._refuse(fault)

    def _tell(self, changed: set[str], removed: set[str]) -> None:
        library = self._library
        for platform in sorted(changed):
            file = library.get(platform)
            if file is None:
                log.info("mapping.removed", platform=platform, kept=False)
            else:
                version = file.mapping.version
                log.info("mapping.loaded", platform=platform, version=version, file=file.name)
        for platform in sorted(removed):
            log.warning("mapping.removed", platform=platform, kept=True)
        details = [fault.detail for fault in library.faults]
        self._readiness.warn(WARNING, details)
        self._metrics.broken_mappings.set(len(details))

    def _refuse(self, fault: Fault) -> None:
        log.error(
            "mapping.refused",
            file=fault.name,
            platform=fault.platform,
            detail=fault.detail,
            problems=len(fault.problems),
        )
