"""Pascal VOC's segmentation classes: palette PNGs, read by index; `labels` is SegmentationClass.

Void (255) is the border between objects, and what was too difficult.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from n2vlib.probe.sources.annotated import Annotated
from n2vlib.probe.sources.folder import pictures
from n2vlib.probe.sources.formats.index_png import VOID, indexed
from n2vlib.probe.sources.masks_png import PNG, paired

# In the order of their indices, as the VOC development kit lists them.
CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def read(images: Path, labels: Path, *, background: bool = True) -> Iterator[Annotated]:
    """Pascal VOC's segmentation classes: palette PNGs, read by index; only images that have one are taken.

    background   keep index 0 as a concept, so that it differs from void; else it is unlabelled too
    """
    named = {index: ("object", name) for index, name in enumerate(CLASSES) if index or background}
    masks = pictures(labels, PNG)
    for name, mask in paired(pictures(images, without=labels), masks, "", labels).items():
        regions = partial(indexed, labels / mask, named, "object", VOID)
        yield Annotated(name, images / name, regions, labels=(labels / mask,))
