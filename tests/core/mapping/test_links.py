"""``links``: what each line compiles to, what it matches, and what is refused where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.links import MAX_PAGES, Linked, Links
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import normalize_sample
from onehook.core.references.urls import URL
from onehook.mappings import MappingFile
from tests.builders import shipped
from tests.core.mapping.building import HEAD, compiled, marked, places, problems

SHA = "0123456789abcdef0123456789abcdef01234567"


def links(text: str) -> Links:
    """What ``links: text`` compiles to."""
    return compiled(f"{HEAD}links: {text}\n").links


def page(at: str, key: str = "{path}#{number}", urn: str = "{path}/{number}") -> Links:
    """The links of a platform whose pull requests are *at*."""
    return links(f'{{pages: [{{at: "{at}", type: pull_request, key: "{key}", urn: "{urn}"}}]}}')


def linked(found: Linked | None) -> tuple[str, str | None]:
    """Key and path of the urn."""
    assert found is not None
    return found.key, found.urn


def test_without_the_section_nothing_is_linked() -> None:
    """It may be left out."""
    assert compiled(HEAD).links == Links()
    assert Links().page("/a/b/pull/1") is None


def test_a_page_gives_key_urn_and_its_own_end() -> None:
    """What follows the page in the address is not part of it."""
    found = page("/{path}/pull/{number}").page("/Acme/pay.ments/pull/42/files?w=1")
    assert found == Linked(
        ("pull_request",), "Acme/pay.ments#42", "Acme/pay.ments/42", len("/Acme/pay.ments/pull/42")
    )


@pytest.mark.parametrize(
    "address",
    ["/pull/42", "/acme/pull/42", "/acme/shop/pull/x", "/acme/shop/pull/42x", "/acme/shop/pulls/42",
     "/acme/shop/PULL/42", "/a b/c/pull/42", "acme/shop/pull/42", "/acme/shop/pull/042"],
)  # fmt: skip
def test_what_is_no_such_page(address: str) -> None:
    """Other words, other forms of names, and numbers that go on."""
    assert page("/{path}/pull/{number}").page(address) is None


@pytest.mark.parametrize(
    ("at", "address", "key"),
    [
        ("/x/{owner}/{name}/{number}", "/x/acme/shop/7", "{owner}/{name}#{number}"),
        ("/browse/{key}", "/browse/PAY-1?x=1", "{key}"),
        ("/at/{id}", "/at/Q2-x9", "{id}"),
        ("/commit/{sha}", f"/commit/{SHA}", "{sha}"),
        (".../browse/{key}", "/browse/PAY-1", "{key}"),
        (".../browse/{key}", "/some/folder/browse/PAY-1", "{key}"),
        ("...item.do?...id={id}", "/item.do?id=a1b2", "{id}"),
        ("...item.do?...id={id}", "/nav?uri=item.do%3Fx%3d1&id%3Da1b2", "{id}"),
        ("...item.do?...id={id}", "/params/%2Fitem.do%3Fid%3Da1b2", "{id}"),
    ],
)
def test_every_placeholder(at: str, address: str, key: str) -> None:
    """Each takes names of one form; ``...`` is anything, and ``?`` and ``=`` may be encoded."""
    found = (
        page(at, key, "").page(address)
        if "urn" in at
        else links(f'{{pages: [{{at: "{at}", type: ticket, key: "{key}"}}]}}').page(address)
    )
    assert found is not None
    assert found.urn is None
    assert found.key in address or found.key == "acme/shop#7"


@pytest.mark.parametrize("address", ["/my_item.do?id=a1b2", "/xitem.do?id=a1b2", "/item.do?id=a"])
def test_after_a_gap_a_word_begins(address: str) -> None:
    """The page of another table is another page."""
    assert links('{pages: [{at: "...item.do?...id={id}", type: ticket, key: "{id}"}]}').page(
        address
    ) is None  # fmt: skip


def test_a_short_sha_tells_no_urn() -> None:
    """It is cut somewhere; the urn has all of it."""
    commits = page("/{path}/commit/{sha}", "{path}@{sha}", "{path}/{sha}")
    assert linked(commits.page(f"/a/b/commit/{SHA}")) == (f"a/b@{SHA}", f"a/b/{SHA}")
    assert linked(commits.page(f"/a/b/commit/{SHA[:39]}")) == (f"a/b@{SHA[:39]}", None)


def test_the_first_page_that_fits_is_it() -> None:
    """So a closer one stands before a wider one."""
    found = links(
        '{pages: [{at: "/groups/{path}/items/{number}", type: incident, key: "{path}"},'
        ' {at: "/{path}/items/{number}", type: ticket, key: "{path}"}]}'
    )
    group, plain = found.page("/groups/a/b/items/1"), found.page("/a/b/items/1")
    assert group is not None
    assert plain is not None
    assert (group.types, group.key) == (("incident",), "a/b")
    assert (plain.types, plain.key) == (("ticket",), "a/b")


def test_types_signs_numbers_and_prefixes() -> None:
    """One type or several; which of their own things pages lead to, and by what."""
    found = links(
        "\n  pages:"
        '\n    - {at: "/{path}/pull/{number}", type: [ticket, incident], key: x, urn: "{path}"}'
        '\n    - {at: "/by/{id}", type: build, key: "{id}"}'
        '\n  signs: {"#": [unknown, ticket], "!": pull_request}'
        "\n  numbers: {INC: incident}"
        "\n  prefixes: {setting: keys}"
    )
    assert found.pages[0].types == ("ticket", "incident")
    assert found.linked == {"ticket", "incident"}
    assert found.by_id == {"build"}
    assert found.signs == {"#": ("unknown", "ticket"), "!": ("pull_request",)}
    assert found.numbers == {"INC": "incident"}
    assert found.prefixes == "keys"


WRONG = """\
links: ⟨E002⟩nothing
---
links: {⟨E002⟩page: []}
---
links: {pages: [⟨E002⟩none]}
---
links: {pages: [⟨E002⟩{type: ticket, key: k}]}
---
links: {pages: [⟨E002⟩{at: "/x/{id}", type: ticket}]}
---
links: {pages: [⟨E002⟩{at: "/xyz/{id}", key: k}]}
---
links: {pages: [{at: "/xyz/{id}", type: ⟨E106⟩pull, key: k}]}
---
links: {pages: [{at: "/xyz/{id}", type: [ticket, ⟨E106⟩pull], key: k}]}
---
links: {pages: [{at: ⟨E002⟩"xyz/{id}", type: ticket, key: k}]}
---
links: {pages: [{at: ⟨E002⟩"/{id}/", type: ticket, key: k}]}
---
links: {pages: [{at: ⟨E002⟩"/xyz", type: ticket, key: k}]}
---
links: {pages: [{at: ⟨E002⟩"/xyz/{ids}", type: ticket, key: k}]}
---
links: {pages: [{at: ⟨E002⟩"/xyz/{id}/{id}", type: ticket, key: k}]}
---
links: {pages: [{at: ⟨E002⟩"/xyz/{id", type: ticket, key: k}]}
---
links: {pages: [{at: ⟨E002⟩"...xyz...{id}...", type: ticket, key: k}]}
---
links: {pages: [{at: "/xyz/{id}", type: ticket, key: ⟨E002⟩"{number}"}]}
---
links: {pages: [{at: "/xyz/{id}", type: ticket, key: ⟨E002⟩"{id!r}"}]}
---
links: {pages: [{at: "/xyz/{id}", type: ticket, key: ⟨E002⟩"{id"}]}
---
links: {pages: [{at: "/xyz/{id}", type: ticket, key: "{id}", urn: ⟨E002⟩"{path}"}]}
---
links: {pages: [{at: "/xyz/{id}", type: ticket, key: "{id}", ⟨E002⟩url: x}]}
---
links: {signs: {"@": ⟨E002⟩commit}}
---
links: {signs: {"#": ⟨E106⟩pull}}
---
links: {numbers: {inc: ⟨E002⟩incident}}
---
links: {numbers: {INC: ⟨E106⟩accident}}
---
links: {prefixes: ⟨E002⟩keys}
---
settings: {secret: {secret: true}}
links: {prefixes: {⟨E104⟩setting: keys}}
"""


@pytest.mark.parametrize("text", WRONG.split("---\n"))
def test_what_is_refused_and_where(text: str) -> None:
    """Each problem with its code, at its line and column."""
    clean, expected = marked(HEAD + text)
    assert places(problems(clean)) == expected


def test_pages_have_a_limit() -> None:
    """No mapping makes a search long."""
    one = '{at: "/xyz/{id}", type: ticket, key: "{id}"}'
    (problem,) = problems(f"{HEAD}links: {{pages: [{', '.join([one] * (MAX_PAGES + 1))}]}}\n")
    assert (problem.code, str(MAX_PAGES) in problem.message) == ("E002", True)


def test_the_nearest_placeholder_is_named() -> None:
    """As everywhere."""
    (problem,) = problems(
        f'{HEAD}links: {{pages: [{{at: "/xyz/{{nmber}}", type: url, key: k}}]}}\n'
    )
    assert "number" in problem.hint


def test_extending_adds_to_the_section() -> None:
    """An operator's own numbers stand in place of the shipped ones, the rest stays."""
    parent = f'{HEAD}links: {{signs: {{"#": ticket}}, numbers: {{INC: incident}}}}\n'
    child = "onehook: mapping/v1\nplatform: acme\nextends: base\nlinks: {numbers: {BUG: ticket}}\n"
    found = compiled(child, base=parent).links
    assert (found.numbers, found.signs) == ({"BUG": "ticket"}, {"#": ("ticket",)})


