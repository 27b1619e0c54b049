"""What `test_fuzz_api.py` tells schemathesis: ids of things that are there.

Schemathesis imports it. Made-up ids are all 404, and what lies behind them would never be called.
``FUZZ_IDS`` is a JSON object: what stands before ``{id}`` in a path, to the ids to put there.
"""

import json
import os
import re
from typing import Any
from zlib import crc32

import schemathesis

IDS: dict[str, list[str]] = json.loads(os.environ.get("FUZZ_IDS", "{}"))
_BEFORE = re.compile(r"/([a-z-]+)/\{(\w+)\}")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Put an id that is there into two calls of three; what is deleted is never the first one."""
    found = _BEFORE.search(case.operation.path)
    if found is None or found[1] not in IDS:
        return
    drawn = crc32(
        f"{case.method}{case.path_parameters}{case.body}{case.query}".encode(errors="replace")
    )
    known = IDS[found[1]]
    if case.method.upper() == "DELETE":
        known = known[1:]
    if drawn % 3 and known:
        case.path_parameters[found[2]] = known[drawn // 3 % len(known)]
