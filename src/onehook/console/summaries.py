"""What lists show of an event: a line that says what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from onehook.console.session import PATH
from onehook.core.notices import GATEWAY

_HEADLINES = (
    *("title", "name", "summary", "message", "key", "branch", "tag", "ref"),
    *("body", "id"),  # of a comment, and of what the gateway tells of itself
)
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event in a list; *subject*: what it is called where it came from."""

    id: str
    type: str
    received_at: datetime
    integration_id: str
    integration_name: str
    platform: str
    subject: str
    headline: str

    @property
    def sender(self) -> str:
        """The page of its integration; empty for events of the gateway itself, which is none."""
        own = self.integration_id == GATEWAY.id
        return "" if own else f"{PATH}/integrations/{self.integration_id}"


def event_row(event: Mapping[str, Any]) -> EventRow:
    """*event*, as it is delivered, for a list."""
    data, integration = event["data"], event["integration"]
    return EventRow(
        id=event["id"],
        type=event["type"],
        received_at=datetime.fromisoformat(event["received_at"]),
        integration_id=integration["id"],
        integration_name=integration["name"],
        platform=integration["type"],
        subject=_text(data.get("key")),
        headline=_headline(data),
    )


def _headline(data: Mapping[str, Any]) -> str:
    found = next((text for name in _HEADLINES if (text := _text(data.get(name)))), "")
    return found if len(found) <= _LONGEST else found[:_LONGEST] + "…"


def _text(value: Any) -> str:
    return value.strip().partition("\n")[0] if isinstance(value, str) else ""
