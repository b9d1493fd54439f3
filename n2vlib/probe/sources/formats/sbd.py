"""The Semantic Boundaries Dataset: a .mat file for each image, with one of PASCAL VOC's 20 classes at each pixel.

Layout, from its README and from torchvision.datasets.SBDataset, which reads the same: `img/NAME.jpg`, `cls/NAME.mat`
with a structure GTcls, whose field Segmentation is a map (h, w): 0 background, 1 to 20 the classes of VOC in
alphabetical order. Left out: boundaries, instances (`inst`), its split. Not tried on the original.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from n2vlib.probe.sources import mat
from n2vlib.probe.sources.annotated import Annotated, Region
from n2vlib.probe.sources.folder import ending, inside, stem
from n2vlib.probe.sources.index_map import by_value

_CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep "
    "sofa train tvmonitor"
)
_NAMES = {0: None} | {number: ("object", name) for number, name in enumerate(_CLASSES.split(), start=1)}


def read(images: Path, labels: Path) -> Iterator[Annotated]:
    """The Semantic Boundaries Dataset: its folders img and cls. Not tried on the original."""
    for file in ending(labels, ".mat"):
        name, path = f"{stem(file)}.jpg", labels / file
        yield Annotated(name, inside(images, name, f"{path}"), partial(_regions, path), labels=(path,))


def _regions(file: Path) -> Iterator[Region]:
    yield from by_value(mat.plane(mat.structure(file, "GTcls"), "Segmentation", file), _NAMES, file)
