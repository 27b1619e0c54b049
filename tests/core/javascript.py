"""Node as the judge of what JavaScript does; skipped where there is none."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache

import pytest

_SCRIPT = """
const lines = require("fs").readFileSync(0, "utf8").split("\\n").filter(line => line);
console.log(JSON.stringify(lines.map(line => JSON.stringify(JSON.parse(line)))));
"""


@cache
def _node() -> str | None:
    return shutil.which("node")


def round_trip(bodies: Sequence[bytes]) -> list[bytes]:
    """``JSON.stringify(JSON.parse(body))`` of each body, which holds no line break."""
    node = _node()
    if node is None:
        pytest.skip("node is not installed")
    text = b"\n".join(bodies)
    done = subprocess.run([node, "-e", _SCRIPT], input=text, capture_output=True, check=True)
    return [found.encode() for found in json.loads(done.stdout)]
