"""docs/platforms: what the pages tell people to do works."""

import json
import re
from pathlib import Path

import pytest

from tests.builders import Running, shipped

FOLDER = Path(__file__).parents[2] / "docs" / "platforms"
_PATCH = re.compile(r"`PATCH /v1/integrations/\{id\}` with `(\{.*?\})`")
LATER = [name for name in sorted(shipped()) if _PATCH.search((FOLDER / f"{name}.md").read_text())]


@pytest.mark.parametrize("name", sorted(shipped()))
async def test_the_steps_begin_with_a_request_that_works(name: str, gateway: Running) -> None:
    """It makes an integration; the vendor's side is told in steps after it."""
    page = (FOLDER / f"{name}.md").read_text("utf-8")
    body = json.loads(re.search(r"-d '(.*)'", page)[1])  # type: ignore[index]

    answer = await gateway.api.post("/v1/integrations", body)

    assert answer.status == 201, answer.body
    assert answer.json["type"] == name
    assert len(re.findall(r"^\d+\. ", page, re.MULTILINE)) >= 4


@pytest.mark.parametrize("name", LATER)
async def test_a_secret_that_the_vendor_makes_can_be_put_in_later(
    name: str, gateway: Running
) -> None:
    """The PATCH that the page asks for is taken, the dots being a secret."""
    page = (FOLDER / f"{name}.md").read_text("utf-8")
    made = json.loads(re.search(r"-d '(.*)'", page)[1])  # type: ignore[index]
    id_ = (await gateway.api.post("/v1/integrations", made)).json["id"]

    (text,) = _PATCH.findall(page)
    secret = "MDEyMzQ1Njc4OWFiY2RlZg=="
    answer = await gateway.api.patch(
        f"/v1/integrations/{id_}", json.loads(text.replace("…", secret))
    )

    assert answer.status == 200, answer.body


def test_vendors_that_make_the_secret_themselves_are_known() -> None:
    """Five; the others are given one."""
    assert LATER == ["gitlab", "linear", "pagerduty", "sentry", "standard"]
