"""A bar chart of calls per second, as an SVG for light and dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from xml.sax.saxutils import escape

ROW, BAR, TOP, LEFT, WIDTH, RIGHT = 30, 16, 64, 250, 400, 130
FONT = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif"
STYLE = f"""
  text {{ {FONT}; font-size: 13px; fill: #1f2328; }}
  .page {{ fill: #ffffff; }}
  .title {{ font-size: 15px; font-weight: 600; }}
  .small {{ font-size: 12px; fill: #59636e; }}
  .grid {{ stroke: #d1d9e0; }}
  .spread {{ stroke: #1f2328; stroke-width: 1.5; }}
  .ours {{ fill: #1a7f5a; }}
  .limit {{ fill: #8c959f; }}
  .other {{ fill: #4f7fc2; }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6edf3; }}
    .page {{ fill: #0d1117; }}
    .small {{ fill: #9da7b1; }}
    .grid {{ stroke: #3d444d; }}
    .spread {{ stroke: #e6edf3; }}
    .ours {{ fill: #3fb98a; }}
    .limit {{ fill: #6e7681; }}
    .other {{ fill: #6c9fe0; }}
  }}
"""


@dataclass(frozen=True)
class Bar:
    """One bar: the rate, and the lowest and highest of all rounds. `kind` is `ours`, `limit` or `other`."""

    label: str
    kind: str
    rate: float
    least: float
    most: float
    is_floor: bool = False


def step_for(most: float) -> int:
    """Return the distance of grid lines: 1, 2 or 5 times a power of ten, for at most six lines."""
    steps = (int(unit * 10**power) for power in count() for unit in (1, 2, 5))
    return next(step for step in steps if most / step <= 6)


def draw(title: str, under: str, bars: Sequence[Bar]) -> str:
    """Return the chart: the fastest on top, linear from zero, a line from the lowest to the highest round."""
    most = max(bar.most for bar in bars)
    height = TOP + ROW * len(bars) + 34
    ordered = sorted(bars, key=lambda bar: -bar.rate)
    scale = WIDTH / most
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        '<rect class="page" width="100%" height="100%"/>',
        f'<text class="title" x="12" y="24">{escape(title)}</text>',
        f'<text class="small" x="12" y="44">{escape(under)}</text>',
        *_grid(most, scale, height),
        *(line for index, bar in enumerate(ordered) for line in _bar(bar, TOP + ROW * index, scale)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _grid(most: float, scale: float, height: int) -> list[str]:
    lines = []
    for value in range(0, int(most) + 1, step_for(most)):
        x = LEFT + value * scale
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 30}"/>')
        lines.append(f'<text class="small" x="{x:.1f}" y="{height - 12}" text-anchor="middle">{value:,}</text>')
    return lines


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    middle, end = y + BAR / 2, LEFT + max(bar.rate * scale, 1.5)
    number = f"{'at least ' if bar.is_floor else ''}{bar.rate:,.0f}"
    after = max(end, LEFT + bar.most * scale) + 8
    return [
        f'<text x="{LEFT - 10}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>',
        f'<line class="spread" x1="{LEFT + bar.least * scale:.1f}" y1="{middle}"'
        f' x2="{LEFT + bar.most * scale:.1f}" y2="{middle}"/>',
        f'<text x="{after:.1f}" y="{middle + 4.5:.1f}">{number}</text>',
    ]
