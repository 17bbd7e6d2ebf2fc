"""Draws ratios as SVG: one row per workload, one mark per way, what they are compared with at 1. bench/start draws with it, too.

A logarithmic axis, so that twice as fast and twice as slow are equally far from 1. Text follows the reader's light or
dark scheme; the colours of the marks are readable on both.
"""

import math
from xml.sax.saxutils import escape

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11.5px } .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .35 } .one { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .one { stroke: #e6edf3 } }
"""
WIDTH, LEFT, RIGHT, TOP = 860, 190, 30, 118
PER_LEGEND_LINE = 3


class RatioChart:
    """`marks` {key: (colour, shape)} and `labels` {key: text} in the order of the legend; the axis goes from low to high."""

    def __init__(self, title, subtitle, axis, marks, labels, low, high, row_height):
        self.title, self.subtitle, self.axis = title, subtitle, axis
        self.marks, self.labels = marks, labels
        self.low, self.high = math.log(low), math.log(high)
        self.row_height = row_height

    def svg(self, rows):
        """`rows`: (title, {key: (ratio, what to say of it)}). The first of `labels` is drawn on top."""
        bottom = TOP + self.row_height * len(rows)
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 52}" width="{WIDTH}" role="img">',
                 f"<style>{STYLE}</style>", _text(16, 26, self.title, "title"), _text(16, 46, self.subtitle, "small")]
        for index, (key, label) in enumerate(self.labels.items()):
            x, y = 24 + index % PER_LEGEND_LINE * 270, 68 + index // PER_LEGEND_LINE * 18
            parts += [self._mark(key, x, y, label), _text(x + 12, y + 4, label, "small")]
        for tick in self._ticks():
            x, css = self._x(tick), "one" if tick == 1 else "grid"
            parts += [f'<line class="{css}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>',
                      _text(x, bottom + 18, f"{tick:g}", "small", "middle")]
        parts.append(_text(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 40, self.axis, "small", "middle"))
        for index, (title, figures) in enumerate(rows):
            y = TOP + self.row_height * index + self.row_height / 2
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(_text(LEFT - 12, y + 4, title, "", "end"))
            parts += [self._mark(key, self._x(figures[key][0]), y, f"{self.labels[key]}: {figures[key][1]}")
                      for key in reversed(self.labels) if key in figures]
        return "\n".join([*parts, "</svg>", ""])

    def _x(self, ratio):
        return LEFT + (math.log(ratio) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def _ticks(self):
        steps = [step * 10**power for power in range(-4, 3) for step in (1, 2, 5)]
        return [step for step in steps if self.low <= math.log(step) <= self.high]

    def _mark(self, key, x, y, title):
        colour, shape = self.marks[key]
        if shape == "diamond":
            drawing, end = f'<path d="M{x:.1f} {y - 8:.1f}l8 8-8 8-8-8z" fill="{colour}">', "</path>"
        else:
            fill = f'fill="{colour}"' if shape == "circle" else f'fill="none" stroke="{colour}" stroke-width="2.5"'
            drawing, end = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {fill}>', "</circle>"
        return f"{drawing}<title>{escape(title)}</title>{end}"


def _text(x, y, text, css="", anchor="start"):
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
