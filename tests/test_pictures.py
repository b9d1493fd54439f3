"""Decoding images and label maps of every depth and mode: PNGs put together byte by byte, so the truth is known."""

import struct
import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.probe.pictures import image_and_doubt, read_image, read_map

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # the color types of the PNG specification
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def png(path: Path, kind: int, bits: int, values: NDArray, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG of the samples in values, (h, w) or (h, w, channel), most significant bit first."""
    samples = np.asarray(values, np.int64).reshape(*np.shape(values)[:2], CHANNELS[kind])
    h, w = samples.shape[:2]
    planes = (samples[..., None] >> np.arange(bits)[::-1]) & 1
    rows = b"".join(b"\0" + np.packbits(row.ravel()).tobytes() for row in planes.astype(np.uint8))
    header = struct.pack(">IIBBBBB", w, h, bits, kind, 0, 0, 0)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    told = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in body
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(told))
    return path


def colors(*labels: int) -> tuple[bytes, bytes]:
    """A palette of label colors, R + 256 G + 65536 B."""
    return b"PLTE", b"".join(bytes((label & 255, label >> 8 & 255, label >> 16)) for label in labels)


def voc(n: int) -> list[int]:
    """VOC's palette as its development kit computes it, as R + 256 G + 65536 B."""
    found = []
    for index in range(n):
        channels = [sum((index >> 3 * j + c & 1) << 7 - j for j in range(8)) for c in range(3)]
        found.append(channels[0] + (channels[1] << 8) + (channels[2] << 16))
    return found


def exif(orientation: int) -> tuple[bytes, bytes]:
    return b"eXIf", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def transparent(*values: int) -> tuple[bytes, bytes]:
    return b"tRNS", struct.pack(f">{len(values)}H", *values)


AT = np.array([[0, 1, 2], [2, 1, 0]])  # three colors, in two rows


# --- label maps


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("labels", [(0, 5, 300), (300, 0, 65535), (7, 128, 0), (0, 1, 2)])
def test_a_palette_that_an_optimizer_made_of_a_map_is_read_by_its_colors(tmp_path, labels, bits):
    path = png(tmp_path / "map.png", PALETTE, bits, AT, colors(*labels))
    assert read_map(path, (2, 3)).tolist() == np.array(labels)[AT].tolist()


def test_a_palette_whose_colors_are_its_indices_is_read_whatever_else_is_in_it(tmp_path):
    path = png(tmp_path / "map.png", PALETTE, 8, AT, colors(*range(200), 0xFFFFFF))
    assert read_map(path, (2, 3)).tolist() == AT.tolist()
    empty = png(tmp_path / "empty.png", PALETTE, 8, 0 * AT, colors(*voc(256)))
    assert not read_map(empty, (2, 3)).any()


@pytest.mark.parametrize(
    ("palette", "says"),
    [
        (voc(256), "has blue"),
        (voc(3), "is VOC's"),
        ([0, 7, 9, 11], "not used"),
        ([0, 7, 7], "not used"),
        ([0, 7, 0x10007], "has blue"),
        ([0, 7], "lacks colors"),
    ],
)
def test_a_palette_that_may_be_meant_by_its_indices_is_refused(tmp_path, palette, says):
    path = png(tmp_path / "map.png", PALETTE, 8, AT, colors(*palette))
    with pytest.raises(BadInput, match=rf"map.png: a label map .* \(mode P\) has a palette that .*{says}"):
        read_map(path, (2, 3))


def test_a_map_of_two_classes_in_the_palette_of_voc_is_refused(tmp_path):
    path = png(tmp_path / "map.png", PALETTE, 1, AT == 1, colors(*voc(2)))  # class 1, or label 128?
    with pytest.raises(BadInput, match="is VOC's"):
        read_map(path, (2, 3))


@pytest.mark.parametrize(("kind", "bits"), [(GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (GREY_ALPHA, 8)])
def test_a_grey_map_is_all_unlabelled_or_refused(tmp_path, kind, bits):
    full = np.full((*AT.shape, CHANNELS[kind]), 255 if bits == 8 else 1)
    full[..., 0] = 0
    assert not read_map(png(tmp_path / "map.png", kind, bits, full), (2, 3)).any()
    full[1, 2, 0] = 1
    with pytest.raises(BadInput, match=r"map.png: .* this one \(mode (1|L|LA)\) has blue in it"):
        read_map(png(tmp_path / "map.png", kind, bits, full), (2, 3))


@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGBA])
def test_a_map_of_16_bits_is_refused(tmp_path, kind):
    path = png(tmp_path / "map.png", kind, 16, np.ones((2, 3, CHANNELS[kind])))
    with pytest.raises(BadInput, match=r"map.png: .* is 16 bits deep \(.*;16B\)"):
        read_map(path, (2, 3))


