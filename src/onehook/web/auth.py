"""API keys: who may call the management API."""

from aiohttp import web

from onehook.errors import ForbiddenError
from onehook.store.records import KeyRecord
from onehook.web.gateway import Gateway


def authenticate(request: web.Request, gateway: Gateway) -> KeyRecord:
    """The API key of *request*.

    Raises:
        ForbiddenError: 401, there is none or it is not known.
    """
    found = _find(request, gateway)
    if found is None:
        sent = " " in request.headers.get("Authorization", "")
        what = "this API key is not known" if sent else "send Authorization: Bearer <api key>"
        raise ForbiddenError(what, code="unauthorized", status=401)
    return found


def is_authentic(request: web.Request, gateway: Gateway) -> bool:
    """Whether *request* has a known API key; for what anybody may ask, and key holders see more."""
    return _find(request, gateway) is not None


def _find(request: web.Request, gateway: Gateway) -> KeyRecord | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return gateway.registry.find_key(key.strip()) if scheme.lower() == "bearer" and key else None
