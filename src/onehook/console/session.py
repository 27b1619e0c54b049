"""Who uses the console: a signed cookie, made from an API key and ending with it.

The cookie holds the key's id, a part of its digest and the tenant that was chosen, never the key.
What signs it comes from ``secret.key``, so every gateway of one store takes the sessions of the
others.
"""

import asyncio
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from itsdangerous import BadData, URLSafeTimedSerializer

from onehook.errors import ForbiddenError, NotFoundError
from onehook.web.access import Access, act_for, find_access
from onehook.web.gateway import Gateway

COOKIE, NOTICE = "onehook_session", "onehook_notice"
PATH = "/console"
LIFETIME = timedelta(hours=12)
FIELD = "csrf"  # of every form
_DIGEST = 16  # characters of the key's digest: another key under the same id ends the session


@dataclass(frozen=True, slots=True)
class Session:
    """A visitor; null *access*: one who has not signed in."""

    id: str
    access: Access | None = None


class Sessions:
    """Makes and reads the cookie, and the token that every form of a session carries."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def _keys(self) -> list[bytes]:
        """What signs, as ``secret.key`` has it now: it may be rotated under us."""
        return self._gateway.registry.sealer.derive("console")

    @property
    def _cookies(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._keys, salt="session")

    @property
    def _notices(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._keys, salt="notice")

    def read(self, request: web.Request) -> Session:
        """The session of *request*; without a cookie of ours, that of a new visitor."""
        found = self._load(request.cookies.get(COOKIE, ""))
        if found is None:
            return Session(secrets.token_urlsafe(18))
        id_, key_id, digest, tenant = found
        registry = self._gateway.registry.whole
        key = registry.snapshot.keys.get(key_id)
        if key is None or not hmac.compare_digest(key.digest[:_DIGEST], digest):
            return Session(id_)
        if not key.holds(self._gateway.clock.now()):
            return Session(id_)
        access = Access(key, key.tenant)
        with suppress(NotFoundError):  # the chosen tenant is gone: it is at home again
            access = act_for(access, registry, tenant)
        return Session(id_, access)

    def _load(self, cookie: str) -> tuple[str, str, str, str] | None:
        try:
            value: Any = self._cookies.loads(cookie, max_age=int(LIFETIME.total_seconds()))
            id_, key_id, digest, tenant = map(str, value)
        except (BadData, ValueError, TypeError):
            return None
        return id_, key_id, digest, tenant

    def sign_in(self, text: str, address: str) -> Session:
        """A new session of the API key *text*, which came from *address*.

        Raises:
            ForbiddenError: 401, it is not known, was revoked or has expired.
            RateLimitedError: 429, too many wrong keys came from there (threats.md H3).
        """
        gateway = self._gateway
        now = gateway.clock.now()
        access = find_access(gateway.registry.whole, text.strip(), now)
        if access is None:
            gateway.guesses.count(address, asyncio.get_running_loop().time())
            msg = "this API key is not known, was revoked or has expired: copy it again"
            raise ForbiddenError(msg, code="unauthorized", status=401)
        return Session(secrets.token_urlsafe(18), access)

    def act_for(self, session: Session, tenant: str) -> Session:
        """*session*, from now on for *tenant*.

        Raises:
            ForbiddenError: 401, nobody has signed in.
            NotFoundError: there is no such tenant, or it is none of the visitor's business.
        """
        if session.access is None:
            msg = "sign in first"
            raise ForbiddenError(msg, code="unauthorized", status=401)
        access = act_for(session.access, self._gateway.registry.whole, tenant)
        return replace(session, access=access)

    def keep(self, response: web.StreamResponse, session: Session) -> None:
        """Have the browser keep *session*."""
        access = session.access
        known = ("", "", "")
        if access is not None:
            known = (access.key_id, access.key.digest[:_DIGEST], access.tenant)
        self.set_cookie(response, COOKIE, self._cookies.dumps((session.id, *known)))

    def set_cookie(self, response: web.StreamResponse, name: str, value: str) -> None:
        """A cookie that only we see, and that no other site's request carries."""
        response.set_cookie(
            name,
            value,
            path=PATH,
            httponly=True,
            samesite="Strict",
            secure=self._gateway.origin[0].startswith("https:"),
            max_age=int(LIFETIME.total_seconds()),
        )

    def tell(self, response: web.StreamResponse, notice: str) -> None:
        """Have the next page say *notice*, once."""
        self.set_cookie(response, NOTICE, self._notices.dumps(notice))

    def told(self, request: web.Request) -> str | None:
        """The notice that the page before left."""
        cookie = request.cookies.get(NOTICE)
        try:
            return None if cookie is None else str(self._notices.loads(cookie, max_age=60))
        except BadData:
            return None

    def token(self, session: Session) -> str:
        """What every form of *session* carries."""
        return hmac.new(self._keys[-1], session.id.encode(), "sha256").hexdigest()

    def check_form(self, request: web.Request, session: Session, token: str) -> None:
        """Take a form only from a page of ours (threats.md H5).

        Raises:
            ForbiddenError: it came from elsewhere, or its token is not the session's.
        """
        origin = request.headers.get("Origin")
        ours = {f"{request.scheme}://{request.host}", _origin(self._gateway.origin[0])}
        if origin is not None and origin not in ours:
            msg = "this form was sent from another site, and was not taken"
            raise ForbiddenError(msg)
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            msg = "this form was sent from another site, and was not taken"
            raise ForbiddenError(msg)
        if not hmac.compare_digest(self.token(session).encode(), token.encode()):
            msg = "this form is of an earlier session: load the page again, and send it once more"
            raise ForbiddenError(msg)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
