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

from n2vlib.charts.ablation import accuracy_by_removed, in_rows
from n2vlib.charts.claims import forest
from n2vlib.charts.detectors import iou_by_detectors, unique_by
from n2vlib.charts.differences import differences
from n2vlib.charts.distributions import concept_counts, histogram, lines
from n2vlib.charts.filters import by_layer, concepts_per_filter, individual_iou, weights_scatter
from n2vlib.charts.history import along_training
from n2vlib.charts.networks import by_network, gains_by_network
from n2vlib.charts.orders import networks_in_order
from n2vlib.charts.parts import Chart
from n2vlib.charts.planted import small_lines, tau_bound
from n2vlib.charts.rating import votes
from n2vlib.charts.rotation import unique_by_turn
from n2vlib.charts.scores import accuracy_scatter, by_category, iou_scatter, published_beside_ours
from n2vlib.charts.spaces import concept_map, distance_by_category, distance_map
from n2vlib.charts.subsets import by_rule, by_size, concepts_in_plane, every_layer
from n2vlib.display.html_table import table

__all__ = [
    "Chart", "accuracy_by_removed", "accuracy_scatter", "along_training", "by_category", "by_layer", "by_network",
    "by_rule", "by_size", "concept_counts", "concept_map", "concepts_in_plane", "concepts_per_filter",
    "differences", "distance_by_category", "distance_map", "every_layer", "forest", "gains_by_network", "histogram",
    "in_rows", "individual_iou", "iou_by_detectors", "iou_scatter", "lines", "networks_in_order",
    "published_beside_ours", "small_lines", "table", "tau_bound", "unique_by", "unique_by_turn",
    "votes", "weights_scatter",
]  # fmt: skip
