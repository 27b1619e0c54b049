"""Genuine webhooks whose bodies are odd, from the socket to a subscriber: rows A6, M2, M3, M5."""

import asyncio
import hmac
import io
import json
from typing import Any

import pytest

from tests.builders import Running, Subscriber, github, sample

MIB = 1024 * 1024


def issue_with(title: bytes) -> bytes:
    """An issue whose title stands in the body as *title*: JSON of any form, or none."""
    body = sample("github/issues.opened")
    text = json.dumps({**body, "issue": {**body["issue"], "title": "@title@"}})
    return text.encode().replace(b'"@title@"', title)


# What stands where the title is; the title as it is delivered, None: it is quarantined.
TITLES: dict[str, tuple[bytes, str | None]] = {
    "NUL": (b'"a\\u0000b"', "a\x00b"),
    "lone surrogate": (b'"a\\ud800b"', "a\ufffdb"),
    "half of two surrogates": (b'"\\udc00\\ud83d"', "\ufffd\ufffd"),
    "escaped pair": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "line separators": ('"a\u2028b\u2029"'.encode(), "a\u2028b\u2029"),
    "terminal codes": (b'"\\u001b[31mred"', "\x1b[31mred"),
    "markup": (b'"<script>alert(1)</script>"', "<script>alert(1)</script>"),
    "duplicate keys": (b'"first","title":"last"', "last"),
    "a number of 5,000 digits": (b"9" * 5000, None),
    "infinite": (b"1e400", None),
    "NaN": (b"NaN", None),
    "Infinity": (b"-Infinity", None),
    "invalid UTF-8": (b'"\xff\xfe"', None),
    "overlong UTF-8": (b'"\xc0\xaf"', None),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', None),
    "bare control code": (b'"a\nb"', None),
    "too deep": (b"[" * 100 + b"]" * 100, None),
    "too wide": (b"[" + b"1," * 100_000 + b"1]", None),
}
WHOLE: dict[str, bytes] = {
    "byte-order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "two values": b"{}{}",
    "cut short": b'{"a": [1, 2',
    "nothing but space": b" \n ",
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "surrogate 5,000 deep": b"[" * 5000 + b'"\\ud800"' + b"]" * 5000,
}


@pytest.mark.parametrize(("title", "delivered"), TITLES.values(), ids=TITLES)
async def test_m2_odd_values_are_delivered_or_quarantined(
    gateway: Running, subscriber: Subscriber, title: bytes, delivered: str | None
) -> None:
    """Never an error: what JavaScript reads is delivered so, all else is kept in quarantine."""
    sender = await gateway.integrate()
    await gateway.subscribe(subscriber)

    answer = await gateway.send(sender, github("issues", issue_with(title)))

    assert answer.status == 202
    if delivered is None:
        assert answer.json["status"] == "quarantined", answer.json
        assert answer.json["reason"] in ("unparsable", "mapping_error", "schema_violation")
    else:
        (got,) = await subscriber.wait()
        assert json.loads(got.body)["data"]["title"] == delivered


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
async def test_m2_what_is_no_json_is_quarantined(gateway: Running, body: bytes) -> None:
    """The body is kept byte for byte, for whoever looks what the vendor sent."""
    sender = await gateway.integrate()

    answer = await gateway.send(sender, github("issues", body))

    assert (answer.status, answer.json["status"]) == (202, "quarantined")
    assert answer.json["reason"] in ("unparsable", "empty_body")
    held = await gateway.api.get(f"/v1/quarantine/{answer.json['id']}")
    assert held.status == 200


@pytest.mark.slow
async def test_m5_the_largest_body_holds_up_nobody(gateway: Running) -> None:
    """While 25 MB are hashed, judged and mapped, the loop goes round."""
    sender = await gateway.integrate()
    body = issue_with(b'"' + b"x, " * (8 * MIB) + b'"')
    assert len(body) < 25 * MIB
    native = github("issues", body)
    headers = [*native.headers.items(), *gateway.proof(sender, native)]
    sending = asyncio.create_task(gateway.post(sender, io.BytesIO(body), headers))
    loop, worst = asyncio.get_running_loop(), 0.0
    while not sending.done():
        before = loop.time()
        await asyncio.sleep(0.001)
        worst = max(worst, loop.time() - before)

    assert (await sending).status == 202
    assert worst < 1  # client and gateway share this loop; on an idle machine it is under 0.1 s


async def test_a6_every_active_secret_is_compared_in_constant_time(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook under the first secret costs as many comparisons as one under the last."""
    sender = await gateway.integrate(secret="the-first-of-two-secrets")
    path = f"/v1/integrations/{sender.id}/rotate-secret"
    assert (await gateway.api.post(path, {"secret": "the-second-of-two-secrets"})).status == 200
    compared: list[Any] = []
    real = hmac.compare_digest

    def count(a: Any, b: Any) -> bool:
        compared.append((a, b))
        return real(a, b)

    counts: list[int] = []
    for number, secret in enumerate((b"the-first-of-two-secrets", b"the-second-of-two-secrets")):
        body = issue_with(b'"%d"' % number)
        mac = hmac.new(secret, body, "sha256").hexdigest()
        headers = {**github("issues", body).headers, "X-Hub-Signature-256": f"sha256={mac}"}
        with monkeypatch.context() as patched:
            patched.setattr(hmac, "compare_digest", count)
            answer = await gateway.post(sender, body, headers.items())
        assert answer.status == 202
        counts.append(len(compared))
        compared.clear()

    assert counts == [2, 2]


async def test_a6_refusals_cost_the_same_work(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a signature goes wrong: all digests are made, and compared whole, once each."""
    sender = await gateway.integrate(secret="the-first-of-two-secrets")
    path = f"/v1/integrations/{sender.id}/rotate-secret"
    assert (await gateway.api.post(path, {"secret": "the-second-of-two-secrets"})).status == 200
    body = issue_with(b'"a6"')
    right = hmac.new(b"the-first-of-two-secrets", body, "sha256").hexdigest()
    other = {"0": "1"}
    wrong = {
        "its first digit": other.get(right[0], "0") + right[1:],
        "its middle": right[:32] + other.get(right[32], "0") + right[33:],
        "its last digit": right[:-1] + other.get(right[-1], "0"),
        "all of it": "".join(other.get(digit, "0") for digit in right),
        "another body's": hmac.new(b"the-second-of-two-secrets", b"{}", "sha256").hexdigest(),
    }
    work: list[tuple[str, int, int]] = []
    digest, compare = hmac.digest, hmac.compare_digest

    def digested(key: Any, content: Any, algorithm: str) -> bytes:
        work.append(("digest", len(content), 0))
        return digest(key, content, algorithm)

    def compared(a: Any, b: Any) -> bool:
        work.append(("compare", len(a), len(b)))
        return compare(a, b)

    done: dict[str, list[tuple[str, int, int]]] = {}
    for name, signature in wrong.items():
        headers = {**github("issues", body).headers, "X-Hub-Signature-256": f"sha256={signature}"}
        with monkeypatch.context() as patched:
            patched.setattr(hmac, "digest", digested)
            patched.setattr(hmac, "compare_digest", compared)
            answer = await gateway.post(sender, body, headers.items())
        assert answer.status == 401
        done[name] = work.copy()
        work.clear()

    each = [("digest", len(body), 0)] * 2 + [("compare", 32, 32)] * 2
    assert done == dict.fromkeys(wrong, each)
