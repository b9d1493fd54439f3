"""The book's charts: DataFrame -> Altair chart. Chapters give data and a computed title; the style is decided here.

Color is the category, light or full is the method, hollow is a published number, grey and dashed is a random network
or chance. `title` states what is seen; every chart carries a description for readers who cannot see it.
Numbers are rounded to four digits, so that a chart is the same on every run.

theme           the theme, and an output that every viewer can draw
parts           what several charts share: scales, search box, tooltips, titles
scores          scores by layer and category, by concept, and beside published numbers
subsets         scores by layer and number of filters, and where a combination loses
filters         concepts per filter, weights against scores, individual IoU
distributions   counts, histograms, and lines over a parameter
driving         a game of driving, turn by turn
planted         what was recovered from planted encodings, and the bound that tau sets
networks        networks side by side, and their gains
orders          networks in the order of one measure, placed by another
spaces          concepts on a plane, and distances between spaces
detectors       unique detectors by category, and their IoU
rotation        unique detectors of rotated layers
history         detectors and scores along training
rating          raters' votes on the labels of filters
ablation        accuracy without some filters
differences     differences with intervals
claims          effects, criteria and published numbers of claims
"""

# ruff: noqa: F401, F403 (a star stands for the charts of a file: its functions under `parts.drawn`)
from n2vlib.charts.ablation import *
from n2vlib.charts.claims import *
from n2vlib.charts.detectors import *
from n2vlib.charts.differences import *
from n2vlib.charts.distributions import *
from n2vlib.charts.driving import *
from n2vlib.charts.filters import *
from n2vlib.charts.history import *
from n2vlib.charts.networks import *
from n2vlib.charts.orders import *
from n2vlib.charts.parts import Chart, drawn, rows, titled
from n2vlib.charts.planted import *
from n2vlib.charts.rating import *
from n2vlib.charts.rotation import *
from n2vlib.charts.scores import *
from n2vlib.charts.spaces import *
from n2vlib.charts.subsets import *
from n2vlib.display.html_table import table

_DRAWN = [name for name, each in globals().items() if hasattr(each, "__wrapped__")]
__all__ = sorted(["Chart", "drawn", "rows", "table", "titled", *_DRAWN])  # pyright: ignore[reportUnsupportedDunderAll]
