"""The theme of the library's charts, and one output that every viewer can draw. Altair's own settings stay as they are.

JupyterLab draws the Vega-Lite mime type without a network; it would prefer text/html, so none is emitted. The site
draws the same mime type with the Vega in its _static folder (chart_mime). GitHub and print use the PNG (chart_png).
"""

from typing import Any, TypeAlias, get_args

import altair as alt

from n2vlib.display import chart_png
from n2vlib.display.style import COLORS, INK, MIME

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
_TEXT = "#6B7480"  # legible on a white and on a dark page; the site's style sheet sharpens it in dark mode
_GRID = "#8A93A0"


def _config() -> dict[str, Any]:
    axis = {
        "labelColor": _TEXT, "titleColor": _TEXT, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": 500,
        "gridColor": _GRID, "gridOpacity": 0.22, "domain": False, "ticks": False, "labelPadding": 6, "titlePadding": 9,
    }  # fmt: skip
    title = {
        "color": _TEXT, "subtitleColor": _TEXT, "fontSize": 14, "subtitleFontSize": 12, "fontWeight": 600,
        "anchor": "start", "offset": 14, "subtitlePadding": 5, "lineHeight": 19, "frame": "group",
    }  # fmt: skip
    legend = {
        "labelColor": _TEXT, "titleColor": _TEXT, "labelFontSize": 12, "titleFontSize": 12, "symbolSize": 90,
        "symbolStrokeWidth": 2, "orient": "top", "direction": "horizontal", "columnPadding": 14, "offset": 8,
        "titleFontWeight": 500, "labelLimit": 0,
    }  # fmt: skip
    header = {"labelColor": _TEXT, "labelFontSize": 12, "labelFontWeight": 600, "labelAnchor": "start", "title": None}
    return {
        "background": "transparent", "font": _FONT, "view": {"stroke": None}, "axis": axis, "title": title,
        "axisX": {"grid": False, "domain": True, "domainColor": _GRID, "domainOpacity": 0.6},
        "legend": legend, "header": header | {"labelPadding": 6}, "range": {"category": [*COLORS]},
        "mark": {"color": INK}, "text": {"color": _TEXT, "fontSize": 11}, "facet": {"spacing": 18},
        "concat": {"spacing": 26}, "padding": 5,
    }  # fmt: skip


@alt.theme.register("n2v", enable=False)
def _theme() -> alt.theme.ThemeConfig:
    return alt.theme.ThemeConfig({"config": _config()})  # type: ignore[typeddict-item]


# Properties of every JavaScript object. Vega keeps groups in plain objects, so it fails on categories of these names.
_OF_OBJECTS = {
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}  # fmt: skip
_UNSEEN = "\u200b"  # zero-width space


def drawable(spec: Any) -> Any:
    """The specification, with an invisible letter appended to names that every JavaScript object has as properties."""
    if isinstance(spec, dict):
        return {drawable(key): drawable(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [drawable(value) for value in spec]
    return spec + _UNSEEN if isinstance(spec, str) and spec in _OF_OBJECTS else spec


def _output(spec: dict[str, Any]) -> dict[str, Any]:
    """What a notebook's cell puts out for a specification, {mime type: content}."""
    spec = drawable(spec)
    drawn_by_lab = {**spec, "$schema": "https://vega.github.io/schema/vega-lite/v5.json"}
    shown = {MIME: drawn_by_lab, "text/plain": f"<chart: {spec.get('description', 'no description')}>"}
    if chart_png.wanted():
        chart_png.add(shown)
    return shown


class _Themed:
    """A chart that has the theme and the output above, whatever theme and renderer are set in Altair."""

    def to_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        # 1,197 concepts on five layers exceed Altair's 5,000 rows.
        with alt.theme.enable("n2v"), alt.data_transformers.enable("default", max_rows=None):
            return super().to_dict(*arguments, **options)  # type: ignore[misc]

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        return _output(self.to_dict())


Chart: TypeAlias = (
    alt.Chart
    | alt.LayerChart
    | alt.FacetChart
    | alt.VConcatChart
    | alt.HConcatChart
    | alt.ConcatChart
    | alt.RepeatChart
)
_KINDS = {kind: type(kind.__name__, (_Themed, kind), {}) for kind in get_args(Chart)}


def themed(chart: Any) -> Any:
    """The chart, of a class of the same name that has the library's theme and output."""
    if type(chart) in _KINDS:
        object.__setattr__(chart, "__class__", _KINDS[type(chart)])
    return chart
