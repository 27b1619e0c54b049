"""GitHub ``pull_request`` webhooks, made by code: as large and as shaped as real ones.

A body holds one number (the pull request's) in every place where GitHub repeats it, always of the
same width. So a template is split at that number once, and each webhook is one join.
"""

import hashlib
import hmac
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SIGNED_WITH = "benchmark-key-of-32-characters--"  # the secret that all parts agree on
FIRST_NUMBER = 100_000_000  # nine digits, and no zero in front: it stands in JSON
LAST_NUMBER = 999_999_999
_MARK = 987_654_321  # the number in a template, before it is split

_USER_PATHS = (
    "followers",
    "following{/other_user}",
    "gists{/gist_id}",
    "starred{/owner}{/repo}",
    "subscriptions",
    "orgs",
    "repos",
    "events{/privacy}",
    "received_events",
)
_REPOSITORY_PATHS = (
    ("forks", "forks"),
    ("keys", "keys{/key_id}"),
    ("collaborators", "collaborators{/collaborator}"),
    ("teams", "teams"),
    ("hooks", "hooks"),
    ("issue_events", "issues/events{/number}"),
    ("events", "events"),
    ("assignees", "assignees{/user}"),
    ("branches", "branches{/branch}"),
    ("tags", "tags"),
    ("blobs", "git/blobs{/sha}"),
    ("git_tags", "git/tags{/sha}"),
    ("git_refs", "git/refs{/sha}"),
    ("trees", "git/trees{/sha}"),
    ("statuses", "statuses/{sha}"),
    ("languages", "languages"),
    ("stargazers", "stargazers"),
    ("contributors", "contributors"),
    ("subscribers", "subscribers"),
    ("subscription", "subscription"),
    ("commits", "commits{/sha}"),
    ("git_commits", "git/commits{/sha}"),
    ("comments", "comments{/number}"),
    ("issue_comment", "issues/comments{/number}"),
    ("contents", "contents/{+path}"),
    ("compare", "compare/{base}...{head}"),
    ("merges", "merges"),
    ("archive", "{archive_format}{/ref}"),
    ("downloads", "downloads"),
    ("issues", "issues{/number}"),
    ("pulls", "pulls{/number}"),
    ("milestones", "milestones{/number}"),
    ("notifications", "notifications{?since,all,participating}"),
    ("labels", "labels{/name}"),
    ("releases", "releases{/id}"),
    ("deployments", "deployments"),
)
_NOUNS = ("ledger", "billing", "search", "gateway", "profile", "orders", "catalog", "pricing")
_VERBS = ("Retry", "Cache", "Bound", "Split", "Log", "Batch", "Index", "Rename")
_PEOPLE = ("mira", "jonas", "amara", "tomas", "ines", "kofi", "leena", "pavel")
_SENTENCES = (
    "The worker now keeps one connection per shard instead of opening one per call.",
    "Requests that time out are tried a second time with the same idempotency key.",
    "This removes the last use of the old client; the flag stays until the next release.",
    "Load tests against the sandbox show the same throughput at half the memory.",
    "Reviewers: the interesting part is in the second commit, the first only moves files.",
    "The migration is safe to run twice, and a dry run prints what it would change.",
)

Body = dict[str, Any]  # a webhook's


@dataclass(frozen=True, slots=True)
class Template:
    """Header lines and body of a webhook, cut at every place where the number stands."""

    head: bytes  # header lines that every webhook has
    body: tuple[bytes, ...]

    def with_number(self, number: bytes) -> bytes:
        """The body about pull request *number*."""
        return number.join(self.body)


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """One webhook, signed. Small: its 22 kB are put together when they are sent."""

    template: Template
    number: bytes
    signature: bytes

    @property
    def delivery_id(self) -> str:
        """What stands in X-GitHub-Delivery."""
        return _DELIVERY % int(self.number)

    @property
    def body(self) -> bytes:
        """The bytes that were signed."""
        return self.template.with_number(self.number)

    def wire(self, start: bytes) -> bytes:
        """The whole request; *start* is the request line and the Host header."""
        delivery = b"X-GitHub-Delivery: " + _DELIVERY.encode() % int(self.number)
        return b"".join(
            (
                start,
                delivery,
                b"\r\nX-Hub-Signature-256: sha256=",
                self.signature,
                self.template.head,
                self.body,
            )
        )


