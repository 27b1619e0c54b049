"""The two mapping files of `schema.md` §6, as the page shows them, and bodies for the first."""

from onehook.core.jsontext import JsonValue

GITHUB = """\
onehook: mapping/v1
platform: github
version: "1.0.0"
verify:
  {scheme: hmac, header: X-Hub-Signature-256, algorithm: sha256, prefix: "sha256=",
   secret: {setting: secret}}
dedupe:
  key: [{header: X-GitHub-Delivery}]
  repeatable: [{header.x-github-event: [membership, organization, member, team]}]
event_name: {template: "{{ headers['x-github-event'] }}.{{ body.action }}"}
host: {template: "{{ body.repository.html_url | url_host }}"}
tables: {actor_type: {User: user, Bot: bot, Organization: service, Mannequin: user}}
shapes:
  actor:
    {id: $.id, type: {lookup: $.type, table: actor_type}, username: $.login, url: $.html_url}
  repository: {urn: [$.full_name], id: $.id, name: $.name, full_name: $.full_name,
    owner: $.owner.login, url: $.html_url, description: $.description,
    default_branch: $.default_branch, visibility: $.visibility, archived: $.archived,
    fork: $.fork, created_at: {date: $.created_at, format: [iso8601, epoch_s]}}
  pull_request:
    urn: [$.base.repo.full_name, $.number]
    key: {template: "{{ item.base.repo.full_name }}#{{ item.number }}"}
    url: $.html_url                                        # never $.url, that is the API
    state: {if: {$.merged: true}, then: {const: merged}, else: $.state}
    native: {state: $.state}
    author: {use: actor, with: $.user}
    assignees: {each: "$.assignees[*]", use: actor}
    reviewers: {each: "$.requested_reviewers[*]", use: actor}
    labels: {each: "$.labels[*].name"}
    source: {branch: $.head.ref, sha: $.head.sha, repository: $.head.repo.full_name}
    target: {branch: $.base.ref, sha: $.base.sha, repository: $.base.repo.full_name}
    merged_by: {use: actor, with: $.merged_by}
    merge_commit_sha: {if: {$.merged: true}, then: $.merge_commit_sha}
    same: [id, number, title, draft, additions, deletions, changed_files, created_at,
      updated_at, closed_at, merged_at]
    description: $.body
rules:
  - id: pull_request
    when: {header.x-github-event: pull_request}
    at: {date: $.pull_request.updated_at}
    actor: {use: actor, with: $.sender}
    data: {use: pull_request, with: $.pull_request,
      set: {repository: {use: repository, with: $$.repository}}}
    rules:
      - {id: opened, when: {$.action: opened}, emit: scm.pull_request.created}
      - {id: merged, when: {$.action: closed, $.pull_request.merged: true},
         emit: scm.pull_request.merged,
         changes: [{field: state, from: {const: open}, to: {const: merged}}]}
      - {id: closed, when: {$.action: closed, $.pull_request.merged: false},
         emit: scm.pull_request.closed,
         changes: [{field: state, from: {const: open}, to: {const: closed}}]}
      - {id: edited, when: {$.action: edited}, emit: scm.pull_request.updated,
         changes: [{field: title, if: $.changes.title, from: $.changes.title.from,
                    to: $.pull_request.title}]}
      - {id: new-commits, when: {$.action: synchronize}, emit: scm.pull_request.updated,
         changes: [{field: source.sha, from: $.before, to: $.after}]}
ignore:
  - {when: {header.x-github-event: ping}, reason: ping}
tests:
  - name: opened
    headers:
      X-GitHub-Event: pull_request
      X-GitHub-Delivery: 0e5c8a10-c7a2-11f0-9f4e-2a7b1c3d4e5f
    body_file: samples/pull_request.opened.json
    expect:
      - type: scm.pull_request.created
        timestamp: 2026-11-22T10:15:00.000Z
        data:
          id: "279147437"
          number: 42
          state: open
          merge_commit_sha: null
          urn: oh:github:github.com:pull_request:acme/payments/42
          actor: {type: user}
  - name: ping
    headers: {X-GitHub-Event: ping}
    body: {zen: Keep it simple.}
    expect: ignored
"""

