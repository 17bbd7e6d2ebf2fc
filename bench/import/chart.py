"""The chart of the imports of one worker: warm .pyc files are the line at 1."""

from ratio_chart import RatioChart
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


def svg(result):
    """The chart; without any row when nothing was measured with one worker."""
    rows = [(entry["title"], run["figures"]) for entry in result["workloads"] for run in entry["runs"]
            if run["workers"] == 1]
    measured = {key for _, figures in rows for key in figures}
    labels = {variant.key: variant.title for variant in VARIANTS if variant.key in MARKS and variant.key in measured}
    ratios = {title: {key: figures[key]["ratio"] for key in labels if key in figures} for title, figures in rows}
    drawn = [ratio for row in ratios.values() for ratio in row.values()]
    chart = RatioChart("Import time, warm .pyc files = 1", "one worker, fresh processes, medians; left is faster",
                       "times warm .pyc", MARKS, labels, low=min([0.2, *drawn]) * 0.9, high=max([2, *drawn]) * 1.1, row_height=34)
    return chart.svg([(title, {key: (ratio, f"{ratio:.2f}") for key, ratio in row.items()}) for title, row in ratios.items()])
