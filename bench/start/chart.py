def svg(result): return ""
