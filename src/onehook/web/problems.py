"""Errors over HTTP: RFC 9457 problems, and the page that each type leads to."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from onehook.core.jsontext import encode
from onehook.errors import OnehookError


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What one code means and what to do."""

    status: int
    title: str
    remedy: str


KINDS: Mapping[str, ProblemKind] = {
    "body_invalid": ProblemKind(400, "The body cannot be read", "Send the body whole, with the framing and Content-Encoding that its headers state."),
    "json_invalid": ProblemKind(400, "The body is not JSON", "The detail names line and column."),
    "signature_missing": ProblemKind(401, "The signature is missing", "Set the integration's secret at the sender, so that it signs what it sends."),
    "signature_ambiguous": ProblemKind(401, "The signature was sent twice", "Send one signature header; look for a proxy that adds one."),
    "signature_invalid": ProblemKind(401, "The signature does not fit", "Use the same secret here and at the sender, and let no proxy change the body."),
    "timestamp_out_of_range": ProblemKind(401, "The signed time is too far from now", "Check the clocks of sender and gateway; an old request cannot be sent again."),
    "unauthorized": ProblemKind(401, "An API key is needed", "Send Authorization: Bearer <api key>."),
    "forbidden": ProblemKind(403, "The API key may not do this", "Use a key with the scope that the detail names."),
    "ip_not_allowed": ProblemKind(403, "The sender's address is not allowed", "Add the address to the integration's allow_from; behind a proxy, name that in ONEHOOK_TRUSTED_PROXIES."),
    "not_found": ProblemKind(404, "There is no such thing", "Check the path and the id."),
    "integration_not_found": ProblemKind(404, "There is no such integration", "Copy the ingest URL again: the integration may have been removed or switched off."),
    "method_not_allowed": ProblemKind(405, "The method is not allowed", "Use one of the methods in the Allow header."),
    "body_timeout": ProblemKind(408, "The body came too slowly", "Send it again; the gateway waits ONEHOOK_BODY_TIMEOUT."),
    "quota_exceeded": ProblemKind(409, "The tenant may not have more", "Remove what is not needed, or have the operator raise the quota that the detail names."),
    "conflict": ProblemKind(409, "This contradicts what is there", "The detail says with what."),
    "gone": ProblemKind(410, "It is no longer kept", "Its retention has ended."),
    "stale": ProblemKind(412, "It was changed meanwhile", "Read it again, and send its ETag in If-Match."),
    "body_too_large": ProblemKind(413, "The body is too large", "Send less, or raise ONEHOOK_MAX_BODY."),
    "media_type_unsupported": ProblemKind(415, "The content type is not taken", "Send application/json."),
    "encoding_unsupported": ProblemKind(415, "The content encoding is not taken", "Send gzip, or no encoding."),
    "request_invalid": ProblemKind(422, "The request is wrong in what it says", "Each entry of errors points to a field and says what it should be."),
    "mapping_invalid": ProblemKind(422, "The mapping cannot be compiled", "Each entry of errors says line, column and what is wrong; /v1/mappings/preview shows it with the line."),
    "mapping_too_slow": ProblemKind(422, "The mapping took too long", "Make the mapping or the sample smaller."),
    "blocked_address": ProblemKind(422, "The address may not be called", "Use a public https URL, or name the network in ONEHOOK_DELIVERY_ALLOW."),
    "rate_limited": ProblemKind(429, "Too many requests", "Send it again after Retry-After; if requests were refused before, mend their URL or secret first."),
    "internal_error": ProblemKind(500, "The gateway failed", "This is a fault of onehook; its log has the details."),
    "store_unavailable": ProblemKind(503, "The store is away", "Send it again after Retry-After."),
    "store_full": ProblemKind(503, "The store is full", "Send it again later; the operator has to give the store memory."),
    "record_unreadable": ProblemKind(503, "A newer release wrote this", "Ask a gateway of that release, or upgrade this one."),
    "overloaded": ProblemKind(503, "The gateway has too much waiting", "Send it again after Retry-After."),
    "integration_misconfigured": ProblemKind(503, "The integration lacks its secret", "Set the integration's secret in the gateway."),
}  # fmt: skip


def problem(
    error: OnehookError,
    headers: Mapping[str, str] | None = None,
    more_fields: Mapping[str, object] | None = None,
) -> web.Response:
    """*error* as ``application/problem+json``; RFC 9457 §3.2 allows fields of one's own."""
    kind = KINDS.get(error.code)
    body: dict[str, object] = {
        "type": f"/problems/{error.code}",
        "title": kind.title if kind else error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    body.update(more_fields or {})
    if error.errors:
        body["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
    more = dict(headers or {})
    if error.retry_after is not None:
        more["Retry-After"] = str(error.retry_after)
    if error.status == 401 and error.code == "unauthorized":
        more["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=error.status,
        body=encode(body),
        content_type="application/problem+json",
        headers=more,
    )


async def problem_page(request: web.Request) -> web.Response:
    """``GET /problems/{code}``: what the code means, for a person who follows ``type``."""
    code = request.match_info["code"]
    kind = KINDS.get(code)
    if kind is None:
        return web.Response(status=404, text="There is no problem of that name.\n")
    text = f"{code} ({kind.status})\n\n{kind.title}.\n{kind.remedy}\n"
    return web.Response(text=text)
