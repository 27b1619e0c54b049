"""GitHub's pull request in other sizes, each as GitHub may send it.

Smaller: the fields that nobody reads are left out, as an older GitHub Enterprise Server does, and
the fork that a branch comes from was deleted. Larger: the repositories of an installation are
listed beside it, each in full, as in GitHub's ``installation_repositories``.
"""

import json
from collections.abc import Callable
from copy import deepcopy

from benchmarks.payloads import Body

SIZES = {"1 kB": 1_000, "8 kB": 8_000, "22 kB": None, "100 kB": 100_000, "1 MB": 1_000_000}
_ACCOUNT = ("login", "id", "type", "html_url")
_SMALLEST = {
    "repository": ("id", "name", "full_name", "html_url", "private", "default_branch"),
    "pull_request": ("id", "number", "html_url", "state", "title", "draft", "created_at", "body"),
}


def body_of(size: int | None) -> Callable[[Body], Body]:
    """What makes the body of a pull request about *size* bytes large; None: leaves it as it is."""
    if size is None:
        return lambda body: body
    if size < 4_000:
        return _smallest
    return _smaller if size < 16_000 else lambda body: _larger(body, size)


def _smallest(body: Body) -> Body:
    """Only what an event cannot do without: 1 kB."""
    made = {name: _only(body[name], names) for name, names in _SMALLEST.items()}
    pull = body["pull_request"]
    branches = {name: _only(pull[name], ("ref", "sha")) for name in ("head", "base")}
    made["pull_request"] |= {"user": _only(pull["user"], _ACCOUNT), **branches}
    sender = _only(body["sender"], _ACCOUNT)
    return {"action": body["action"], "number": body["number"], **made, "sender": sender}


def _smaller(body: Body) -> Body:
    """Without the copies of the repository, and without links that nobody follows: 8 kB."""
    made = deepcopy(body)
    pull = made["pull_request"]
    pull["head"]["repo"] = None
    del pull["_links"]
    pull["base"]["repo"] = _only(pull["base"]["repo"], _SMALLEST["repository"])
    made["repository"] = {
        name: value for name, value in made["repository"].items() if not name.endswith("_url")
    } | {"html_url": body["repository"]["html_url"]}
    return made


def _larger(body: Body, size: int) -> Body:
    repository = body["repository"]
    missing = size - len(json.dumps(body, separators=(",", ":")))
    each = len(json.dumps(repository, separators=(",", ":"))) + 1
    return {**body, "repositories": [repository] * max(0, round(missing / each))}


def _only(value: Body, names: tuple[str, ...]) -> Body:
    return {name: value[name] for name in names}
