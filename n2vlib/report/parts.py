"""The contents of a page in parts, each a JSON value under a name, so that a browser reads only what it shows.

contents                 the index: what the page opens with, names and dissection IoUs of all layers for its search
layer-N                  all other numbers of the filters and concepts of a layer
layer-N-filters-I        pictures and lists of FILTERS filters
layer-N-concepts-I       weights, nearest concepts and examples of CONCEPTS concepts
layer-N-units            the layer as a table in the released format
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from n2vlib.pages.document import slugs

FILTERS, CONCEPTS = 64, 16  # of a part
_COMMON = ("iou_threshold", "grid", "categories")
_OF_THE_PROBE = ("number", "name", "slug", "category", "train", "val", "few")
_OF_A_CONCEPT = ("best", "detectors")
_OF_A_FILTER = ("concept", "iou", "sure", "formula", "description")
_BY_FILTER = ("top", "serves")


@dataclass(frozen=True)
class Sheet:
    """A layer as values: `about.about` and `contents.contents`."""

    about: dict
    values: dict

    @property
    def label(self) -> str:
        return f"{self.about['layer']} of {self.about['network']}"


def index(sheets: Sequence[Sheet], *, folder: bool) -> dict:
    """The part that a page opens with; folder: whether pictures and other parts are files beside it."""
    first = sheets[0]
    concepts = {name: first.values["concepts"][name] for name in _OF_THE_PROBE}
    short = slugs([f"{each.about['network']}-{each.about['layer']}" for each in sheets], list(range(len(sheets))))
    return {
        **{name: first.about[name] for name in ("probe", "images", "tau")},
        **{name: first.values[name] for name in _COMMON},
        "per": [FILTERS, CONCEPTS],
        "folder": folder,
        "probe_page": first.about.get("probe_page", ""),
        "concepts": concepts,
        "layers": [_known(sheet, slug) for sheet, slug in zip(sheets, short, strict=True)],
    }


def _known(sheet: Sheet, slug: str) -> dict:
    names = {"network": sheet.about["network"], "layer": sheet.about["layer"], "label": sheet.label, "slug": slug}
    filters, concepts = sheet.values["filters"], sheet.values["concepts"]
    return names | _only(filters, _OF_A_FILTER) | _only(concepts, _OF_A_CONCEPT)


def of_layer(at: int, sheet: Sheet) -> Iterator[tuple[str, object]]:
    """The parts of the layer at this place in the index, by name."""
    values, name = sheet.values, f"layer-{at}"
    filters, concepts = values["filters"], values["concepts"]
    yield (
        name,
        {
            "about": sheet.about,
            "filters": _without(filters, (*_OF_A_FILTER, *_BY_FILTER)),
            "concepts": _without(concepts, (*_OF_THE_PROBE, *_OF_A_CONCEPT)),
        },
    )
    yield from _cut(f"{name}-filters", FILTERS, [_of_filter(values, k) for k in by_iou(filters["iou"])])
    yield from _cut(f"{name}-concepts", CONCEPTS, _of_concepts(values, len(concepts["name"])))
    yield f"{name}-units", values["units"]


def by_iou(iou: list[float]) -> list[int]:
    """The filters with the highest dissection IoU first, the lower number on a tie; parts.js has the same order."""
    return sorted(range(len(iou)), key=lambda k: (-iou[k], k))


def _of_filter(values: dict, k: int) -> dict:
    own = {name: values["filters"][name][k] for name in _BY_FILTER}
    return own | {"users": {task: users[k] for task, users in values["users"].items()}}


def _of_concepts(values: dict, n: int) -> list[dict]:
    """One entry for each concept; values have its place as a number, or as a text where they were kept as JSON."""
    kept = {what: {task: _by_place(found) for task, found in values[what].items()} for what in ("weights", "near")}
    deciles = _by_place(values["deciles"])
    return [
        {what: {task: found[c] for task, found in tasks.items() if c in found} for what, tasks in kept.items()}
        | {"deciles": deciles.get(c)}
        for c in range(n)
    ]


def _by_place(found: dict) -> dict[int, object]:
    return {int(place): value for place, value in found.items()}


def _cut(name: str, size: int, entries: list) -> Iterator[tuple[str, object]]:
    for start in range(0, len(entries), size):
        yield f"{name}-{start // size}", entries[start : start + size]


def _only(columns: dict, names: Sequence[str]) -> dict:
    return {name: columns[name] for name in names}


def _without(columns: dict, names: Sequence[str]) -> dict:
    return {name: values for name, values in columns.items() if name not in names}
