"""The book's charts: DataFrame -> Altair chart. Chapters give data and a computed title; the look is decided here.

Color is the category, light or full is the method, hollow is a published number, grey and dashed is a random network
or chance. `title` states what is seen; every chart describes itself in words for those who cannot see it.
Numbers are rounded to four digits, so that a chart is the same on every run. One file for each kind of chart.
"""

from n2vlib.charts import theme  # noqa: F401  (importing it sets Altair's theme and renderer)
from n2vlib.charts.distributions import concept_counts, histogram, lines
from n2vlib.charts.parts import Chart
from n2vlib.charts.scores import (
    accuracy_scatter,
    by_category,
    concepts_bar,
    iou_scatter,
    published_beside_ours,
    sorted_iou,
)
from n2vlib.html_table import table

__all__ = [
    "Chart",
    "accuracy_scatter",
    "by_category",
    "concept_counts",
    "concepts_bar",
    "histogram",
    "iou_scatter",
    "lines",
    "published_beside_ours",
    "sorted_iou",
    "table",
]
