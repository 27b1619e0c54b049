"""Receivers that judge a request as the vendor does, and answer as it does.

Sources: the pages that the destinations' files name.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.builders import Reply

Headers = Mapping[str, str]  # names in lower case
Vendor = Callable[[Headers, Any], Reply]

TOKEN = "tok-0123456789abcdef"
SETTINGS: dict[str, dict[str, str]] = {
    "splunk-hec": {"token": TOKEN, "index": "main"},
    "pagerduty-events": {"routing_key": TOKEN},
    "jira-automation": {"token": TOKEN},
}


def slack(_headers: Headers, body: Any) -> Reply:
    """A message has text, of at most 40,000 characters."""
    text = body.get("text")
    if not isinstance(text, str) or not 0 < len(text) <= 40_000:
        return Reply(400, body=b"no_text")
    if set(body) - {"text", "blocks", "attachments", "unfurl_links", "unfurl_media"}:
        return Reply(400, body=b"invalid_payload")
    return Reply(200, body=b"ok")


def teams(_headers: Headers, body: Any) -> Reply:
    """A message of adaptive cards, whose texts are texts; at most 28 kB."""
    if body.get("type") != "message" or not body.get("attachments"):
        return Reply(400)
    for attachment in body["attachments"]:
        card = attachment["content"]
        fine = attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        fine = fine and card["type"] == "AdaptiveCard" and card["version"] == "1.4"
        for element in card["body"]:
            facts = element.get("facts", [])
            texts = [element["text"]] if element["type"] == "TextBlock" else []
            texts += [fact[part] for fact in facts for part in ("title", "value")]
            fine = fine and all(isinstance(text, str) and text for text in texts)
        if not fine:
            return Reply(400)
    return Reply(202)


def discord(_headers: Headers, body: Any) -> Reply:
    """Content of 1 to 2000 characters, and nobody is called."""
    content = body.get("content")
    if not isinstance(content, str) or not 0 < len(content) <= 2000:
        return Reply(400, body=b'{"content": ["Must be 2000 or fewer in length."]}')
    return Reply(204 if body.get("allowed_mentions") == {"parse": []} else 400)


def zapier(_headers: Headers, _body: Any) -> Reply:
    """Takes any object."""
    return Reply(200, body=b'{"attempt":"1","id":"2","request_id":"3","status":"success"}')


def splunk(headers: Headers, body: Any) -> Reply:
    """A token in the header, an event in the body, times in seconds."""
    if headers.get("authorization") != f"Splunk {TOKEN}":
        return Reply(403, body=b'{"text":"Invalid token","code":4}')
    if not body.get("event"):
        return Reply(400, body=b'{"text":"Event field cannot be blank","code":13}')
    known = {"time", "host", "source", "sourcetype", "index", "event", "fields"}
    texts = [body[name] for name in ("source", "sourcetype", "index") if name in body]
    if set(body) - known or not all(isinstance(text, str) and text for text in texts):
        return Reply(400, body=b'{"text":"Invalid data format","code":6}')
    if not isinstance(body["time"], int) or not 0 < body["time"] < 10_000_000_000:
        return Reply(400, body=b'{"text":"Error in handling indexed fields","code":15}')
    return Reply(200, body=b'{"text":"Success","code":0}')


def pagerduty(_headers: Headers, body: Any) -> Reply:
    """Known actions and severities, bounded texts; the dedup_key comes back."""
    payload = body.get("payload", {})
    fine = (
        body.get("routing_key") == TOKEN
        and body.get("event_action") in ("trigger", "acknowledge", "resolve")
        and 0 < len(body.get("dedup_key", "")) <= 255
        and 0 < len(payload.get("summary", "")) <= 1024
        and bool(payload.get("source"))
        and payload.get("severity") in ("critical", "error", "warning", "info")
        and isinstance(payload.get("custom_details"), dict)
        and all(isinstance(payload.get(name, ""), str) for name in ("component", "class"))
    )
    if not fine:
        return Reply(400, body=b'{"status":"invalid event","message":"Event object is invalid"}')
    key = body["dedup_key"].encode()
    return Reply(202, body=b'{"status":"success","message":"x","dedup_key":"' + key + b'"}')


def jira(headers: Headers, body: Any) -> Reply:
    """A token in the header; a rule reads texts of the body."""
    if headers.get("x-automation-webhook-token") != TOKEN:
        return Reply(401)
    texts = [body[name] for name in ("title", "description", "pr_url", "repository")]
    return Reply(200 if all(isinstance(text, str) for text in texts) else 400)


def email(_headers: Headers, body: Any) -> Reply:
    """What a mail is made of."""
    fine = set(body) == {"from", "to", "subject", "text"}
    fine = fine and len(body["subject"]) < 400 and "\n" not in body["subject"]
    return Reply(250 if fine and all(isinstance(t, str) and t for t in body.values()) else 550)


def _texts(body: Any, *names: str) -> bool:
    return set(body) >= set(names) and all(isinstance(body[n], str) and body[n] for n in names)


def envelope(_headers: Headers, body: Any) -> Reply:
    """The event itself."""
    return Reply(200 if _texts(body, "id", "type", "timestamp") and body["data"] else 400)


def metadata(_headers: Headers, body: Any) -> Reply:
    """One thing under its own name, and where it comes from."""
    fine = set(body) == {"id", "type", "timestamp", "data", "metadata"} and len(body["data"]) == 1
    return Reply(200 if fine and _texts(body["metadata"], "source", "integration_id") else 400)


def event_key(headers: Headers, body: Any) -> Reply:
    """The name in body and header alike."""
    fine = set(body) == {"event", "id", "timestamp", "data"} and _texts(body, "event", "id")
    return Reply(200 if fine and headers["x-acme-event"] == body["event"] else 400)


def event_id(headers: Headers, body: Any) -> Reply:
    """UUIDs, in body and header."""
    fine = set(body) == {"event_id", "event_type", "timestamp", "data"}
    fine = fine and len(body["event_id"]) == len(headers["x-acme-delivery"]) == 36
    return Reply(200 if fine and headers["x-acme-event"] == body["event_type"] else 400)


def scan_results(_headers: Headers, body: Any) -> Reply:
    """A scan, in one of three states."""
    results = body.get("results", {})
    fine = (
        _texts(body, "scanId", "status", "timestamp")
        and body["status"] in ("completed", "in_progress", "failed")
        and isinstance(results.get("threatsFound"), int)
        and isinstance(results.get("details"), list)
    )
    return Reply(200 if fine else 400)


VENDORS: dict[str, Vendor] = {
    "generic": envelope,
    "slack": slack,
    "teams": teams,
    "discord": discord,
    "zapier": zapier,
    "splunk-hec": splunk,
    "pagerduty-events": pagerduty,
    "jira-automation": jira,
    "email": email,
    "compat-envelope": envelope,
    "compat-envelope-metadata": metadata,
    "compat-event-key": event_key,
    "compat-event-id": event_id,
    "compat-scan-results": scan_results,
}
