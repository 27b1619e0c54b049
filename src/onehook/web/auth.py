"""API keys: who may call the management API."""

from aiohttp import web

from onehook.errors import ForbiddenError
from onehook.store.registry import KeyRecord
from onehook.web.gateway import Gateway


def authenticate(request: web.Request, gateway: Gateway) -> KeyRecord:
    """The API key of *request*.

    Raises:
        ForbiddenError: 401, there is none or it is not known.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, key = header.partition(" ")
    found = gateway.registry.find_key(key.strip()) if scheme.lower() == "bearer" and key else None
    if found is None:
        what = "this API key is not known" if key else "send Authorization: Bearer <api key>"
        raise ForbiddenError(what, code="unauthorized", status=401)
    return found