def test_blue_in_an_rgb_map_is_refused(tmp_path):
    pixels = np.zeros((2, 3, 3))
    pixels[0, 1] = (0, 0, 1)
    with pytest.raises(BadInput, match=r"this one \(mode RGB\) has blue in it"):
        read_map(png(tmp_path / "map.png", RGB, 8, pixels), (2, 3))


def test_in_a_map_what_is_transparent_must_be_unlabelled(tmp_path):
    pixels = np.zeros((2, 3, 4))
    pixels[..., 0], pixels[..., 3] = AT, 255
    pixels[AT == 0, 3] = 0
    assert read_map(png(tmp_path / "map.png", RGBA, 8, pixels), (2, 3)).tolist() == AT.tolist()
    pixels[0, 1, 3] = 254
    keyed = png(tmp_path / "keyed.png", RGB, 8, pixels[..., :3], transparent(2, 0, 0))
    with_palette = png(tmp_path / "palette.png", PALETTE, 8, AT, colors(0, 1, 2), (b"tRNS", b"\0\xff\x80"))
    for path in (png(tmp_path / "map.png", RGBA, 8, pixels), keyed, with_palette):
        with pytest.raises(BadInput, match="has labels that are transparent"):
            read_map(path, (2, 3))
    unlabelled = png(tmp_path / "keyed.png", RGB, 8, pixels[..., :3], transparent(0, 0, 0))
    assert read_map(unlabelled, (2, 3)).tolist() == AT.tolist()


def test_a_map_that_exif_turns_and_one_that_is_no_png_are_refused(tmp_path):
    pixels = np.zeros((3, 3, 3))
    assert not read_map(png(tmp_path / "map.png", RGB, 8, pixels, exif(1)), (3, 3)).any()
    with pytest.raises(BadInput, match="map.png: .* has an EXIF orientation"):
        read_map(png(tmp_path / "map.png", RGB, 8, pixels, exif(6)), (3, 3))
    Image.new("RGB", (3, 3)).save(tmp_path / "map.png", "JPEG")
    with pytest.raises(BadInput, match="map.png: cannot be read as PNG: it is something else"):
        read_map(tmp_path / "map.png", (3, 3))


# --- images


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_images_of_every_depth_are_scaled_to_8_bits(tmp_path, bits):
    values = np.linspace(0, 2**bits - 1, 256).astype(np.int64).reshape(16, 16)
    image = read_image(png(tmp_path / "a.png", GREY, bits, values), (16, 16))
    assert image.dtype == np.uint8 and (image == image[..., :1]).all()
    assert np.abs(image[..., 0] - values * 255 / (2**bits - 1)).max() < 1


@pytest.mark.parametrize(("kind", "bits"), [*product([RGB, RGBA], [8, 16])])
def test_colors_of_every_depth_are_scaled_to_8_bits(tmp_path, kind, bits):
    values = np.random.default_rng(0).integers(0, 2**bits, (5, 4, CHANNELS[kind]))
    values[..., 3:] = 2**bits - 1
    image = read_image(png(tmp_path / "a.png", kind, bits, values), (5, 4))
    assert np.abs(image - values[..., :3] * 255 / (2**bits - 1)).max() < 1


def test_a_palette_of_an_image_is_read_by_its_colors(tmp_path):
    palette = np.array(voc(3))[AT]
    image = read_image(png(tmp_path / "a.png", PALETTE, 8, AT, colors(*voc(3))), (2, 3))
    assert (image.astype(np.int64) @ [1, 256, 65536]).tolist() == palette.tolist()


