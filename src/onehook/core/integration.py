"""An integration at work: its platform's mapping, its settings, its secrets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from onehook.core import identity
from onehook.core.addresses import Network
from onehook.core.bodies import BodyError, check_media_type, parse_body
from onehook.core.flow import RateLimit
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import (
    Drafts,
    Emitted,
    Identity,
    Ignored,
    Outcome,
    Quarantined,
    apply_rules,
    complete,
    dedupe_parts,
    is_repeatable,
    make_context,
)
from onehook.core.mapping.redactions import REDACTED
from onehook.core.model import Event, IntegrationInfo, Webhook
from onehook.core.references import Knowledge, KnownIntegration, Learnt, Lesson, finder, prefixes_in
from onehook.core.signatures import (
    Scheme,
    Secrets,
    Unsigned,
    configured,
    proof_headers,
    secret_problem,
    signed_bytes,
    signs_the_body,
    verify,
)
from onehook.errors import ConfigurationError, FieldError, InvalidRequestError

_ALWAYS_REDACTED = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class ActiveSecret:
    """One secret of a setting; an older one ends at *expires_at* (None: the current one)."""

    value: bytes
    expires_at: datetime | None = None


# No dataclasses, for the reason that normalize.py gives.
class Parsed:
    """A body as JSON, and its hex SHA-256; *problem* if it cannot be read."""

    def __init__(self, body: JsonValue, digest: str, problem: Quarantined | None = None) -> None:
        self.body, self.digest, self.problem = body, digest, problem


class Applied:
    """What the rules made of a webhook; the other fields are those of :class:`Normalized`."""

    def __init__(
        self,
        drafted: Drafts | Ignored | Quarantined,
        parts: tuple[str, ...],
        signed: str | None,
        body_digest: str,
        event_name: str | None,
    ) -> None:
        self.drafted, self.parts, self.signed = drafted, parts, signed
        self.body_digest, self.event_name = body_digest, event_name


class Normalized(msgspec.Struct, frozen=True):
    """What the pure steps made of a webhook."""

    outcome: Outcome
    parts: tuple[str, ...]  # of the first dedupe marker
    signed: str | None  # digest of the signed bytes, for the second one; None: there is none
    body_digest: str
    event_name: str | None  # the vendor's own; None: the mapping tells none


class Integration:
    """Verifies and normalizes the webhooks of one integration. Pure: *now* is an argument."""

    def __init__(
        self,
        info: IntegrationInfo,
        mapping: CompiledMapping,
        secrets: Mapping[str, Sequence[ActiveSecret]],
        *,
        unsigned: bool,
        active: bool,
        allow_from: Sequence[Network] = (),
        rate_limit: RateLimit | None = None,
    ) -> None:
        self.info, self.mapping, self.active = info, mapping, active
        self.allow_from, self.rate_limit = allow_from, rate_limit  # (): from anywhere
        self._secrets = secrets
        self._expires = any(s.expires_at for some in secrets.values() for s in some)
        self._current: Secrets = {n: [s.value for s in some] for n, some in secrets.items()}
        self.scheme = self._scheme(unsigned=unsigned)
        names = proof_headers(self.scheme, info.settings) if self.scheme else frozenset[str]()
        self._redacted = names | _ALWAYS_REDACTED
        self._signs_the_body = self.scheme is not None and signs_the_body(self.scheme)
        self._host = _host_setting(info.settings)  # in its links, until its webhooks say more
        self.knowledge: Knowledge | None = None  # of all integrations, to find references with
        self.learnt = Learnt()  # from its webhooks
        self.teach: Callable[[Integration, Lesson], None] = _nobody  # told of each new lesson

    def _scheme(self, *, unsigned: bool) -> Scheme | None:
        """The proof asked for; None if a usable secret is missing, so nothing can be verified."""
        if unsigned:
            return Unsigned()
        scheme = self.mapping.verify.scheme(self.info.settings)
        if isinstance(scheme, Unsigned):
            return scheme
        usable = {
            name: values
            for name, values in self._current.items()
            if values and all(secret_problem(scheme, name, value) is None for value in values)
        }
        return configured(scheme, usable)

    def secrets_at(self, now: datetime) -> Secrets:
        """The secrets that hold at *now*, by setting."""
        if not self._expires:
            return self._current
        return {
            name: [s.value for s in some if s.expires_at is None or s.expires_at > now]
            for name, some in self._secrets.items()
        }

    def verify(self, webhook: Webhook, now: datetime) -> None:
        """Check that *webhook* is the vendor's, on its raw bytes.

        Raises:
            SignatureError: it is not proven.
            ConfigurationError: 503, the integration lacks its secret.
        """
        if self.scheme is None:
            msg = "this integration has no usable secret: set it, or say verify: none"
            raise ConfigurationError(
                msg, code="integration_misconfigured", status=503, retry_after=60
            )
        if isinstance(self.scheme, Unsigned):
            return
        verify(self.scheme, webhook, self.secrets_at(now), self.info.settings, now)

    def normalize(
        self, webhook: Webhook, max_bytes: int, parts: tuple[str, ...] | None = None
    ) -> Normalized:
        """Parse a verified webhook and turn it into events: the three steps below in one.

        *parts* are its dedupe parts if it is not the first time: its events' ids come from them.

        Raises:
            InvalidRequestError: its media type, encoding or size is not taken.
        """
        return self.complete(self.apply(webhook, self.parse(webhook, max_bytes), parts))

    def parse(self, webhook: Webhook, max_bytes: int) -> Parsed:
        """Read the body of a verified webhook.

        Raises:
            InvalidRequestError: its media type, encoding or size is not taken.
        """
        check_media_type(webhook)
        digest = identity.digest(webhook.body)  # once: three things need it
        try:
            return Parsed(parse_body(webhook, max_bytes, self.mapping.read), digest)
        except BodyError as error:
            return Parsed(None, digest, Quarantined(error.reason, error.detail))

    def apply(
        self, webhook: Webhook, parsed: Parsed, parts: tuple[str, ...] | None = None
    ) -> Applied:
        """Apply the rules of the mapping; *parts* as in :meth:`normalize`."""
        mapping, digest = self.mapping, parsed.digest
        context = make_context(mapping, webhook, self.info, parsed.body)
        parts = parts or dedupe_parts(mapping, digest, context)
        self._learn_host(context.host, webhook)
        if self.knowledge is not None:
            context.references = finder(self.knowledge)
        drafted = parsed.problem or apply_rules(
            mapping, webhook, self.info, context, Identity(parts, digest)
        )
        signed = None if is_repeatable(mapping, context) else self._signed(webhook, digest)
        name = context.event_name
        return Applied(drafted, parts, signed, digest, name if isinstance(name, str) else None)

    def complete(self, applied: Applied) -> Normalized:
        """Find out what the events talk about, and write them down."""
        drafted = applied.drafted
        outcome = complete(drafted) if isinstance(drafted, Drafts) else drafted
        if isinstance(outcome, Emitted):
            self._learn_keys(outcome.events)
        return Normalized(
            outcome, applied.parts, applied.signed, applied.body_digest, applied.event_name
        )

    def _learn_host(self, host: str, webhook: Webhook) -> None:
        if host in self.learnt.hosts or host == self.info.id:  # the id: none is known
            return
        at_ms = round(webhook.received_at.timestamp() * 1000)
        if (lesson := self.learnt.learn_host(host, at_ms)) is not None:
            self.teach(self, lesson)

    def _learn_keys(self, events: Sequence[Event]) -> None:
        for event in events:
            if (lesson := self.learnt.learn_ticket(event)) is not None:
                self.teach(self, lesson)

    def known(self) -> KnownIntegration:
        """What references to its things look like, as far as it was stated or learnt."""
        mapping, settings = self.mapping, self.info.settings
        hosts = list(reversed(self.learnt.hosts))
        if self._host is not None and self._host not in hosts:
            hosts.append(self._host)
        stated = prefixes_in(settings.get(mapping.links.prefixes or "") or "")
        prefixes = {**dict.fromkeys(stated), **self.learnt.prefixes}
        return KnownIntegration(
            self.info.id, mapping.platform, tuple(hosts), prefixes, mapping.fold
        )

    def _signed(self, webhook: Webhook, digest: str) -> str | None:
        """The digest of what the proof signs; None where it signs nothing."""
        if self.scheme is None or isinstance(self.scheme, Unsigned):
            return None
        if self._signs_the_body:
            return digest
        signed = signed_bytes(self.scheme, webhook, self.info.settings)
        return None if signed is None else identity.digest(signed)

    def kept_headers(self, webhook: Webhook) -> list[tuple[str, str]]:
        """The headers to keep with the native webhook: proofs blanked."""
        return [
            (name, REDACTED if name in self._redacted else value)
            for name, value in webhook.headers.pairs()
        ]


def _nobody(_integration: Integration, _lesson: Lesson) -> None:
    """Nobody wants to know what is learnt."""


def _host_setting(settings: Mapping[str, str]) -> str | None:
    """The host that an operator stated in one of the usual settings."""
    for name in ("instance", "host", "base_url", "site_url"):
        value = settings.get(name) or ""
        try:
            host = urlsplit(value if "//" in value else f"//{value}").hostname
        except ValueError:  # what he wrote is no host; the webhooks will tell
            host = None
        if host:
            return host
    return None


def check_settings(
    mapping: CompiledMapping,
    settings: Mapping[str, str],
    secrets: Mapping[str, bytes],
    *,
    unsigned: bool,
) -> None:
    """Refuse an integration that could never verify anything, or lacks what its platform asks.

    Raises:
        InvalidRequestError: 422 with a pointer for each thing wrong.
    """
    errors: list[FieldError] = []
    for name in [*settings, *secrets]:
        if name not in mapping.settings and name != "secret":
            known = ", ".join(mapping.settings)
            pointer = f"/settings/{name}"
            errors.append(
                FieldError(pointer, f"{mapping.platform} has no such setting; it has {known}")
            )
    for name, spec in mapping.settings.items():
        given = settings.get(name)
        if (
            spec.required
            and not (unsigned and spec.secret)
            and given is None
            and name not in secrets
        ):
            errors.append(FieldError(_pointer(name), f"is required: {spec.help or name}"))
        if spec.choices and given is not None and given not in spec.choices:
            errors.append(FieldError(_pointer(name), f"is one of {', '.join(spec.choices)}"))
    if not unsigned and not errors:
        errors += _secret_errors(mapping, settings, secrets)
    if errors:
        detail = f"the integration cannot be saved: {errors[0].pointer} {errors[0].detail}"
        raise InvalidRequestError(detail, errors=errors)


def _secret_errors(
    mapping: CompiledMapping, settings: Mapping[str, str], secrets: Mapping[str, bytes]
) -> list[FieldError]:
    scheme = mapping.verify.scheme(settings)
    if isinstance(scheme, Unsigned):
        hint = 'this platform signs nothing: say so with "verify": "none"'
        return [FieldError("/verify", hint)]
    errors = [
        FieldError(_pointer(name), problem)
        for name, value in secrets.items()
        if (problem := secret_problem(scheme, name, value)) is not None
    ]
    if (
        not errors
        and configured(scheme, {name: [value] for name, value in secrets.items()}) is None
    ):
        names = [name for name, spec in mapping.settings.items() if spec.secret] or ["secret"]
        errors.append(
            FieldError(
                _pointer(names[0]),
                f"a secret is missing ({' or '.join(names)}); without one nothing can be verified. "
                'If the sender cannot sign, say "verify": "none"',
            )
        )
    return errors


def _pointer(name: str) -> str:
    return "/secret" if name == "secret" else f"/settings/{name}"
