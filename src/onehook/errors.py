"""Every error that onehook raises on purpose.

::

    OnehookError
    ├── ConfigurationError        exit 78: the operator has to mend something
    │   ├── MappingError          all problems of one mapping file, each with file:line:column
    │   └── SettingsError         an ONEHOOK_ setting, or a store that is set up unsafely
    ├── SignatureError            401: a webhook does not prove that it is the vendor's
    ├── AddressError              422 at save, ``blocked_address`` at connect
    ├── ForbiddenError            403 (401 where no key was given)
    ├── NotFoundError             404
    ├── GoneError                 410: it was there and its retention has ended
    ├── ConflictError             409
    ├── RateLimitedError          429: too much of something; ``retry_after`` says until when
    ├── InvalidRequestError       400 and 422; 404 to 415 for what HTTP itself refuses
    ├── UnreadableError           503: a newer release wrote what this one cannot read
    └── StoreUnavailableError     503, exit 69: the store is away, full or overloaded

Each carries a stable ``code`` (it becomes the problem's ``type``), an HTTP ``status`` and the
``exit_code`` of a command. A message says where, what was found and what to do; it never holds
a secret or a computed signature.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong in a body or query: where (an RFC 6901 pointer) and what."""

    pointer: str
    detail: str


class OnehookError(Exception):
    """Base of all errors here. *code*, *status* and *exit_code* are class attributes."""

    code = "internal_error"
    status = 500
    exit_code = 1

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after  # seconds, for the Retry-After header
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class ConfigurationError(OnehookError):
    """The operator's configuration cannot be used."""

    code = "configuration_invalid"
    exit_code = 78


class SettingsError(ConfigurationError):
    """A setting, or the store it names, cannot be used."""

    code = "settings_invalid"


class SignatureError(OnehookError):
    """A webhook does not prove that the vendor sent it.

    Codes: ``signature_missing``, ``signature_ambiguous``, ``signature_invalid``,
    ``timestamp_out_of_range``.
    """

    code = "signature_invalid"
    status = 401


class AddressError(OnehookError):
    """A delivery would go to an address that is not allowed."""

    code = "blocked_address"
    status = 422


class ForbiddenError(OnehookError):
    """The caller gave no API key, or one that may not do this."""

    code = "forbidden"
    status = 403


class NotFoundError(OnehookError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class GoneError(OnehookError):
    """There was such a thing; its retention has ended."""

    code = "gone"
    status = 410


class ConflictError(OnehookError):
    """The request contradicts what is there."""

    code = "conflict"
    status = 409


class StaleError(OnehookError):
    """The caller's ``If-Match`` names an earlier state."""

    code = "stale"
    status = 412


class InvalidRequestError(OnehookError):
    """The request cannot be understood (400) or is wrong in what it says (422)."""

    code = "request_invalid"
    status = 422


class RateLimitedError(OnehookError):
    """There was too much of something; the same request is taken later."""

    code = "rate_limited"
    status = 429


class UnreadableError(OnehookError):
    """A newer release wrote this into the store; it is whole, and this release cannot read it."""

    code = "record_unreadable"
    status = 503


class StoreUnavailableError(OnehookError):
    """The store is away, full or overloaded; the same request may succeed later."""

    code = "store_unavailable"
    status = 503
    exit_code = 69


def forget_frames(error: BaseException) -> None:
    """Let go of the frames in which *error*, and whatever it came of, was raised.

    They hold what they worked on, and often the error itself: such circles stay until the
    collector looks at all there is, and for thousands of them that takes tens of milliseconds.
    """
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        one = chain.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            chain += [one.__cause__, one.__context__]