_DELIVERY = "72d3162e-cc78-11e3-81ab-4c9%09d"


def make_webhooks(
    count: int, secret: str, first: int = 0, templates: Sequence[Template] = ()
) -> list[SignedWebhook]:
    """*count* webhooks, no two of which share a delivery id or a body.

    *first* is the serial number of the first one: give another range to each call whose webhooks
    go to the same gateway.
    """
    if not 0 <= first <= LAST_NUMBER - FIRST_NUMBER - count:
        msg = f"serial numbers {first}..{first + count} do not fit nine digits"
        raise ValueError(msg)
    chosen = templates or make_templates()
    key = secret.encode()
    webhooks: list[SignedWebhook] = []
    for serial in range(first, first + count):
        template = chosen[serial % len(chosen)]
        number = b"%d" % (FIRST_NUMBER + serial)
        proof = hmac.digest(key, template.with_number(number), "sha256").hex().encode()
        webhooks.append(SignedWebhook(template, number, proof))
    return webhooks


def make_templates(
    count: int = 8, reshape: Callable[[Body], Body] = lambda body: body
) -> tuple[Template, ...]:
    """*count* templates that differ in repository, people and text; the same in every run.

    *reshape* may make each body larger or smaller.
    """
    return tuple(_template(random.Random(seed), reshape) for seed in range(count))


def _template(chance: random.Random, reshape: Callable[[Body], Body]) -> Template:
    made = reshape(_pull_request_opened(chance))
    body = json.dumps(made, separators=(",", ":"), ensure_ascii=False)
    raw = body.encode()
    head = (
        "\r\nAccept: */*"
        "\r\nContent-Type: application/json"
        "\r\nUser-Agent: GitHub-Hookshot/044aadd"
        "\r\nX-GitHub-Event: pull_request"
        "\r\nX-GitHub-Hook-ID: 292430182"
        f"\r\nX-GitHub-Hook-Installation-Target-ID: {chance.randrange(10**8, 10**9)}"
        "\r\nX-GitHub-Hook-Installation-Target-Type: repository"
        f"\r\nContent-Length: {len(raw)}"
        "\r\n\r\n"
    )
    return Template(head.encode(), tuple(raw.split(str(_MARK).encode())))


def _node(chance: random.Random, kind: str) -> str:
    return f"{kind}_kwDO{hashlib.sha256(chance.randbytes(8)).hexdigest()[:14]}"


def _account(chance: random.Random, login: str, kind: str = "User") -> dict[str, object]:
    number = chance.randrange(10**7, 10**8)
    api = f"https://api.github.com/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": _node(chance, "U"),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "gravatar_id": "",
        "url": api,
        "html_url": f"https://github.com/{login}",
        **{
            ("organizations" if path == "orgs" else path.partition("{")[0])
            + "_url": f"{api}/{path}"
            for path in _USER_PATHS
        },
        "type": kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def _repository(
    chance: random.Random, owner: dict[str, object], name: str, *, within: bool
) -> dict[str, object]:
    full = f"{owner['login']}/{name}"
    api, page = f"https://api.github.com/repos/{full}", f"https://github.com/{full}"
    issues = chance.randrange(90)
    merging: dict[str, object] = {
        "allow_squash_merge": True,
        "allow_merge_commit": False,
        "allow_rebase_merge": True,
        "allow_auto_merge": False,
        "delete_branch_on_merge": True,
        "allow_update_branch": False,
        "use_squash_pr_title_as_default": False,
        "squash_merge_commit_message": "COMMIT_MESSAGES",
        "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
        "merge_commit_message": "PR_TITLE",
        "merge_commit_title": "MERGE_MESSAGE",
    }
    return {
        "id": chance.randrange(10**8, 10**9),
        "node_id": _node(chance, "R"),
        "name": name,
        "full_name": full,
        "private": True,
        "owner": owner,
        "html_url": page,
        "description": f"The {name} of all our products",
        "fork": False,
        "url": api,
        **{f"{field}_url": f"{api}/{path}" for field, path in _REPOSITORY_PATHS},
        "created_at": "2021-03-04T09:12:44Z",
        "updated_at": "2025-10-30T16:21:09Z",
        "pushed_at": "2025-11-03T08:59:51Z",
        "git_url": f"git://github.com/{full}.git",
        "ssh_url": f"git@github.com:{full}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "homepage": None,
        "size": chance.randrange(10**5),
        "stargazers_count": 4,
        "watchers_count": 4,
        "language": "Rust",
        "has_issues": True,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 1,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": issues,
        "license": None,
        "allow_forking": False,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [name, "backend"],
        "visibility": "private",
        "forks": 1,
        "open_issues": issues,
        "watchers": 4,
        "default_branch": "main",
        **(merging if within else {}),
    }


