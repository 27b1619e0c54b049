"""The yardsticks: what the bare framework does with the same requests.

``/bare/…`` reads the body and answers 202; ``/floor/…`` checks the HMAC and parses the JSON too.
Loop, runner and options are the product's (``onehook.wiring``). Prints ``ready PORT``.
"""

import argparse
import asyncio
import hmac
import signal
import sys

import msgspec
import uvloop
from aiohttp import web

from benchmarks.payloads import SIGNED_WITH

_MAX_BODY = 25 * 1024 * 1024
_ANSWER = b'{"status":"accepted","events":[]}'
SECRET = web.AppKey("secret", bytes)
_decode = msgspec.json.Decoder().decode


async def bare(request: web.Request) -> web.Response:
    """Read the body."""
    await request.read()
    return web.Response(status=202, body=_ANSWER, content_type="application/json")


async def floor(request: web.Request) -> web.Response:
    """Read the body, check its signature, parse it."""
    body = await request.read()
    expected = "sha256=" + hmac.digest(request.app[SECRET], body, "sha256").hex()
    if not hmac.compare_digest(request.headers.get("X-Hub-Signature-256", ""), expected):
        return web.Response(status=401)
    _decode(body)
    return web.Response(status=202, body=_ANSWER, content_type="application/json")


async def _serve(port: int, secret: bytes) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    app = web.Application(client_max_size=_MAX_BODY)
    app[SECRET] = secret
    app.router.add_post("/bare/{integration_id}", bare)
    app.router.add_post("/floor/{integration_id}", floor)
    runner = web.AppRunner(
        app, access_log=None, auto_decompress=False, handle_signals=False, keepalive_timeout=75
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(f"ready {runner.addresses[0][1]}", flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser("benchmarks.floor", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret", default=SIGNED_WITH)
    options = parser.parse_args()
    uvloop.run(_serve(options.port, options.secret.encode()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