@pytest.mark.parametrize("depth", [(RGBA, 8), (RGBA, 16), (GREY_ALPHA, 8), (GREY_ALPHA, 16)])
def test_an_image_that_is_transparent_in_places_is_refused(tmp_path, depth):
    kind, bits = depth
    values = np.full((2, 2, CHANNELS[kind]), 2**bits - 1)
    assert (read_image(png(tmp_path / "a.png", kind, bits, values), (2, 2)) == 255).all()
    values[1, 1, -1] = 0
    with pytest.raises(BadInput, match=r"a.png: is transparent in places \(mode"):
        read_image(png(tmp_path / "a.png", kind, bits, values), (2, 2))


@pytest.mark.parametrize(
    ("kind", "bits", "key"),
    [*((GREY, bits, [1]) for bits in (1, 2, 4, 8, 16)), (RGB, 8, [1] * 3), (RGB, 16, [1] * 3)],
)
def test_an_image_with_a_transparent_color_is_refused_where_it_shows_it(tmp_path, kind, bits, key):
    values = np.zeros((2, 2, CHANNELS[kind]))
    values[0, 1] = 1
    path = png(tmp_path / "a.png", kind, bits, values, transparent(*key))
    with pytest.raises(BadInput, match="a.png: .*transparent"):
        read_image(path, (2, 2))


def test_an_animation_is_no_image_and_no_map(tmp_path):
    frames = [Image.new("RGB", (3, 3), (label, 0, 0)) for label in (1, 2)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    for read in (read_image, read_map):
        with pytest.raises(BadInput, match="a.png: is an animated PNG"):
            read(tmp_path / "a.png", (3, 3))


# As in the EXIF standard: where row 0 and column 0 of the stored image are in the displayed one.
SHOWN = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: a.swapaxes(0, 1)[::-1],
}  # fmt: skip


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize("stored", [(3, 3), (2, 3)], ids=["square", "not square"])
def test_an_image_is_read_as_it_is_shown(tmp_path, orientation, stored):
    pixels = np.random.default_rng(1).integers(0, 256, (*stored, 3))
    shown = SHOWN[orientation](pixels)
    path = png(tmp_path / "a.png", RGB, 8, pixels, exif(orientation))
    image, doubt = image_and_doubt(path, shown.shape[:2])
    assert image.tolist() == shown.tolist()
    by_size = stored != shown.shape[:2]
    assert bool(doubt) == (orientation > 1 and not by_size) and (not doubt or "as shown" in doubt)
    if by_size:  # and labels of the stored image are given by the size
        image, doubt = image_and_doubt(path, stored)
        assert image.tolist() == pixels.tolist() and "as stored" in doubt
        with pytest.raises(BadInput, match=r"a.png: is 3 x 2 .*, index.csv says 3 x 4"):
            read_image(path, (3, 4))


def test_a_photograph_in_jpeg_is_turned_too(tmp_path):
    quarters = np.kron(np.array([[0, 80], [160, 240]]), np.ones((16, 16))).astype(np.uint8)
    data = Image.Exif()
    data[0x0112] = 6
    Image.fromarray(quarters).save(tmp_path / "a.jpg", exif=data, quality=95)
    image = read_image(tmp_path / "a.jpg", (32, 32))
    assert np.abs(image[..., 0].astype(int) - np.rot90(quarters, -1)).max() < 12


def test_exif_data_that_cannot_be_read_is_reported(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (3, 3, 3))
    image, doubt = image_and_doubt(png(tmp_path / "a.png", RGB, 8, pixels, (b"eXIf", b"nonsense")), (3, 3))
    assert image.tolist() == pixels.tolist() and "EXIF data cannot be read" in doubt


def test_cmyk_is_read_and_reported(tmp_path):
    Image.new("CMYK", (8, 8), (255, 0, 255, 0)).save(tmp_path / "a.jpg", quality=95)  # cyan and yellow: green
    image, doubt = image_and_doubt(tmp_path / "a.jpg", (8, 8))
    assert np.abs(image.astype(int) - [0, 255, 0]).max() < 12 and "CMYK" in doubt
