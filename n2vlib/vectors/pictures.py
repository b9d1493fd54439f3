"""Images that vectors are applied to: of any size, named one by one or found in folders."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import plain
from n2vlib.paths import resolve
from n2vlib.probe.pictures import BROAD, image_and_doubt, opened
from n2vlib.probe.sources.folder import as_text
from n2vlib.probe.sources.sizes import displayed

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # of probe.pictures.BROAD


def find(images: Sequence[str | Path]) -> dict[str, Path]:
    """{name: file} of all images, in the given order; those of a folder and its subfolders by path.

    images   files and folders, relative to the repository root
    The name is the path below the folder given; it keeps its suffix only where it, or the mask NAME.png, would be
    another image's or a folder's without. Raises BadInput for a path that does not exist, a folder without images, and
    two images of one name.
    """
    found: dict[str, Path] = {}
    for given in images:
        for name, file in _below(given).items():
            if name in found:
                raise BadInput(
                    f"{file}: {found[name]} has the same name {name}; apply the vectors to one folder at a time"
                )
            found[name] = file
    bare = {name: str(Path(name).with_suffix("")) for name in found}
    folders = {str(folder) for name in found for folder in Path(name).parents}
    often = Counter([*bare.values(), *found])
    own = {name: name if often[bare[name]] > 1 or f"{bare[name]}.png" in folders else bare[name] for name in found}
    for name, kept in own.items():
        if f"{kept}.png" in folders:
            raise BadInput(f"{found[name]}: its mask {kept}.png would have a folder's name; rename one of them")
    return {own[name]: file for name, file in found.items()}


def problems(files: Sequence[Path]) -> dict[Path, str]:
    """What is wrong with those that cannot be read, as far as their headers show."""
    found = {}
    for file in files:
        try:
            with opened(plain(file, file), BROAD):
                pass
        except BadInput as error:
            found[file] = str(error)
    return found


def read_displayed(path: Path) -> NDArray[np.uint8]:
    """An image of any size as it is displayed, RGB: uint8, (height, width, 3)."""
    return image_and_doubt(path, displayed(path), BROAD)[0]


def _below(given: str | Path) -> dict[str, Path]:
    place = resolve(given)
    if not place.is_dir():
        if not place.exists():
            raise BadInput(f"{given}: no such file or folder")
        return {as_text(place.name, place.parent): place}
    files = sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise BadInput(f"{given}: holds no image (its name must end in {', '.join(SUFFIXES)})")
    return {as_text(file.relative_to(place).as_posix(), place): file for file in files}
