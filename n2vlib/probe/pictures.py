"""Decode the images and the label maps of a probe set, or say in one line why a file does not match the tables.

A label map is the colors of a PNG, R + 256 G with B = 0, however the file stores them: 8-bit RGB, or an optimizer's
lossless equivalent. Ambiguous files are refused: palettes whose indices may be meant, grey values, 16 bits of which
Pillow gives 8, transparent labels.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from n2vlib.errors import BadInput
from n2vlib.probe.layout import decoded

# For a picture that could exhaust memory, PIL warns when it reads the header; we refuse it by its size.
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, AssertionError, struct.error, *_TOO_LARGE)
_NO_EXIF = (ValueError, SyntaxError, EOFError, KeyError, TypeError, ZeroDivisionError, struct.error)
# Truncated EXIF data: what could be read is used. Set once here, since a warning filter holds for all threads.
warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)
BROAD = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # what people have, and `probe make` turns into JPEG or PNG
_VOC = (0, 128, 128 << 8, 128 | 128 << 8)  # the usual palette of index maps, up to its first blue


def read_image(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A photograph or drawing (JPEG or PNG), RGB, as it is displayed: uint8, (ih, iw, 3) with (ih, iw) = size.

    It is turned by its EXIF orientation, unless `size` is its size as stored and not as displayed. Of 16 bits the
    upper 8 are taken. BadInput for anything else, for an animation, and for a picture that is transparent somewhere.
    """
    return image_and_doubt(path, size)[0]


def image_and_doubt(
    path: Path, size: tuple[int, int], formats: tuple[str, ...] = ("JPEG", "PNG")
) -> tuple[NDArray[np.uint8], str]:
    """`read_image`, and what is ambiguous in the file: its orientation or its colors; "" for nothing."""
    with opened(path, formats) as file:
        orientation, stored = orientation_of(file), (file.height, file.width)
        shown = (file.width, file.height) if orientation >= 5 else stored
        if size not in (stored, shown):
            raise _other_size(path, shown, size)
        upright = ImageOps.exif_transpose(file) if orientation > 1 and size == shown else file
        pixels, hidden = _colors(upright)
        if len(hidden):
            raise BadInput(f"{path}: is transparent in places (mode {file.mode}); save it on a background")
        return pixels, _doubt(file.mode, orientation, stored, shown, size)


def read_map(path: Path, size: tuple[int, int]) -> NDArray[np.uint16]:
    """A label map: uint16, (sh, sw) with (sh, sw) = size, label numbers; else BadInput."""
    with opened(path, ("PNG",)) as file:
        if (stored := (file.height, file.width)) != size:
            raise _other_size(path, stored, size)
        if (raw := raw_mode(file)).endswith("16B"):
            raise _no_map(path, f"is 16 bits deep ({raw})")
        if orientation_of(file) > 1:
            raise _no_map(path, "has an EXIF orientation")
        if file.mode == "P" and (reason := _ambiguous(file)):
            raise _no_map(path, f"(mode P) has a palette that {reason}")
        pixels, hidden = _colors(file)
        if pixels[..., 2].any():
            raise _no_map(path, f"(mode {file.mode}) has blue in it")
        if hidden.any():
            raise _no_map(path, f"(mode {file.mode}) has labels that are transparent")
        return decoded(pixels)


def _no_map(path: Path, reason: str) -> BadInput:
    return BadInput(f"{path}: a label map is an 8-bit RGB PNG with label = R + 256 G and B = 0; this one {reason}")


def _other_size(path: Path, found: tuple[int, int], size: tuple[int, int]) -> BadInput:
    return BadInput(f"{path}: is {found[0]} x {found[1]} (height x width), index.csv says {size[0]} x {size[1]}")


