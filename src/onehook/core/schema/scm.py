"""Source control: repositories, pull requests, commits, branches, tags, releases, reviews."""

from typing import Literal

from onehook.core.schema.base import Integer, LongText, Model, Part, Thing, Timestamp
from onehook.core.schema.common import Actor, Ref


class Repository(Thing):
    """A repository or project."""

    id: str
    name: str
    full_name: str
    owner: str | None
    url: str | None
    description: LongText | None
    default_branch: str | None
    visibility: Literal["public", "private", "internal", "unknown"] | None
    archived: bool | None
    fork: bool | None
    created_at: Timestamp | None


class Endpoint(Model):
    """One side of a pull request. ``repository`` is a full name, null for a deleted fork."""

    branch: str | None
    sha: str | None
    repository: str | None


class PullRequest(Thing):
    """A pull or merge request. ``closed`` = without merge; ``repository`` is the target's."""

    id: str
    key: str
    number: Integer
    title: str
    url: str | None
    description: LongText | None
    state: Literal["open", "closed", "merged", "unknown"]
    draft: bool | None
    author: Actor | None
    assignees: list[Actor] | None
    reviewers: list[Actor] | None
    labels: list[str] | None
    milestone: str | None
    source: Endpoint | None
    target: Endpoint | None
    merged_by: Actor | None
    merge_commit_sha: str | None
    additions: Integer | None
    deletions: Integer | None
    changed_files: Integer | None
    commits_count: Integer | None
    comments_count: Integer | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    closed_at: Timestamp | None
    merged_at: Timestamp | None
    repository: Repository


class Commit(Part):
    """One commit; ``title`` is the first line of ``message``."""

    sha: str
    urn: str
    message: LongText
    title: str
    url: str | None
    author: Actor | None
    committer: Actor | None
    authored_at: Timestamp | None
    committed_at: Timestamp | None
    parents: list[str] | None
    added: list[str] | None
    modified: list[str] | None
    removed: list[str] | None


class Push(Thing):
    """A ref that moved, with its commits, oldest first; ``urn`` is the branch's or tag's."""

    sha: str | None
    message: LongText | None
    title: str | None
    url: str | None
    author: Actor | None
    ref: str
    branch: str | None
    tag: str | None
    before: str | None
    after: str | None
    created: bool | None
    deleted: bool | None
    forced: bool | None
    compare_url: str | None
    commits: list[Commit]
    commits_count: Integer
    repository: Repository


class Branch(Thing):
    """A branch."""

    name: str
    sha: str | None
    url: str | None
    default: bool | None
    protected: bool | None
    repository: Repository


class Tag(Thing):
    """A tag; ``sha`` is the commit's."""

    name: str
    sha: str | None
    message: LongText | None
    url: str | None
    repository: Repository


class Release(Thing):
    """A published release."""

    id: str
    name: str | None
    tag: str
    description: LongText | None
    draft: bool | None
    prerelease: bool | None
    author: Actor | None
    url: str | None
    published_at: Timestamp | None
    repository: Repository


class Review(Thing):
    """A verdict on a pull request."""

    id: str
    state: Literal["approved", "changes_requested", "commented", "dismissed", "pending", "unknown"]
    body: LongText | None
    url: str | None
    author: Actor | None
    commit_sha: str | None
    submitted_at: Timestamp | None
    pull_request: Ref
    repository: Repository


class Comment(Thing):
    """A comment on a pull request, ticket or incident: exactly one of the three is set."""

    id: str
    body: LongText | None
    url: str | None
    author: Actor | None
    visibility: Literal["public", "internal", "unknown"] | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    pull_request: Ref | None
    ticket: Ref | None
    incident: Ref | None
    commit_sha: str | None
    path: str | None
    line: Integer | None
    in_reply_to: str | None
    repository: Repository | None