@given(st.text(alphabet="/abAB1-#?=%{}.~_ é\ud800", max_size=60))
def test_an_address_never_raises(address: str) -> None:
    """Whatever stands in a text, at every shipped platform; an end lies inside."""
    for file in shipped().values():
        found = file.mapping.links.page(address)
        assert found is None or 0 < found.end <= len(address)


def things(file: MappingFile) -> list[dict[str, JsonValue]]:
    """The things that the events of a mapping's own tests are about, and the commits of pushes."""
    found: list[dict[str, JsonValue]] = []
    for sample in samples(file.mapping, file.load_sample):
        outcome = normalize_sample(file.mapping, sample)
        for event in outcome.events if isinstance(outcome, Emitted) else ():
            commits = event.data.get("commits")
            found += [dict(event.data), *(commits if isinstance(commits, list) else ())]  # type: ignore[list-item]
    return found


@pytest.mark.parametrize("file", shipped().values(), ids=list(shipped()))
def test_a_thing_s_own_page_leads_to_it(file: MappingFile) -> None:
    """What a mapping calls a thing, and what a link to it is read as, are the same."""
    for thing in things(file):
        match = URL.match(str(thing.get("url")))
        found = file.mapping.links.page(match[2]) if match else None
        _, _, _, type_, path = str(thing["urn"]).split(":", 4)
        if found is None or type_ not in found.types:
            continue  # a page of something else: of what a comment is on
        key = thing.get("key")
        if found.urn is None:
            assert found.key in (thing.get("id"), thing.get("sha"))
        else:
            assert path.lower() == found.urn.lower()
            if isinstance(key, str) and not key.isdecimal():
                assert key.lower() == found.key.lower()


@pytest.mark.parametrize(
    ("platform", "types"),
    [
        ("github", {"pull_request", "ticket", "commit"}),
        ("gitlab", {"pull_request", "ticket", "commit", "incident"}),
        ("bitbucket", {"pull_request", "ticket", "commit"}),
        ("jira", {"ticket"}),
        ("linear", {"ticket"}),
        ("pagerduty", {"incident"}),
        ("opsgenie", {"incident"}),
        ("corgea", {"vulnerability"}),
    ],
)
def test_which_pages_each_platform_has(platform: str, types: set[str]) -> None:
    """Of the things that texts link to."""
    assert shipped()[platform].mapping.links.linked == types
