"""``onehook serve``: run the gateway."""

import asyncio
import gc
import signal
import sys
from pathlib import Path

import uvloop

from onehook import log
from onehook.settings import Settings, load
from onehook.wiring import Runtime, run


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    data: Path | None = None,
    redis_url: str | None = None,
    mappings: Path | None = None,
) -> int:
    """Run the gateway until SIGTERM or Ctrl-C, then drain and exit 0.

    Mapping files may change meanwhile: they are taken up within a second or two, on SIGHUP at once.

    Every option is also a setting, ``ONEHOOK_HOST`` and so on; an option wins.

    Args:
        host: address to listen on (127.0.0.1).
        port: port to listen on (8080); 0 takes a free one.
        data: folder of the store, the keys and the first API key (./data).
        redis_url: a server of your own instead of the embedded one.
        mappings: folder of mapping files, read after the shipped ones.
    """
    settings = load(host=host, port=port, data=data, redis_url=redis_url, mappings=mappings)
    log.configure(settings.log_level)
    gc.disable()  # starting makes much and drops nothing; _say_ready switches it on again
    uvloop.run(_serve(settings))
    return 0


# A webhook is parsed into thousands of short-lived containers without cycles: by default the
# collector would look at them dozens of times for nothing. Nor may it look at so many at once that
# whoever comes meanwhile waits: at 5,000 for two milliseconds, and now and then at twice as many.
GC = (5_000, 0, 1_000)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await run(settings, _say_ready, stop)


def _say_ready(runtime: Runtime) -> None:
    hurry = runtime.reloader.hurry
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hurry)
    if runtime.settings.api_key is None:
        print(f"The admin API key is in {runtime.key_file}", file=sys.stderr)  # noqa: T201
    gc.freeze()  # what is here now stays: later collections need not look at it
    gc.set_threshold(*GC)
    gc.enable()
    print(f"onehook ready {runtime.url}", flush=True)  # noqa: T201 programs wait for this line
