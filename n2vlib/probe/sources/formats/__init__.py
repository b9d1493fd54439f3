"""The formats of masks that `probe make` reads: one file each, named after the format, with a function `read`.

    read(images: Path, labels: Path, *, option: type = default, ...) -> Iterator[Annotated]

images    folder of images
labels    the file or folder of annotations; `Path | None = None` where the format needs none
options   keyword parameters of type str, int, float, bool or Path, or one of these or None: `--option VALUE` on the
          command line (`_` written `-`; `--option` alone for true), keywords of `make` in Python. The docstring's first
          line says what the format is, the lines `option   text` below it what its options are

`read` is a generator that reads no mask: `Annotated.regions` does. The file coco_panoptic.py is the format
coco-panoptic.

    format         read                                       left out                            tried on
    index-png      numbers of a palette or grey               colors                              files made for it
    color-png      classes by their exact color               colors that are not exact           its published layouts
    concept-png    black and white, in three layouts          colors                              files made for it
    voc            21 classes                                 borders (void)                      files made for it
    voc-boxes      boxes of objects and parts                 pose, actions, the split            its published layout
    coco           polygons, run-lengths, crowds; boxes by    key points, captions                run-lengths that
                   option                                                                         faster-coco-eval wrote
    coco-panoptic  segments, crowds                           void                                its published layout
    image-folders  classes of whole images                    masks: there are none               files made for it
    image-csv      labels of whole images                     masks: there are none               files made for it
    labelme        polygons, boxes, circles, brush masks;     lines, points, groups               files it wrote (6.3)
                   flags by option
    cvat           "for images 1.1": polygons, boxes,         lines, points, cuboids, skeletons,  brush masks that its
                   ellipses, brush masks; tags by option      attributes; video                   SDK wrote (2.80)
    label-studio   JSON: polygons, boxes, ellipses, brush     predictions, key points, bitmasks,  masks and boxes that
                   masks; choices by option                   other annotators' work              its SDK wrote (2.1)
    ade20k         objects, parts of all levels, scenes       instances, attributes, polygons     its published layout
    sceneparse150  150 classes, scenes                        instances, "other objects"          its published layout
    cityscapes     ids of classes                             void, instances, polygons           files its scripts
                                                                                                  wrote (2.3)
    pascal-part    objects, parts                             numbers and sides of parts          its published layout
    sbd            20 classes                                 boundaries, instances               its published layout

None of these was tried on the original data, or on an export of the tool's server. The splits of data sets are left out
everywhere: the writer has its own. Polygons and boxes of labelme, CVAT and Label Studio become masks by our rule, not
by theirs (`polygons`).

A JSON file is read whole, which takes about six times its size: 1.8 GB of memory for 300 MB of COCO's polygons
(652,000 annotations of 40,000 images). Files above 1 GiB are refused (`files.parsed`); split them by images. XML and
files for single images are read one image at a time.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pkgutil import iter_modules
from types import NoneType
from typing import Any, get_args, get_type_hints

from n2vlib.errors import BadInput, near
from n2vlib.paths import resolve
from n2vlib.probe.sources.annotated import Annotated

Read = Callable[..., Iterator[Annotated]]
FORMATS = {found.name.replace("_", "-"): f"{__name__}.{found.name}" for found in iter_modules(__path__)}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def reader(name: str) -> Read:
    """The function `read` of a format."""
    if name not in FORMATS:
        raise BadInput(f"format {name!r}: is none of {', '.join(FORMATS)}")
    return importlib.import_module(FORMATS[name]).read


def options_of(name: str) -> dict[str, type]:
    """The options of a format and their types."""
    read = reader(name)
    hints = get_type_hints(read)
    keywords = [each.name for each in inspect.signature(read).parameters.values() if each.kind == each.KEYWORD_ONLY]
    return {keyword: _plain(hints[keyword]) for keyword in keywords}


def options_from(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A format's options in the types that its `read` wants, from values or, as on a command line, texts.

    Raises BadInput for an option that the format lacks, and for a value of another type.
    """
    known = options_of(name)
    for option in given:
        if option not in known:
            hint = near(option, [*known]) if known else "it has no options"
            raise BadInput(f"option {option}: format {name} has none of this name; {hint}")
    return {option: _value(option, value, known[option]) for option, value in given.items()}


def needs_labels(name: str) -> bool:
    """Whether a format needs a file or folder of annotations."""
    return inspect.signature(reader(name)).parameters["labels"].default is inspect.Parameter.empty


def _plain(hint: Any) -> type:
    """The type in a hint `type` or `type | None`."""
    return next((each for each in get_args(hint) if each is not NoneType), hint)


def _value(option: str, value: Any, kind: type) -> Any:
    if value is None or (isinstance(value, kind) and kind is not Path):
        return value
    if kind is Path:
        return resolve(value, Path.cwd())
    try:
        return _TRUTH[str(value).lower()] if kind is bool else kind(str(value))
    except (ValueError, KeyError):
        wanted = "true or false" if kind is bool else f"of type {kind.__name__}"
        raise BadInput(f"option {option}: {value!r} must be {wanted}") from None
