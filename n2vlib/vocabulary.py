"""What is measured, and what it is called: one row for each measure. Tables, charts and claims ask here."""

from typing import NamedTuple


class Measure(NamedTuple):
    """One number that a method gives every concept or filter.

    column   its name in tables of scores          words    its name on axes and in sentences
    task     whose scores it is; "" for several    chance   what a guess gets
    lowest   where an axis begins, unless a value lies below
    """

    column: str
    words: str
    task: str
    chance: float
    lowest: float


MEASURES = {
    row.column: row
    for row in (
        Measure("set_iou", "set IoU", "segmentation", 0.0, 0.0),
        Measure("accuracy", "balanced accuracy", "classification", 0.5, 0.5),
        Measure("dissection_iou", "dissection IoU", "", 0.0, 0.0),
        Measure("individual_iou", "individual IoU", "", 0.0, 0.0),
    )
}
OF_TASK = {row.task: row for row in MEASURES.values() if row.task}
TASKS = tuple(OF_TASK)


def measure_of(task: str, column: str | None = None) -> Measure:
    """The measure in this column of a table of scores; None: the one of the task."""
    return MEASURES[column] if column else OF_TASK[task]


METHODS = ("single filter", "combination")
# Low to high, as in the papers.
CATEGORIES = ("color", "texture", "material", "part", "object", "scene")
SPLITS = {"train": "training images", "val": "validation images", "all": "all images"}
# What an individual IoU can be.
OUTCOMES = ("overlaps", "zero: fires elsewhere", "zero: nothing fires")
