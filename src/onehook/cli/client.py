"""How commands ask a running gateway."""

from typing import Any

import aiohttp

from onehook.errors import OnehookError, SettingsError, StoreUnavailableError
from onehook.settings import ClientSettings

TIMEOUT = 60.0  # seconds; the longest operation takes 30


async def post(settings: ClientSettings, path: str, body: object) -> Any:
    """The JSON that the gateway answers to *body*.

    Raises:
        SettingsError: there is no API key, or the gateway does not know it.
        StoreUnavailableError: exit 69, no gateway answers there.
        OnehookError: exit 1, it refuses; with what it says.
    """
    headers = {"Authorization": f"Bearer {_key(settings)}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.post(settings.url.rstrip("/") + path, json=body) as response,
        ):
            answer: Any = await response.json(content_type=None)
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        msg = f"no gateway answers at {settings.url} (ONEHOOK_URL): {type(error).__name__}"
        raise StoreUnavailableError(msg) from None
    if status == 401:
        msg = f"ONEHOOK_API_KEY: {settings.url} does not know this key"
        raise SettingsError(msg)
    if status >= 400:
        raise OnehookError(_sentence(answer))
    return answer


def _key(settings: ClientSettings) -> str:
    """The API key: as set, or as a gateway on this machine made it.

    Raises:
        SettingsError: there is none.
    """
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    try:
        return (settings.data / "api-key").read_text("utf-8").strip()
    except OSError:
        msg = "ONEHOOK_API_KEY is not set, and ONEHOOK_DATA holds no api-key"
        raise SettingsError(msg) from None


def _sentence(problem: object) -> str:
    match problem:
        case {"detail": str(detail)}:
            return detail
        case _:
            return "the gateway refuses, and does not say why"
