"""Names that other senders use for events of ours: accepted when subscribing."""

from collections.abc import Mapping
from dataclasses import dataclass

from onehook.core.jsontext import JsonValue


@dataclass(frozen=True, slots=True)
class Alias:
    """What a name means: event types, and where one condition narrows them."""

    types: tuple[str, ...]
    severity: str | None = None  # only with this ``data.severity``
    changed: str | None = None  # only where ``data.changes`` holds this field

    def fits(self, data: Mapping[str, JsonValue]) -> bool:
        """Whether an event of one of the types, with this *data*, is meant."""
        if self.severity is not None and data.get("severity") != self.severity:
            return False
        if self.changed is None:
            return True
        changes = data.get("changes")
        return isinstance(changes, list) and any(
            isinstance(change, dict) and change.get("field") == self.changed for change in changes
        )


_VULNERABILITY = "security.vulnerability"
ALIASES: Mapping[str, Alias] = {
    "vulnerability.detected": Alias((f"{_VULNERABILITY}.detected",)),
    "security.alert": Alias(("security.alert.triggered",)),
    "compliance.violation": Alias(("security.compliance.violated",)),
    "deployment.started": Alias(("ci.deployment.started",)),
    "deployment.completed": Alias(("ci.deployment.completed",)),
    "build.failed": Alias(("ci.build.failed",)),
    "connection.established": Alias(("integration.connection.established",)),
    "connection.failed": Alias(("integration.connection.failed",)),
    "sync.completed": Alias(("integration.sync.completed",)),
    "scan.started": Alias(("security.scan.started",)),
    "scan.progress": Alias(("security.scan.progressed",)),
    "scan.completed": Alias(("security.scan.completed",)),
    "scan.failed": Alias(("security.scan.failed",)),
    "scan.timeout": Alias(("security.scan.timed_out",)),
    "issue.critical": Alias((f"{_VULNERABILITY}.detected",), severity="critical"),
    "issue.status_changed": Alias(
        tuple(f"{_VULNERABILITY}.{a}" for a in ("updated", "resolved", "dismissed", "reopened")),
        changed="state",
    ),
    "issue.assigned": Alias((f"{_VULNERABILITY}.assigned",)),
    "user.login": Alias(("identity.user.logged_in",)),
    "user.login_failed": Alias(("identity.user.login_failed",)),
}
