"""An event as a CloudEvent: structured, JSON, ``data`` unchanged.

Source: CloudEvents 1.0.2, §3 and the JSON event format; `schema.md` §1 for what becomes what.
"""

from collections.abc import Mapping

from onehook.core.jsontext import JsonValue


def cloud_event(
    event: Mapping[str, JsonValue], unified_type: str, origin: str | None
) -> dict[str, JsonValue]:
    """*event* as a CloudEvent; *origin* is the gateway's public URL, None if it is not told."""
    data, integration = event["data"], event["integration"]
    of = integration if isinstance(integration, dict) else {}
    urn = data.get("urn") if isinstance(data, dict) else None
    base = "" if origin is None else origin.rstrip("/")
    attributes: dict[str, JsonValue] = {
        "specversion": "1.0",
        "id": event["id"],
        "source": f"{base}/v1/integrations/{of.get('id')}",
        "type": event["type"],
        "subject": urn,
        "time": event["timestamp"],
        "datacontenttype": "application/json",
        "dataschema": f"{base}/v1/schemas/{unified_type}" if base else None,
        "schemaversion": event["schema_version"],
        "timebasis": event["timestamp_basis"],
        "recordedtime": event["received_at"],
        "integrationid": of.get("id"),
        "integrationtype": of.get("type"),
        "integrationname": of.get("name"),
        "partitionkey": urn,
    }
    # An attribute without a value is left out, as §3 has no null.
    told = {name: value for name, value in attributes.items() if value not in (None, "")}
    return {**told, "data": data}
