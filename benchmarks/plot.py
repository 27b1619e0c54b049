"""The verdicts as a picture: how far each figure is from what it must reach and aims at. SVG."""

import math
from collections.abc import Iterable
from xml.sax.saxutils import escape

from benchmarks.acceptance import Verdict

_LABEL, _WIDE, _LINE, _TOP, _FOOT = 330, 460, 26, 46, 34  # pixels
_LEAST, _GREATEST = 1 / 8, 8.0  # times as good as it must be: the ends of the scale
_TICKS = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
_COLOURS = {"NOT MET": "#b3261e", "met": "#7a6a00", "aim reached": "#1b6e3c"}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d1d1f}.small{font-size:11px;fill:#5f5f66}"
    ".grid{stroke:#d8d8de}.must{stroke:#1d1d1f;stroke-width:2}.aim{stroke:#1b6e3c;stroke-width:2}"
)


def draw(verdicts: Iterable[Verdict]) -> str:
    """A bar a figure: how many times as good as it must be, so to the right is better."""
    shown = [one for one in verdicts if one.found is not None]
    height = _TOP + _LINE * len(shown) + _FOOT
    width = _LABEL + _WIDE + 130
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>Each figure over what it must reach</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(12, 20, "Times as good as it must be; the green line is the aim"),
    ]
    parts += [_tick(value, height) for value in _TICKS]
    parts += [_bar(at, one) for at, one in enumerate(shown)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(times: float) -> float:
    """Where on the logarithmic scale."""
    held = min(max(times, _LEAST), _GREATEST)
    span = math.log(_GREATEST / _LEAST)
    return round(_LABEL + _WIDE * math.log(held / _LEAST) / span, 1)


def _tick(value: float, height: int) -> str:
    name = f"{value:g}" if value >= 1 else f"1/{1 / value:g}"
    kind = "must" if value == 1 else "grid"
    x, bottom = _x(value), height - _FOOT
    line = f'<line x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{bottom}" class="{kind}"/>'
    return line + _text(x, bottom + 16, name, "small", "middle")


def _bar(at: int, verdict: Verdict) -> str:
    wanted, found = verdict.wanted, verdict.found
    assert found is not None
    good = wanted.must / max(found, 1e-9) if wanted.most else found / wanted.must
    aim = _x(wanted.must / wanted.aim if wanted.most else wanted.aim / wanted.must)
    start, end, y = _x(_LEAST), _x(good), _TOP + at * _LINE
    return "".join(
        (
            _text(_LABEL - 8, y + 15, wanted.title, anchor="end"),
            f'<rect x="{start}" y="{y + 3}" width="{round(end - start, 1)}" height="{_LINE - 10}" ',
            f'rx="2" fill="{_COLOURS[verdict.text]}"/>',
            f'<line x1="{aim}" x2="{aim}" y1="{y}" y2="{y + _LINE - 4}" class="aim"/>',
            _text(_LABEL + _WIDE + 10, y + 15, f"{verdict.shown(found)}, {verdict.text}", "small"),
        )
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{named}>{escape(text)}</text>'
