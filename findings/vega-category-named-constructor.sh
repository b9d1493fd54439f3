#!/usr/bin/env bash
# One would guess: a bar chart draws a bar and a label for each category, whatever the category is called; or that what
# cannot be drawn is an error.
# vl-convert-python 1.9.0.post1 with altair 6.3.0: where one category is called "constructor", as a class or
# a concept may be, the picture is valid and empty: no axis, no label, no bar, of any category. The call returns as ever,
# and a TypeError goes to stderr. As a color the same name is drawn.
# Exits with 1 where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet altair==6.3.0 vl-convert-python==1.9.0.post1 pandas==3.1.1
"$work/venv/bin/python" - 2>"$work/stderr" <<'PYTHON'
import re

import altair as alt
import pandas as pd
import vl_convert

print("altair", alt.__version__, "vl-convert", vl_convert.__version__, "Vega-Lite", alt.SCHEMA_VERSION)
names = {}
for last in ("construction", "constructor"):
    table = pd.DataFrame({"concept": ["sky", "tree", last], "iou": [0.1, 0.2, 0.3]})
    bars = alt.Chart(table).mark_bar().encode(x="iou:Q", y="concept:N")
    points = alt.Chart(table).mark_point().encode(x="iou:Q", color="concept:N")
    for kind, chart in (("bars", bars), ("colors", points)):
        svg = vl_convert.vegalite_to_svg(chart.to_dict())
        names[last, kind] = [word for word in re.findall(">([a-z]+)<", svg) if word in {"sky", "tree", last}]
        print(f"{last:<13} {kind:<7} {len(svg):5} characters, labels: {', '.join(names[last, kind]) or 'none'}")
assert len(names["construction", "bars"]) == len(names["construction", "colors"]) == 3, names
assert names["constructor", "bars"] == [] and len(names["constructor", "colors"]) == 3, names
PYTHON
grep -o -m 1 "TypeError: [^(]*" "$work/stderr"
