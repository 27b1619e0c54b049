"""How commands ask a running gateway."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import aiohttp
import msgspec
from cyclopts import Parameter

from onehook.core.jsontext import encode
from onehook.errors import FieldError, OnehookError, SettingsError, StoreUnavailableError
from onehook.settings import ClientSettings

TIMEOUT = 60.0  # seconds; the longest operation takes 30
MOST_A_PAGE = 200


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Target:
    """Which gateway, and how to print what it answers.

    Args:
        url: the gateway (http://127.0.0.1:8080); also ONEHOOK_URL. The API key is ONEHOOK_API_KEY,
            or in the file api-key in ONEHOOK_DATA.
        json_: print JSON.
    """

    url: str | None = None
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False


HERE = Target()


class RefusedError(OnehookError):
    """The gateway refuses, with what it says; exit code 1. *status* is the answer's."""


@dataclass(slots=True)
class Client:
    """A gateway at *url*, asked with the operator's key."""

    url: str
    session: aiohttp.ClientSession
    date: datetime | None = field(default=None, init=False)  # what its last answer says it is

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, object] | None = None,
        *,
        checked: bool = True,
    ) -> Any:
        """The JSON that the gateway answers, None where it answers nothing.

        *query* may hold None, for what is not asked. With *checked* False a problem is given as
        it is, not raised.

        Raises:
            SettingsError: the gateway does not know the key.
            StoreUnavailableError: exit 69, no gateway answers there, or its store is away.
            RefusedError: it refuses.
        """
        given = {n: _word(v) for n, v in (query or {}).items() if v is not None}
        sent: dict[str, Any] = {}
        if body is not None:
            sent = {"data": encode(body), "headers": {"Content-Type": "application/json"}}
        try:
            async with self.session.request(
                method, self.url + path, params=given, allow_redirects=False, **sent
            ) as response:
                self.date = _date(response)
                if checked:
                    await check(response, self.url)
                return await response.json(content_type=None) if response.status != 204 else None
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise StoreUnavailableError(unreachable(self.url, error)) from None

    async def get(self, path: str, **query: object) -> Any:
        """GET with a query."""
        return await self.call("GET", path, query=query)

    async def pages(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        most: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The items of a list, *most* of them at most, a page at a time."""
        cursor: str | None = None
        given = 0
        while True:
            limit = MOST_A_PAGE if most is None else min(MOST_A_PAGE, most - given)
            place: dict[str, object] = {"limit": limit, "cursor": cursor}
            page = await self.call("GET", path, query={**(query or {}), **place})
            for item in page["data"]:
                yield item
            given += len(page["data"])
            cursor = page["next"]
            if cursor is None or (most is not None and given >= most):
                return

    async def listed(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        most: int | None = None,
    ) -> list[dict[str, Any]]:
        """The items of a list at once."""
        return [item async for item in self.pages(path, query, most)]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _date(response: aiohttp.ClientResponse) -> datetime | None:
    with suppress(KeyError, ValueError, TypeError):
        return parsedate_to_datetime(response.headers["Date"])
    return None


@asynccontextmanager
async def connect(target: Target = HERE) -> AsyncGenerator[Client, None]:
    """A client of the gateway that *target*, or the environment, names.

    Raises:
        SettingsError: there is no API key.
    """
    settings = ClientSettings()
    headers = {"Authorization": f"Bearer {get_key(settings)}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=5)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield Client(address(settings, target.url), session)


def address(settings: ClientSettings, url: str | None) -> str:
    """The gateway's URL, without a slash at its end."""
    return (url or settings.url).rstrip("/")


async def post(settings: ClientSettings, path: str, body: object) -> Any:
    """The JSON that the gateway of *settings* answers to *body*.

    Raises:
        SettingsError: there is no API key, or the gateway does not know it.
        StoreUnavailableError: exit 69, no gateway answers there.
        RefusedError: it refuses.
    """
    async with connect(Target(settings.url)) as client:
        return await client.call("POST", path, body)


def get_key(settings: ClientSettings) -> str:
    """The API key: as set, or as a gateway on this machine made it.

    Raises:
        SettingsError: there is none.
    """
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    try:
        return (settings.data / "api-key").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        msg = "ONEHOOK_API_KEY is not set, and ONEHOOK_DATA holds no api-key"
        raise SettingsError(msg) from None


def unreachable(url: str, error: Exception) -> str:
    """What to say where no gateway answers."""
    said = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return f"{url} cannot be reached (ONEHOOK_URL): {said}"


async def check(response: aiohttp.ClientResponse, url: str) -> None:
    """Tell what the gateway refuses, in its own words.

    Raises:
        SettingsError: it does not know the key.
        StoreUnavailableError: it is not ready, or its store is away.
        RefusedError: it refuses.
    """
    if response.status < 300:
        return
    try:
        problem = msgspec.convert(await response.json(content_type=None), _Problem)
    except (aiohttp.ClientError, ValueError):
        problem = _Problem(f"{url} answers {response.status}, and not as a gateway does")
    detail, errors = problem.detail, problem.errors
    if response.status == 401:
        msg = f"ONEHOOK_API_KEY: {url} does not take it: {detail}"
        raise SettingsError(msg)
    if response.status == 503:
        raise StoreUnavailableError(detail)
    whole = _whole(detail, errors)
    raise RefusedError(whole, code=problem.code, status=response.status, errors=errors)


class _Problem(msgspec.Struct):
    """What of an answer that refuses is told on."""

    detail: str
    code: str = "internal_error"
    errors: list[FieldError] = []


def _whole(detail: str, errors: Sequence[FieldError]) -> str:
    """The sentence, and what it does not say of what else is wrong."""
    more = [f"  {e.pointer} {e.detail}" for e in errors if e.detail not in detail]
    return "\n".join([detail, *more])
