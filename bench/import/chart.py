"""Draws the figures of one worker as SVG: one row per workload, one mark per variant, warm .pyc files at 1.

A logarithmic axis, so that twice as fast and twice as slow are equally far from 1. Text follows the reader's light or
dark scheme; the colours of the marks are readable on both.
"""

import math
from xml.sax.saxutils import escape

from variants import VARIANTS

# Colour and shape of the variants that are drawn; warm .pyc is the line at 1.
MARKS = {
    "agent-code": ("#d9480f", "diamond"),
    "agent-source": ("#e8a33d", "diamond"),
    "py": ("#868e96", "circle"),
    "redis": ("#1c7ed6", "circle"),
    "redis-marshal": ("#1c7ed6", "ring"),
    "dict": ("#2f9e44", "circle"),
    "dict-code": ("#2f9e44", "ring"),
    "zip": ("#ae3ec9", "circle"),
}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11.5px } .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .35 } .one { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .one { stroke: #e6edf3 } }
"""
WIDTH, LEFT, RIGHT, TOP, ROW = 860, 190, 30, 118, 34
PER_LEGEND_LINE = 3


def svg(result):
    """The chart; without any row when nothing was measured with one worker."""
    rows = [(entry["title"], run["figures"]) for entry in result["workloads"] for run in entry["runs"]
            if run["workers"] == 1]
    measured = {key for _, figures in rows for key in figures}
    drawn = [variant for variant in VARIANTS if variant.key in MARKS and variant.key in measured]
    ratios = [figures[variant.key]["ratio"] for _, figures in rows for variant in drawn if variant.key in figures]
    scale = Scale(min([0.2, *ratios]), max([2, *ratios]))
    bottom = TOP + ROW * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 52}" width="{WIDTH}" role="img">',
             f"<style>{STYLE}</style>", _text(16, 26, "Import time, warm .pyc files = 1", "title"),
             _text(16, 46, "one worker, fresh processes, medians; left is faster", "small")]
    for index, variant in enumerate(drawn):
        x = 24 + index % PER_LEGEND_LINE * 270
        y = 68 + index // PER_LEGEND_LINE * 18
        parts += [_mark(variant.key, x, y, variant.title), _text(x + 12, y + 4, variant.title, "small")]
    for tick in scale.ticks():
        x = scale.x(tick)
        css = "one" if tick == 1 else "grid"
        parts += [f'<line class="{css}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>',
                  _text(x, bottom + 18, f"{tick:g}", "small", "middle")]
    parts.append(_text(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 40, "times warm .pyc", "small", "middle"))
    for index, (title, figures) in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT - 12, y + 4, title, "", "end"))
        for variant in reversed(drawn):  # ours on top
            if variant.key in figures:
                ratio = figures[variant.key]["ratio"]
                parts.append(_mark(variant.key, scale.x(ratio), y, f"{variant.title}: {ratio:.2f}"))
    return "\n".join([*parts, "</svg>", ""])


class Scale:
    def __init__(self, low, high):
        self.low = math.log(low * 0.9)
        self.high = math.log(high * 1.1)

    def x(self, ratio):
        return LEFT + (math.log(ratio) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        steps = [step * 10**power for power in range(-2, 3) for step in (1, 2, 5)]
        return [step for step in steps if self.low <= math.log(step) <= self.high]


def _mark(key, x, y, title):
    colour, shape = MARKS[key]
    if shape == "diamond":
        drawing = f'<path d="M{x:.1f} {y - 8:.1f}l8 8-8 8-8-8z" fill="{colour}">'
        end = "</path>"
    else:
        fill = f'fill="{colour}"' if shape == "circle" else f'fill="none" stroke="{colour}" stroke-width="2.5"'
        drawing = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {fill}>'
        end = "</circle>"
    return f"{drawing}<title>{escape(title)}</title>{end}"


def _text(x, y, text, css="", anchor="start"):
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
