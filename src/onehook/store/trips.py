"""Round trips to the store that several writers share.

A commit, the records of attempts and the filling of queues each are one script, and each alone
would cost a round trip and an fsync of its own, while which everything else waits. So what is there
when a trip comes back makes up the next one: one write, and one fsync unless it is very large.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError

log = structlog.get_logger()

Word = str | bytes | int
MOST = 2  # trips under way


@dataclass(slots=True, eq=False)
class _Call:
    words: tuple[Word, ...]
    done: "asyncio.Future[Any]"
    hasty: bool

    def answer(self, reply: object) -> None:
        if not self.done.done():  # whoever called may have gone
            self.done.set_result(reply)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Trips:
    """Sends calls over connections of its own: one trip at a time, and a second for the hasty.

    What one call of a trip does to the store, or fails of, is nothing to the others. If the
    connection is lost, or no reply comes in time, the outcome of every call that is not answered
    is unknown.
    """

    def __init__(self, client: "Redis") -> None:
        self._client = client
        self._connections: list[Any] = []  # that nobody uses; redis-py types half of them
        self._waiting: list[_Call] = []
        self._leaving: list[Callable[[], object]] = []
        self._under_way = 0
        self._is_leaving = False  # what is called now joins the trip that is about to begin
        self._trips: set[asyncio.Task[None]] = set()
        self.hasty = _Hasty(self)

    def on_leaving(self, tell: Callable[[], object]) -> None:
        """Call *tell* before each trip: what is called within one turn of the loop joins it."""
        self._leaving.append(tell)

    async def execute_command(self, *words: Word) -> Any:  # Any: the script's reply
        """Send a command with the next trip.

        Raises:
            redis.exceptions.RedisError: as the server or the connection gives it.
            OSError: the server cannot be reached.
        """
        return await self.call(words, hasty=False)

    async def script_load(self, script: str) -> str:
        """Load a script, by the client's own connections."""
        return str(await self._client.script_load(script))

    async def call(self, words: tuple[Word, ...], *, hasty: bool) -> Any:
        """As :meth:`execute_command`; what is *hasty* does not wait for a trip under way."""
        call = _Call(words, asyncio.get_running_loop().create_future(), hasty)
        self._waiting.append(call)
        self._set_off()
        return await call.done

    def _set_off(self) -> None:
        """Begin a trip, if it is time."""
        hasty = any(call.hasty for call in self._waiting)
        if self._is_leaving or not self._waiting or self._under_way >= (MOST if hasty else 1):
            return
        self._under_way += 1
        self._is_leaving = True
        for tell in self._leaving:
            tell()
        asyncio.get_running_loop().call_soon(self._depart)

    def _depart(self) -> None:
        calls, self._waiting, self._is_leaving = self._waiting, [], False
        trip = asyncio.get_running_loop().create_task(self._travel(calls))
        self._trips.add(trip)
        trip.add_done_callback(self._trips.discard)

    async def _travel(self, calls: list[_Call]) -> None:
        try:
            await self._exchange(calls)
        except (RedisError, OSError) as error:
            self._fail(calls, error)
        except Exception as error:  # noqa: BLE001 of a closed socket uvloop raises a RuntimeError
            log.warning("trip.lost", error=type(error).__name__)
            self._fail(calls, LostError("the connection was lost"))
        finally:
            for call in calls:
                call.done.cancel()  # one is left only if this very task was cancelled
            # After those who got a reply: what they have next joins the trip.
            asyncio.get_running_loop().call_soon(self._return)

    @staticmethod
    def _fail(calls: list[_Call], error: Exception) -> None:
        for call in calls:
            call.fail(error)

    def _return(self) -> None:
        self._under_way -= 1
        self._set_off()

    async def _exchange(self, calls: list[_Call]) -> None:
        pool: Any = self._client.connection_pool
        free = self._connections
        connection = free.pop() if free else await pool.get_connection()
        try:
            packed = [(b"".join(connection.pack_command(*call.words)), call) for call in calls]
            # The largest first: the server reads it in pieces, and has the rest once it is whole.
            # The other way round the small ones were executed, and fsynced, while it still comes.
            packed.sort(key=lambda one: (one[1].hasty, len(one[0])), reverse=True)
            await connection.send_packed_command([words for words, _ in packed])
            for _, call in packed:
                try:
                    reply: object = await connection.read_response()
                    call.answer(reply)
                except ResponseError as error:  # an answer, too: the connection is sound
                    call.fail(error)
        except BaseException:
            await connection.disconnect(nowait=True)
            await pool.release(connection)
            raise
        free.append(connection)


class _Hasty:
    """Runs scripts that do not wait for a trip that is under way."""

    def __init__(self, trips: Trips) -> None:
        self._trips = trips
        self.script_load = trips.script_load

    async def execute_command(self, *words: Word) -> Any:  # Any: the script's reply
        """Send a command with a trip that begins now, if it is not the third."""
        return await self._trips.call(words, hasty=True)
