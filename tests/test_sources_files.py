"""Files that sources of masks read, within limits: JSON, XML, PNGs of numbers; names of images stay in their folder."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.files import parsed
from n2vlib.probe.sources import addresses, index_map, mat, sizes

H, W = 16, 24


def refused(read: Callable, match: str) -> None:
    with pytest.raises(BadInput, match=match) as error:
        read()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[" * 99999, "{", "", '{"a": NaN}', "9" * 9999])
def test_json(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    refused(lambda: parsed.json_value(tmp_path / "a.json"), "a.json: ")


def test_what_is_no_file_or_too_large(tmp_path, monkeypatch):
    for read in (parsed.json_value, lambda path: [*parsed.xml_children(path)], lambda path: mat.read(path, "x")):
        refused(lambda read=read: read(tmp_path), "is no plain file")
        refused(lambda read=read: read(tmp_path / "no"), "no: cannot be read as .*: No such file or directory")
    monkeypatch.setattr(parsed, "LARGEST", 3)
    (tmp_path / "a").write_text("[1, 2]")
    refused(lambda: parsed.json_value(tmp_path / "a"), "a: is larger than 3 bytes")


def test_an_address_stays_in_the_folder_of_images(tmp_path):
    (images := tmp_path / "images").mkdir()
    Image.new("RGB", (W, H)).save(tmp_path / "secret.png")
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    for address in (
        "../secret.png",
        "/secret.png",
        f"{tmp_path}/secret.png",
        "images/../../secret.png",
        "",
        "..",
        "\0",
    ):
        refused(lambda address=address: addresses.meant(images, address, "a.json"), "a.json: .*is no file in")
    refused(lambda: addresses.meant(images, "x/link.png", "a.json"), "a.json: link.png is a link out of")


def test_pictures_of_numbers(tmp_path):
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    grey = io.BytesIO()  # 4-bit grey, which Pillow cannot write: a PNG by hand
    for kind, data in {
        b"IHDR": struct.pack(">IIBBBBB", 4, 4, 4, 0, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(b"\0" + bytes([row[0] << 4 | row[1], row[2] << 4 | row[3]]) for row in values)),
        b"IEND": b"",
    }.items():
        grey.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    (tmp_path / "grey4.png").write_bytes(b"\x89PNG\r\n\x1a\n" + grey.getvalue())
    palette = Image.frombytes("P", (4, 4), values.tobytes())
    palette.putpalette([255 - n // 3 for n in range(768)])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(values.astype(np.uint16) * 4000).save(tmp_path / "grey16.png")
    Image.fromarray(values > 7).save(tmp_path / "grey1.png")
    assert np.array_equal(index_map.read(tmp_path / "grey4.png"), values)
    assert np.array_equal(index_map.read(tmp_path / "palette.png"), values)
    assert np.array_equal(index_map.read(tmp_path / "grey16.png"), values.astype(int) * 4000)
    assert np.array_equal(index_map.read(tmp_path / "grey1.png"), values > 7)
    Image.new("RGB", (4, 4)).save(tmp_path / "rgb.png")
    refused(lambda: index_map.read(tmp_path / "rgb.png"), r"rgb.png: must hold one number for each pixel")
    refused(lambda: index_map.colors(tmp_path / "palette.png"), r"palette.png: must be an 8-bit RGB PNG")
    (tmp_path / "cut.png").write_bytes((tmp_path / "palette.png").read_bytes()[:-40])
    refused(lambda: index_map.read(tmp_path / "cut.png"), "cut.png: cannot be read as PNG")


def test_sizes_of_images_as_displayed(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (W, H)).save(tmp_path / "turned.jpg", exif=turned)
    Image.new("RGB", (W, H)).save(tmp_path / "plain.webp")
    assert (sizes.displayed(tmp_path / "turned.jpg"), sizes.displayed(tmp_path / "plain.webp")) == ((W, H), (H, W))