def _pull_request_opened(chance: random.Random) -> Body:
    noun, verb = chance.choice(_NOUNS), chance.choice(_VERBS)
    author = chance.choice(_PEOPLE)
    company = f"{chance.choice(_NOUNS)}co"
    owner = _account(chance, company, "Organization")
    user = _account(chance, author)
    repository = _repository(chance, owner, noun, within=False)
    within = _repository(chance, owner, noun, within=True)
    return {
        "action": "opened",
        "number": _MARK,
        "pull_request": _pull_request(chance, f"{verb} the {noun}", user, within),
        "repository": repository,
        "organization": _organization(chance, company, str(owner["id"])),
        "sender": user,
    }


def _organization(chance: random.Random, login: str, number: str) -> dict[str, object]:
    api = f"https://api.github.com/orgs/{login}"
    return {
        "login": login,
        "id": int(number),
        "node_id": _node(chance, "O"),
        "url": api,
        **{f"{path}_url": f"{api}/{path}" for path in ("repos", "events", "hooks", "issues")},
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "description": "",
    }


def _pull_request(
    chance: random.Random,
    title: str,
    user: dict[str, object],
    repository: dict[str, object],
) -> dict[str, object]:
    full, owner = repository["full_name"], repository["owner"]
    api, page = f"https://api.github.com/repos/{full}", f"https://github.com/{full}/pull/{_MARK}"
    sha, base_sha = chance.randbytes(20).hex(), chance.randbytes(20).hex()
    ticket = f"PLAT-{chance.randrange(1000, 9999)}"
    branch = f"{ticket.lower()}-{title.lower().replace(' ', '-')}"
    pull, issue = f"{api}/pulls/{_MARK}", f"{api}/issues/{_MARK}"
    urls = {
        "commits": f"{pull}/commits",
        "review_comments": f"{pull}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "comments": f"{issue}/comments",
        "statuses": f"{api}/statuses/{sha}",
    }
    company = str(full).partition("/")[0]
    return {
        "url": pull,
        "id": chance.randrange(10**9, 10**10),
        "node_id": _node(chance, "PR"),
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue,
        "number": _MARK,
        "state": "open",
        "locked": False,
        "title": f"{ticket} {title}",
        "user": user,
        "body": "\r\n\r\n".join([*chance.sample(_SENTENCES, 4), f"Closes {ticket}"]) + "\r\n",
        "created_at": "2025-11-03T09:00:12Z",
        "updated_at": "2025-11-03T09:00:12Z",
        "closed_at": None,
        "merged_at": None,
        "merge_commit_sha": None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [_label(chance, api, name) for name in ("backend",)],
        "milestone": None,
        "draft": False,
        **{f"{name}_url": url for name, url in urls.items()},
        "head": {
            "label": f"{company}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": owner,
            "repo": repository,
        },
        "base": {
            "label": f"{company}:main",
            "ref": "main",
            "sha": base_sha,
            "user": owner,
            "repo": repository,
        },
        "_links": {
            "self": {"href": pull},
            "html": {"href": page},
            "issue": {"href": issue},
            **{name: {"href": url} for name, url in urls.items()},
        },
        "author_association": "CONTRIBUTOR",
        "auto_merge": None,
        "active_lock_reason": None,
        "merged": False,
        "mergeable": None,
        "rebaseable": None,
        "mergeable_state": "unknown",
        "merged_by": None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": chance.randrange(1, 9),
        "additions": chance.randrange(900),
        "deletions": chance.randrange(300),
        "changed_files": chance.randrange(1, 30),
    }


def _label(chance: random.Random, api: str, name: str) -> dict[str, object]:
    return {
        "id": chance.randrange(10**9, 10**10),
        "node_id": _node(chance, "LA"),
        "url": f"{api}/labels/{name}",
        "name": name,
        "color": chance.randbytes(3).hex(),
        "default": False,
        "description": f"What belongs to {name}",
    }
