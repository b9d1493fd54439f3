"""Labels of whole images: each image lies in the folder of its class."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from n2vlib.errors import BadInput
from n2vlib.probe.sources.annotated import Annotated
from n2vlib.probe.sources.folder import pictures


def read(images: Path, labels: Path | None = None, *, category: str = "class") -> Iterator[Annotated]:
    """Labels of whole images: the folder an image lies in is its class; no `labels`. There are no masks.

    category   of the classes
    An image that lies in no folder is unlabelled; of train/dog/1.jpg the class is dog.
    """
    if labels is not None:
        raise BadInput("format image-folders has no labels: the folders of the images are the classes")
    for name in pictures(images):
        folder = PurePosixPath(name).parent.name
        yield Annotated(name, images / name, lambda: iter(()), whole=((category, folder),) if folder else ())
