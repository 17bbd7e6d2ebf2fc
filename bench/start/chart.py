"""Draws the starts as SVG: one row per workload, one mark per way, spawn with warm .pyc files at 1.

A logarithmic axis, so that twice as fast and twice as slow are equally far from 1. Text follows the reader's light or
dark scheme; the colours of the marks are readable on both.
"""

import math
from xml.sax.saxutils import escape

# Colour and shape of the ways that are drawn; spawn with .pyc files is the line at 1.
MARKS = {
    "zygote-modules": ("#d9480f", "diamond"),
    "zygote-code": ("#e8a33d", "diamond"),
    "spawn-hook": ("#868e96", "circle"),
    "fork-none": ("#1c7ed6", "circle"),
    "forkserver": ("#ae3ec9", "ring"),
    "bare-fork": ("#2f9e44", "ring"),
}
LABELS = {
    "zygote-modules": "zygote, modules warm",
    "zygote-code": "zygote, code warm",
    "spawn-hook": "spawn, imports from shared memory",
    "fork-none": "zygote, no workspace module warm",
    "forkserver": "forkserver, preloaded: never sees an edit",
    "bare-fork": "bare fork, runs nothing: the limit",
}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11.5px } .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .35 } .one { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .one { stroke: #e6edf3 } }
"""
WIDTH, LEFT, RIGHT, TOP, ROW = 860, 190, 30, 118, 36
PER_LEGEND_LINE = 3


def svg(result):
    rows = [(entry["title"], entry["figures"]) for entry in result["workloads"]]
    ratios = [figures[way]["ratio"] for _, figures in rows for way in MARKS]
    low, high = math.log(min(ratios) * 0.85), math.log(max([*ratios, 1]) * 1.2)

    def x_of(ratio):
        return LEFT + (math.log(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    bottom = TOP + ROW * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 52}" width="{WIDTH}" role="img">',
             f"<style>{STYLE}</style>", _text(16, 26, "From asking for an execution to its first line", "title"),
             _text(16, 46, "its imports done; medians; spawn with warm .pyc files = 1; left is faster", "small")]
    for index, way in enumerate(MARKS):
        x, y = 24 + index % PER_LEGEND_LINE * 270, 68 + index // PER_LEGEND_LINE * 18
        parts += [_mark(way, x, y, LABELS[way]), _text(x + 12, y + 4, LABELS[way], "small")]
    for tick in (step * 10.0**power for power in range(-4, 2) for step in (1, 2, 5)):
        if low <= math.log(tick) <= high:
            css = "one" if tick == 1 else "grid"
            parts += [f'<line class="{css}" x1="{x_of(tick):.1f}" x2="{x_of(tick):.1f}" y1="{TOP}" y2="{bottom}"/>',
                      _text(x_of(tick), bottom + 18, f"{tick:g}", "small", "middle")]
    parts.append(_text(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 40, "times spawn with warm .pyc files", "small", "middle"))
    for index, (title, figures) in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT - 12, y + 4, title, "", "end"))
        for way in reversed(MARKS):  # ours on top
            figure = figures[way]
            parts.append(_mark(way, x_of(figure["ratio"]), y,
                               f"{LABELS[way]}: {figure['ratio']:.3f}, {1000 * figure['seconds']:.1f} ms"))
    return "\n".join([*parts, "</svg>", ""])


def _mark(way, x, y, title):
    colour, shape = MARKS[way]
    if shape == "diamond":
        drawing, end = f'<path d="M{x:.1f} {y - 8:.1f}l8 8-8 8-8-8z" fill="{colour}">', "</path>"
    else:
        fill = f'fill="{colour}"' if shape == "circle" else f'fill="none" stroke="{colour}" stroke-width="2.5"'
        drawing, end = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {fill}>', "</circle>"
    return f"{drawing}<title>{escape(title)}</title>{end}"


def _text(x, y, text, css="", anchor="start"):
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
