"""What a subscription chooses, judged at save: everything wrong is said at once."""

from collections.abc import Iterator, Mapping

from onehook.core.destinations.document import Destination
from onehook.core.destinations.jsontemplates import compile_json_template
from onehook.core.destinations.outlets import Auth, Choices, with_defaults
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.templates import TemplateError
from onehook.core.profiles.headers import MAX_HEADERS, name_problem, value_problem
from onehook.core.profiles.secrets import SHORT_SECRET
from onehook.core.routing import types_of
from onehook.errors import FieldError, InvalidRequestError

_SHOWN = 80  # characters of what was given, in a message


def check_choices(choices: Choices, destination: Destination) -> None:
    """Refuse what could never be sent.

    Raises:
        InvalidRequestError: 422, with a pointer to each thing wrong.
    """
    errors = [
        *_settings(choices.settings, destination),
        *_headers(choices, destination),
        *_user_problem(choices.auth),
        *_secret(choices, destination),
        *_events(choices, destination),
        *_template(choices.body_template),
    ]
    if errors:
        detail = f"the subscription is wrong: {errors[0].pointer} {errors[0].detail}"
        raise InvalidRequestError(detail, errors=errors)


def secret_warning(secret: str) -> FieldError | None:
    """What to say of a *secret* that is taken all the same."""
    if len(secret) >= SHORT_SECRET:
        return None
    return FieldError("/secret", f"is short: {SHORT_SECRET} random characters are hard to guess")


def _settings(given: Mapping[str, str], destination: Destination) -> Iterator[FieldError]:
    held = with_defaults(given, destination)
    for name, value in given.items():
        spec = destination.settings.get(name)
        if spec is None:
            hint = nearest(name, destination.settings) or "it takes none"
            detail = f"{destination.name} has no setting of this name; {hint}"
            yield FieldError(f"/settings/{_escaped(name)}", detail)
        elif spec.choices and value not in spec.choices:
            yield FieldError(f"/settings/{name}", f"is one of {', '.join(spec.choices)}")
        elif not value.isprintable():
            yield FieldError(f"/settings/{name}", "holds control characters")
    for name, spec in destination.settings.items():
        if spec.required and not held.get(name):
            yield FieldError(f"/settings/{name}", f"{destination.name} needs it: {spec.help}")


def _headers(choices: Choices, destination: Destination) -> Iterator[FieldError]:
    if len(choices.headers) > MAX_HEADERS:
        yield FieldError("/headers", f"holds more than {MAX_HEADERS}")
    prefix = choices.prefix_to(destination)
    taken = {name.replace("{{ prefix }}", prefix).lower() for name in destination.header_names}
    if choices.profile_to(destination).name == "bearer":
        taken.add("authorization")
    rows = [(f"/headers/{_escaped(name)}", name, value) for name, value in choices.headers.items()]
    if choices.auth is not None:
        rows.append((_auth_pointer(choices.auth), *choices.auth.header))
    for pointer, name, value in rows:
        problem = name_problem(name, prefix) or value_problem(value)
        if problem is None and name.lower() in taken:
            problem = "is sent already: by the profile, the destination, auth or another header"
        taken.add(name.lower())
        if problem is not None:
            yield FieldError(pointer, f"the header {name[:_SHOWN]!r} {problem}")


def _user_problem(auth: Auth | None) -> Iterator[FieldError]:
    """RFC 7617 §2: a colon ends the name."""
    if auth is not None and auth.type == "basic" and ":" in (auth.name or ""):
        yield FieldError("/auth/username", "holds a colon, which ends the name")


def _auth_pointer(auth: Auth) -> str:
    return "/auth/name" if auth.type == "header" else "/auth"


def _secret(choices: Choices, destination: Destination) -> Iterator[FieldError]:
    profile = choices.profile_to(destination)
    old = () if choices.old_secret is None else (choices.old_secret,)
    for secret in (choices.secret, *old):
        try:
            profile.key(secret)
        except ValueError as error:
            yield FieldError("/secret", f"{error} (profile {profile.name})")
            return


def _events(choices: Choices, destination: Destination) -> Iterator[FieldError]:
    allowed = {type_ for pattern in destination.events for type_ in types_of(pattern)}
    for at, pattern in enumerate(choices.events if allowed else ()):
        if not types_of(pattern) <= allowed:
            detail = f"{destination.name} takes only {', '.join(destination.events)}"
            yield FieldError(f"/events/{at}", detail)


def _template(text: str | None) -> Iterator[FieldError]:
    if text is None:
        return
    try:
        compile_json_template(text)
    except TemplateError as error:
        before = text.replace("\r\n", "\n").replace("\r", "\n")[: error.at]
        line, column = before.count("\n") + 1, error.at - before.rfind("\n")
        yield FieldError("/body_template", f"line {line}, column {column}: {error}")


def _escaped(name: str) -> str:
    """*name* as a step of a JSON pointer (RFC 6901 §3)."""
    return name[:_SHOWN].replace("~", "~0").replace("/", "~1")
