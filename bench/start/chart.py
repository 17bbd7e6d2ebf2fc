"""The chart of the starts: spawn with warm .pyc files is the line at 1."""

from ratio_chart import RatioChart

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
    "zygote-modules": "bifrost-cache, modules warm",
    "zygote-code": "bifrost-cache, code warm",
    "spawn-hook": "bifrost-cache, spawned",
    "fork-none": "bifrost-cache, no module warm",
    "forkserver": "forkserver, preloaded: never sees an edit",
    "bare-fork": "bare fork, runs nothing: the limit",
}


def svg(result):
    rows = [(entry["title"], entry["figures"]) for entry in result["workloads"]]
    ratios = [figures[way]["ratio"] for _, figures in rows for way in MARKS]
    chart = RatioChart("From asking for an execution to its first line",
                       "its imports done; medians; spawn with warm .pyc files = 1; left is faster",
                       "times spawn with warm .pyc files", MARKS, LABELS,
                       low=min(ratios) * 0.85, high=max([*ratios, 1]) * 1.2, row_height=36)
    return chart.svg([(title, {way: (figures[way]["ratio"], _said_of(figures[way])) for way in MARKS}) for title, figures in rows])


def _said_of(figure):
    return f"{figure['ratio']:.3f}, {1000 * figure['seconds']:.1f} ms"