QUARRYDESK = """\
onehook: mapping/v1
platform: quarrydesk
version: "1.0.0"
verify: {scheme: shared_token, header: X-Quarry-Token, secret: {setting: secret}}
dedupe: {key: [$.batch]}
event_name: $.what
host: {setting: host}
tables:
  phase: {New: todo, Digging: in_progress, On the belt: in_progress, Shipped: done}
  weight: {5: critical, 4: high, 3: medium, 2: low, 1: lowest}
rules:
  - id: item
    foreach: {in: "$.items[*]", key: $.uid, max: 200}
    at: {date: $.changed, format: "%d.%m.%Y %H:%M:%S", tz: Europe/Berlin}
    actor: {id: $.by.id, type: {const: user}, name: $.by.label}
    data:
      urn: [$.code]
      id: $.uid
      key: $.code
      title: {coalesce: [$.headline, $.summary, {const: (untitled)}], non_empty: true}
      url: {template: "{{ settings.base_url }}/item/{{ item.code | urlencode }}"}
      status: $.phase
      status_category: {lookup: $.phase, table: phase, ignore_case: true}
      priority: {lookup: $.weight, table: weight}
      due_date: {date: $.due, format: "%d.%m.%Y"}
      custom: {pit: $.pit.name}
    rules:
      - {id: new, when: {$.what: item_new}, emit: ticketing.ticket.created}
      - {id: shipped, when: {$.what: item_moved, $.phase: Shipped},
         emit: ticketing.ticket.resolved,
         changes: [{field: status, from: $.was, to: $.phase}]}
      - {id: moved, when: {$.what: item_moved, not: {$.phase: Shipped}},
         emit: ticketing.ticket.updated,
         changes: [{field: status, from: $.was, to: $.phase}]}
tests:
  - name: one webhook, two events, a phase and a weight nobody mapped
    settings: {host: desk.example.com, base_url: https://desk.example.com}
    body:
      batch: b-77
      items:
        - {what: item_new, uid: 9001, code: QD-14, headline: "", summary: Belt squeaks,
           phase: New, weight: 4, changed: "22.11.2026 11:15:00", due: "01.12.2026",
           by: {id: 7, label: Ada}}
        - {what: item_moved, uid: 9002, code: QD-15, headline: Fix chute, phase: Parked,
           was: Digging, weight: 9, changed: "22.11.2026 11:15:02"}
    expect:
      - type: ticketing.ticket.created
        timestamp: 2026-11-22T10:15:00.000Z
        data: {id: "9001", title: Belt squeaks, priority: high, due_date: 2026-12-01,
               url: https://desk.example.com/item/QD-14}
      - type: ticketing.ticket.updated
        data:
          status: Parked
          status_category: unknown
          priority: unknown
          native: {status_category: Parked, priority: 9}
          changes: [{field: status, from: Digging, to: Parked}]
"""

_USER: dict[str, JsonValue] = {
    "login": "ada", "id": 4, "type": "User", "html_url": "https://github.com/ada"
}  # fmt: skip
_REPOSITORY: dict[str, JsonValue] = {
    "id": 7,
    "name": "payments",
    "full_name": "acme/payments",
    "html_url": "https://github.com/acme/payments",
    "owner": {"login": "acme"},
    "private": True,
    "visibility": "private",
    "default_branch": "main",
    "created_at": "2023-11-14T08:30:12Z",
}


def github_body(
    action: str, rest: dict[str, JsonValue] | None = None, **fields: JsonValue
) -> dict[str, JsonValue]:
    """A pull request webhook; *fields* are the pull request's, *rest* the body's."""
    pull_request: dict[str, JsonValue] = {
        "id": 279147437,
        "number": 42,
        "title": "Retry card payments",
        "html_url": "https://github.com/acme/payments/pull/42",
        "url": "https://api.github.com/repos/acme/payments/pulls/42",
        "body": "Closes #7",
        "state": "open",
        "merged": False,
        "merge_commit_sha": "7e57",
        "draft": False,
        "user": _USER,
        "assignees": [],
        "requested_reviewers": [{"login": "grace", "id": 5, "type": "User"}],
        "labels": [{"name": "bug"}],
        "head": {"ref": "retry", "sha": "f00d", "repo": None},
        "base": {"ref": "main", "sha": "beef", "repo": {"full_name": "acme/payments"}},
        "merged_by": None,
        "updated_at": "2026-11-22T10:15:00Z",
        **fields,
    }
    return {
        "action": action,
        "pull_request": pull_request,
        "repository": _REPOSITORY,
        "sender": _USER,
        **(rest or {}),
    }
