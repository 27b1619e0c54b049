"""A browser without script: it keeps cookies, follows redirects, and sends forms."""

import html
import re
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from tests.builders import API_KEY


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as it was answered."""

    status: int
    url: str
    headers: Any
    text: str

    @property
    def words(self) -> str:
        """What a person reads: no tags, no runs of space."""
        text = re.sub(r"(?s)<(script|style|template)\b.*?</\1>", " ", self.text)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())

    @property
    def token(self) -> str:
        """What its forms carry."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        assert found, self.text[:2000]
        return found[1]


class Served(Protocol):
    """A gateway, in this process or in one of its own."""

    @property
    def url(self) -> str:
        """Where it listens."""
        ...


class Browser:
    """One visitor of a gateway's console."""

    def __init__(self, gateway: Served) -> None:
        self.gateway = gateway
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name, too
        self.session = aiohttp.ClientSession(gateway.url, cookie_jar=jar)
        self.last: Shown | None = None

    async def get(self, path: str, **more: Any) -> Shown:
        """Load a page."""
        return await self._send("GET", path, **more)

    async def post(
        self, path: str, fields: Any = (), *, token: str | None = None, **more: Any
    ) -> Shown:
        """Send a form, with the token of the page shown last unless another is given."""
        if token is None:
            token = "" if self.last is None else self.last.token
        pairs = list(fields.items()) if isinstance(fields, dict) else list(fields)
        return await self._send("POST", path, data=[("csrf", token), *pairs], **more)

    async def _send(self, method: str, path: str, **more: Any) -> Shown:
        async with self.session.request(method, path, **more) as answer:
            text = await answer.text()
            shown = Shown(answer.status, str(answer.url), answer.headers.copy(), text)
        if 'name="csrf"' in text:
            self.last = shown
        return shown

    async def sign_in(self, key: str = API_KEY) -> Shown:
        """Sign in by the form."""
        await self.get("/console/sign-in")
        return await self.post("/console/sign-in", {"api_key": key, "to": "/console"})