@contextmanager
def opened(path: Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """The file, its header read; any error with it, until the block ends, becomes BadInput."""
    kinds = " or ".join(formats)
    try:
        with Image.open(path, formats=formats) as file:
            if file.height * file.width > (Image.MAX_IMAGE_PIXELS or file.height * file.width):
                raise BadInput(f"{path}: {file.height} x {file.width} pixels are more than Pillow takes for safe")
            if file.format in ("PNG", "WEBP", "TIFF") and getattr(file, "is_animated", False):
                raise BadInput(f"{path}: is an animated {file.format}; save the one picture that is meant")
            if file.format == "TIFF" and file.mode in ("I", "F"):
                raise BadInput(
                    f"{path}: has 32 bits for each pixel, on a scale that it does not say; save it in 8 bits"
                )
            raw = raw_mode(file)
            if "transparency" in file.info and ";" in raw and file.mode != "P":
                # Pillow compares the color with values that it has scaled to 8 bits, and finds none.
                raise BadInput(f"{path}: has a transparent color in {raw}, which Pillow cannot read; save it in 8 bits")
            yield file
    except BadInput:
        raise
    except UnidentifiedImageError:
        raise BadInput(f"{path}: cannot be read as {kinds}: it is something else, or its header is damaged") from None
    except _UNREADABLE as error:
        raise BadInput(f"{path}: cannot be read as {kinds}: {error or type(error).__name__}") from error


def raw_mode(file: Image.Image) -> str:
    """How a PNG that is not yet decoded stores its pixels, by Pillow's names: 'RGB', 'RGB;16B', 'L;4'; "" for JPEG."""
    tiles = getattr(file, "tile", None)
    return str(tiles[0][3]) if file.format == "PNG" and tiles else ""


def orientation_of(file: Image.Image) -> int:
    """The EXIF orientation: 1 is upright, 5 to 8 swap the sides; 0 where the EXIF data cannot be read."""
    try:
        found = file.getexif().get(ExifTags.Base.Orientation, 1)
    except _NO_EXIF:
        return 0
    return found if found in range(2, 9) else 1


def _colors(file: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The pixels, uint8 (h, w, 3), and the colors of those that are not opaque, (pixel, 3)."""
    hidden = np.zeros((0, 3), np.uint8)
    if file.mode.startswith("I"):  # 16-bit grey; converted by Pillow, all above 255 would be white
        return np.repeat((np.asarray(file) >> 8).astype(np.uint8)[..., None], 3, axis=2), hidden
    if file.has_transparency_data:
        rgba = np.asarray(file.convert("RGBA"))
        pixels = np.ascontiguousarray(rgba[..., :3])
        return pixels, pixels[rgba[..., 3] < 255]
    return np.asarray(file if file.mode == "RGB" else file.convert("RGB")), hidden


def _ambiguous(file: Image.Image) -> str:
    """Why the labels of a palette PNG could be its indices and not its colors; "" where they cannot, or both agree.

    An optimizer that makes a palette of an RGB map writes the colors in use, each once. A palette with more in it, or
    with blue, or that starts like VOC's, was written for indices.
    """
    colors = np.array(file.getpalette("RGB"), np.int64).reshape(-1, 3) @ [1, 1 << 8, 1 << 16]
    used = np.unique(np.asarray(file))
    if used[-1] >= len(colors):
        return "lacks colors that are used"
    if (colors[used] == used).all():
        return ""
    if colors.max() > 0xFFFF:
        return "has blue in it"
    if len(used) < len(colors) or len(set(colors.tolist())) < len(colors):
        return "holds colors that are not used, so its indices may be meant"
    return "is VOC's, so its indices may be meant" if tuple(colors) == _VOC[: len(colors)] else ""


def _doubt(mode: str, orientation: int, stored: tuple[int, int], shown: tuple[int, int], size: tuple[int, int]) -> str:
    if orientation == 0:
        return "its EXIF data cannot be read; it is taken as stored"
    if orientation > 1 and size != shown:
        return f"EXIF orientation {orientation}, but index.csv has the size as stored; it is taken as stored"
    if orientation > 1 and size == stored:
        return f"EXIF orientation {orientation}; it is taken as shown, and its label maps must be of what is shown"
    return "mode CMYK; its colors are approximate, save it in RGB" if mode == "CMYK" else ""
