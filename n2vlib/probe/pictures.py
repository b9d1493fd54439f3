"""Decode the images and the label maps of a probe set. A file that is not what the tables say is an error."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.probe.layout import decoded

# Of a picture so large that it could exhaust memory, PIL warns when it reads the header; we refuse it by its size.
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_image(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A photograph or drawing (JPEG or PNG), RGB: uint8, (ih, iw, 3) with (ih, iw) = size, else BadInput."""
    return _read(path, size, ("JPEG", "PNG"), grey=True)


def read_map(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    """A label map (PNG in color): uint16, (sh, sw) with (sh, sw) = size, label numbers; else BadInput."""
    return decoded(_read(path, size, ("PNG",), grey=False))


def _read(path: Path, size: tuple[int, int], formats: tuple[str, ...], grey: bool) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=formats) as file:
            width, height = file.size
            if (height, width) != size:
                raise BadInput(f"{path}: is {height} x {width} (height x width), index.csv says {size[0]} x {size[1]}")
            if height * width > (Image.MAX_IMAGE_PIXELS or height * width):
                raise BadInput(f"{path}: {height} x {width} pixels are more than Pillow takes for safe")
            if not grey and file.mode not in ("RGB", "RGBA", "P"):
                raise BadInput(f"{path}: a label map is an 8-bit RGB PNG with label = R + 256 G, not mode {file.mode}")
            return np.asarray(file if file.mode == "RGB" else file.convert("RGB"))
    except BadInput:
        raise
    except _UNREADABLE as error:
        kinds = " or ".join(formats)
        raise BadInput(f"{path}: cannot be read as {kinds}: {error or type(error).__name__}") from error
