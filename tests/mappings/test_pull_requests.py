"""What nobody can do without: every pull request says which it is, and where."""

import pytest

from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import normalize_sample
from onehook.core.schema.events import EVENT_TYPES
from onehook.core.schema.scm import PullRequest
from tests.builders import shipped


@pytest.mark.parametrize("platform", ["github", "gitlab", "bitbucket"])
def test_every_pull_request_has_title_number_url_repository_and_integration(platform: str) -> None:
    """Of every whole webhook in the mapping's own tests; test_corpus.py looks at more."""
    file = shipped()[platform]
    whole = [s for s in samples(file.mapping, file.load_sample) if len(s.body) > 2000]
    outcomes = [normalize_sample(file.mapping, sample) for sample in whole]
    events = [e for o in outcomes if isinstance(o, Emitted) for e in o.events]
    found = [event for event in events if EVENT_TYPES[event.type] is PullRequest]

    assert len(found) >= 2
    for event in found:
        repository, integration = event.data["repository"], event.envelope["integration"]
        assert isinstance(repository, dict)
        assert isinstance(integration, dict)
        assert all(event.data[name] is not None for name in ("title", "number", "url"))
        assert repository["name"]
        assert integration["name"]
