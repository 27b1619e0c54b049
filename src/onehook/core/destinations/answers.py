"""What a destination's answer means: some say no with a 200."""

from collections.abc import Sequence

from onehook.core.destinations.document import Success
from onehook.core.jsontext import JsonSyntaxError, JsonValue, decode
from onehook.core.mapping.context import Context
from onehook.core.model import Headers, clean_text
from onehook.core.profiles.outlet import Judge


def judge_of(success: Success | None) -> Judge | None:
    """A function that says why a 2xx answer is no success; None where every one is.

    In its conditions ``$`` is the answer's body, as JSON if it is JSON and as text otherwise.
    """
    if success is None:
        return None

    def judge(status: int, headers: Sequence[tuple[str, str]], content: bytes) -> str | None:
        if success.statuses and status not in success.statuses:
            wanted = ", ".join(map(str, sorted(success.statuses)))
            return f"the answer's status means success only if it is {wanted}"
        body = _read(content)
        if success.when(body, Context(body, Headers(headers), {}, "", "", "keep")):
            return None
        return "the answer does not say that it was taken"

    return judge


def _read(content: bytes) -> JsonValue:
    try:
        return decode(content)
    except JsonSyntaxError:
        return clean_text(content.decode("utf-8", "replace")).strip()
