"""`probe make`: what it writes, against loops over pixels; what it says; interruption; bad input."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.files.partial import unfinished
from n2vlib.probe import load_probe, writer
from n2vlib.probe.sources import make as making
from n2vlib.probe.sources.colors import COLORS, color_names
from n2vlib.probe.sources.convert import layers
from n2vlib.probe.sources.formats import FORMATS, options_from
from n2vlib.probe.sources.frame import Frame
from n2vlib.probe.sources.index_map import read as index_map
from n2vlib.probe.sources.make import Made, make
from n2vlib.probe.sources.masks_png import concept_mask
from n2vlib.probe.sources.names import read_names

NAMES = {1: "dog", 2: "wheel"}


@pytest.fixture(autouse=True)
def caches_lie_in_a_folder_of_the_test(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("N2V_DATA", str(tmp_path_factory.mktemp("data")))


def save(path: Path, pixels: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def blocks(h: int, w: int) -> np.ndarray:
    """An index map: a dog above, a wheel below right, void in the first row."""
    indices = np.zeros((h, w), np.uint8)
    indices[h // 4 : h // 2, : w // 2] = 1
    indices[h // 2 :, w // 3 :] = 2
    indices[0] = 255
    return indices


def mixed(root: Path, number: int = 6) -> dict[str, np.ndarray]:
    """Images of mixed sizes, one of them grey; masks of all but the last. Returns the index maps."""
    rng, found = np.random.default_rng(0), {}
    for i in range(number):
        h, w = rng.integers(20, 90, 2)
        name = f"a/{i:02}" if i % 2 else f"{i:02}"
        image = rng.integers(0, 256, (h, w, 3), np.uint8)
        save(root / "images" / f"{name}.png", image[..., 0] if i == 2 else image)
        found[f"{name}.png"] = blocks(h, w)
        if i < number - 1:
            save(root / "masks" / f"{name}.png", found[f"{name}.png"])
    (root / "names.txt").write_text("".join(f"{number} {name}\n" for number, name in NAMES.items()))
    return found


def made(root: Path, out: str = "out", **options) -> Made:
    options = {"names": root / "names.txt", "size": 24, "label_size": (10, 14)} | options
    return make(root / out, root / "images", root / "masks", format="index-png", **options)


def at_centres(indices: np.ndarray, sh: int, sw: int) -> np.ndarray:
    h, w = indices.shape
    return np.array([[indices[int((r + 0.5) * h / sh), int((c + 0.5) * w / sw)] for c in range(sw)] for r in range(sh)])


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_label_is_that_of_the_mask_at_the_pixels_centre(tmp_path):
    masks = mixed(tmp_path)
    result = made(tmp_path)
    probe = load_probe(tmp_path / "out")
    assert not result.problems
    assert (probe.image_size, probe.label_size, len(probe)) == ((24, 24), (10, 14), 6)
    for number, name in NAMES.items():
        for i, image in enumerate(probe.images):
            wanted = at_centres(masks[image], 10, 14) == number if image != "a/05.png" else np.zeros((10, 14), bool)
            assert (probe.annotated(name, i) == wanted).all()


def test_what_is_stretched_unlabelled_and_void_is_said(tmp_path):
    mixed(tmp_path)
    notes = made(tmp_path).notes
    assert notes[0] == "6 images, stretched to 24 x 24 (height x width); label maps 10 x 14"
    assert "no label: the image stays in the set, unlabelled (1 of 6 images, first a/05.png)" in notes
    assert any(line.startswith("void index 255 is unlabelled (5 of 6 images") for line in notes)


def test_concepts_are_numbered_by_falling_frequency_then_coverage(tmp_path):
    mixed(tmp_path)
    made(tmp_path)
    assert load_probe(tmp_path / "out").concepts["name"].to_dict() == {1: "wheel", 2: "dog"}


def test_padding_keeps_the_shape_and_is_unlabelled_and_black():
    frame = Frame((20, 20), (10, 10), "pad")
    image = frame.image(np.full((10, 40, 3), 200, np.uint8))
    assert (image[8:13] == 200).all() or (image[7:12] == 200).all()
    assert (image.reshape(20, -1).max(axis=1) > 0).sum() == 5
    assert frame.sample(np.ones((10, 40), bool), (10, 40)).any(axis=1).sum() in (2, 3)


def test_grey_16_bit_palette_and_opaque_images_are_what_they_show(tmp_path):
    grey = np.full((20, 30), 200, np.uint8)
    kinds = {
        "grey.png": Image.fromarray(grey),
        "deep.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "deep.tif": Image.fromarray(grey.astype(np.uint16) * 257),
        "palette.png": Image.fromarray(grey).convert("P"),
        "opaque.webp": Image.fromarray(np.dstack([grey, grey, grey, grey * 0 + 255])),
        "grey.bmp": Image.fromarray(grey),
    }
    for i, (name, image) in enumerate(kinds.items()):
        (tmp_path / "images").mkdir(exist_ok=True)
        image.save(tmp_path / "images" / f"{i}{name}", **({"lossless": True} if "webp" in name else {}))
        save(tmp_path / "masks" / f"{i}{name.partition('.')[0]}.png", blocks(20, 30))
    (tmp_path / "names.txt").write_text("1 dog\n2 wheel\n")
    made(tmp_path)
    probe = load_probe(tmp_path / "out")
    assert len(probe) == len(kinds)
    assert all((probe.image(i) == 200).all() for i in range(len(kinds)))


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("shape", [(61, 200), (150, 47), (300, 301)])
def test_labels_lie_where_the_image_shows_what_they_name(fit, shape):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 5 : shape[0] // 2, shape[1] // 4 : -3] = True
    frame = Frame((120, 180), (40, 60), fit)
    shown = frame.image(np.where(mask, 255, 0).astype(np.uint8)[..., None].repeat(3, axis=2))[1::3, 1::3, 0]  # centres
    clear = (shown < 20) | (shown > 235)  # not at an edge, where colors mix
    assert clear.mean() > 0.9
    assert (frame.sample(mask, shape) == (shown > 128))[clear].all()


def test_several_labels_at_a_pixel_are_kept_in_as_few_maps_as_possible():
    rng = np.random.default_rng(0)
    masks = [(number, rng.random((9, 9)) < 0.4) for number in range(1, 7)]
    found = layers(masks)
    assert len(found) == np.sum([mask for _, mask in masks], axis=0).max()
    for number, mask in masks:
        assert (np.any([layer == number for layer in found], axis=0) == mask).all()
    first = np.argmax([mask for _, mask in masks], axis=0) + 1
    assert (found[0] == np.where(np.any([mask for _, mask in masks], axis=0), first, 0)).all()


def test_an_interrupted_run_continues_and_ends_as_an_uninterrupted_one(tmp_path, monkeypatch):
    mixed(tmp_path)
    made(tmp_path, "whole")
    calls = []

    def dies(each, **frame):
        calls.append(each.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return convert(each, **frame)

    convert = making.convert
    monkeypatch.setattr(making, "convert", dies)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path)
    assert not (tmp_path / "out").exists()
    assert (written := (tmp_path / ".out.unfinished" / "journal.jsonl").read_bytes().count(b"\n")) > 0
    calls = list(range(10))
    again = made(tmp_path)
    assert len(calls) == 10 + 6 - written
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert again.notes == made(tmp_path, "third").notes
    assert not (tmp_path / ".out.unfinished").exists()


def test_a_run_that_died_while_it_wrote_the_tables_continues(tmp_path, monkeypatch):
    mixed(tmp_path)
    made(tmp_path, "whole")
    with monkeypatch.context() as patched, pytest.raises(OSError, match="full"):
        patched.setattr(writer, "write_tables", lambda *_: (_ for _ in ()).throw(OSError("full")))
        made(tmp_path)
    with (tmp_path / ".out.unfinished" / "journal.jsonl").open("a") as file:
        file.write('[{"image": "a line that was not finish')
    made(tmp_path)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_two_runs_at_once_do_not_write_the_same_folder(tmp_path):
    mixed(tmp_path)
    with unfinished(tmp_path / "out", "a key"), pytest.raises(BadInput, match="another run is writing it"):
        made(tmp_path)


def test_a_changed_mask_makes_the_run_start_over(tmp_path, monkeypatch):
    masks = mixed(tmp_path)
    save(tmp_path / "masks" / "a/03.png", np.full(masks["a/03.png"].shape, 9, np.uint8))  # a number without a name
    with pytest.raises(BadInput, match="index 9 has no name"):
        made(tmp_path)
    save(tmp_path / "masks" / "a/03.png", masks["a/03.png"])
    save(tmp_path / "masks" / "00.png", np.full(masks["00.png"].shape, 2, np.uint8))
    made(tmp_path)
    made(tmp_path, "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_masks_of_an_image_turned_by_exif_may_be_as_shown_or_as_stored(tmp_path):
    image, exif = np.zeros((40, 60, 3), np.uint8), Image.Exif()
    exif[0x0112] = 6  # shown 60 x 40
    for name, size in {"shown": (60, 40), "stored": (40, 60)}.items():
        save(tmp_path / "images" / f"{name}.png", image, exif=exif)
        save(tmp_path / "masks" / f"{name}.png", blocks(*size))
    (tmp_path / "names.txt").write_text("1 dog\n2 wheel\n")
    notes = made(tmp_path).notes
    assert any("as stored" in line and "1 of 2 images, first stored.png" in line for line in notes)


def bad(root: Path, kind: str) -> None:
    """Spoil the first image's mask, or the image."""
    mask, image = root / "masks" / "00.png", root / "images" / "00.png"
    whole = mask.read_bytes()
    spoil = {
        "other shape": lambda: save(mask, blocks(20, 90)),
        "truncated": lambda: mask.write_bytes(whole[: len(whole) // 2]),
        "colors": lambda: save(mask, np.random.default_rng(0).integers(0, 9, (20, 20, 3), np.uint8)),
        "no image": lambda: image.unlink(),
        "same name": lambda: save(image.with_suffix(".jpg"), np.zeros((20, 20, 3), np.uint8)),
        "link out": lambda: (image.rename(root / "elsewhere.png"), image.symlink_to(root / "elsewhere.png")),
        "no mask fits": lambda: [
            path.rename(path.with_name(f"{path.stem}_m.png")) for path in root.rglob("masks/**/*.png")
        ],
        "transparent": lambda: save(image, np.zeros((*np.asarray(Image.open(mask)).shape, 4), np.uint8)),
        "deep colors": lambda: mask.write_bytes(_deep_colors()),
        "image is text": lambda: image.write_text("no image"),
        "no images": lambda: [path.unlink() for path in root.rglob("images/**/*.png")],
        "no label": lambda: [save(path, np.zeros((20, 20), np.uint8)) for path in root.rglob("masks/**/*.png")],
        "no names": lambda: (root / "names.txt").write_text("\n"),
        "two names": lambda: (root / "names.txt").write_text("1 dog\n1 cat\n"),
        "one name": lambda: (root / "names.txt").write_text("1 dog\n2 dog\n"),
    }
    spoil[kind]()


BAD = {
    "other shape": "another shape",
    "truncated": "00.png: cannot be read as PNG",
    "colors": "colors",
    "no image": "no image of their name",
    "same name": "suffix only",
    "link out": "lies outside",
    "no mask fits": "end in '_m': give the option suffix",
    "transparent": "transparent in places",
    "deep colors": "colors",
    "image is text": "00.png: cannot be read",
    "no images": "has no image",
    "no label": "no image has a label",
    "no names": "has no name",
    "two names": "two names",
    "one name": "names both 1 and 2",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, kind):
    mixed(tmp_path)
    bad(tmp_path, kind)
    with pytest.raises(BadInput, match=BAD[kind]) as error:
        made(tmp_path)
    assert "\n" not in str(error.value)
    assert not [path.name for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nmaes": "names.txt"}, "option nmaes: .* near matches: names"),
        ({"void": "none"}, "option void: 'none' must be of type int"),
        ({"fit": "crop"}, "fit 'crop'"),
        ({"size": 1}, "size 1"),
        ({"size": (2, 3, 4)}, "size"),
    ],
)
def test_options_are_checked_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(BadInput, match=message):
        make(tmp_path / "out", tmp_path / "no folder", tmp_path, format="index-png", **options)


def test_texts_of_a_command_line_become_options_of_the_formats_types():
    given = {"boxes": "true", "crowds": "no", "category": "thing"}
    assert options_from("coco", given) == {"boxes": True, "crowds": False, "category": "thing"}
    assert options_from("index-png", {"void": "7", "first": None}) == {"void": 7, "first": None}
    assert options_from("index-png", {"names": "/a/b.txt"}) == {"names": Path("/a/b.txt")}


def test_the_command_makes_checks_and_lists(tmp_path):
    from typer.testing import CliRunner

    from n2vlib.cli import app

    mixed(tmp_path)
    folders = ["--images", str(tmp_path / "images"), "--labels", str(tmp_path / "masks")]
    command = ["probe", "make", str(tmp_path / "out"), *folders, "--format", "index-png", "--size", "24x30"]
    result = CliRunner().invoke(app, [*command, "--names", str(tmp_path / "names.txt"), "--void=255"])
    assert result.exit_code == 0, result.output
    assert "6 images, stretched to 24 x 30" in result.output
    assert "0 errors" in result.output
    listed = CliRunner().invoke(app, ["probe", "formats"]).output
    assert all(name in listed for name in FORMATS)


def test_a_run_into_a_filled_folder_is_refused(tmp_path):
    mixed(tmp_path)
    made(tmp_path)
    with pytest.raises(BadInput, match="already there"):
        made(tmp_path)


@pytest.mark.parametrize("mode", ["P", "L", "1", "I;16", "L;4"])
def test_an_index_map_is_read_by_index_whatever_its_colors(tmp_path, mode):
    indices = np.array([[0, 1], [1, 0]] if mode == "1" else [[0, 3], [15, 7]], np.uint8)
    image = Image.fromarray(indices)
    if mode == "P":
        image.putpalette(bytes(range(255, -1, -1)) * 3)
    if mode == "1":
        image = Image.fromarray(indices.astype(bool))
    if mode == "I;16":
        indices = indices.astype(np.uint16) * 4000
        image = Image.fromarray(indices)
    path = tmp_path / "m.png"
    image.save(path) if mode != "L;4" else path.write_bytes(_four_bits(indices))
    assert (index_map(path) == indices).all()


def _four_bits(indices: np.ndarray) -> bytes:
    return _png(indices.shape, 4, 0, [bytes(row[0::2] << 4 | row[1::2]) for row in indices])


def _deep_colors() -> bytes:
    return _png((3, 2), 16, 2, [bytes(range(12))] * 3)


def _png(shape: tuple[int, ...], bits: int, kind: int, rows: list[bytes]) -> bytes:
    """A PNG that Pillow reads and does not write, packed by hand after the PNG specification."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", shape[1], shape[0], bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("values", "belongs"), [((0, 255), 255), ((0, 1), 1), ((0, 7), 7)])
def test_in_the_mask_of_a_concept_the_value_that_is_not_0_belongs(tmp_path, values, belongs):
    pixels = np.random.default_rng(0).choice(np.array(values, np.uint8), (8, 8))
    save(tmp_path / "m.png", pixels)
    mask, doubt = concept_mask(tmp_path / "m.png")
    assert not doubt
    assert (mask == (pixels == belongs)).all()


def test_the_mask_of_a_concept_may_have_a_smooth_edge_and_may_not_be_an_index_map(tmp_path):
    save(tmp_path / "m.png", np.array([[0, 100], [128, 255]], np.uint8))
    mask, doubt = concept_mask(tmp_path / "m.png")
    assert mask.tolist() == [[False, False], [True, True]]
    assert "128" in doubt
    save(tmp_path / "m.png", np.array([[0, 1], [2, 3]], np.uint8))
    with pytest.raises(BadInput, match="not the mask of one concept"):
        concept_mask(tmp_path / "m.png")


def test_255_is_void_unless_it_has_a_name_or_another_number_is(tmp_path):
    mixed(tmp_path)
    (tmp_path / "names.txt").write_text("1 dog\n2 wheel\n255 border\n")
    made(tmp_path, label_size=96)  # large enough for the void's single row
    assert "border" in set(load_probe(tmp_path / "out").concepts["name"])
    made(tmp_path, "other", label_size=96, void=2)
    assert set(load_probe(tmp_path / "other").concepts["name"]) == {"dog", "border"}


def test_masks_of_0_and_255_that_are_taken_for_indices_are_refused_with_the_reason(tmp_path):
    save(tmp_path / "images" / "a.png", np.zeros((8, 8, 3), np.uint8))
    save(tmp_path / "masks" / "a.png", np.eye(8, dtype=np.uint8) * 255)
    with pytest.raises(BadInput, match="no image has a label: .*void index 255"):
        make(tmp_path / "out", tmp_path / "images", tmp_path / "masks", format="index-png")
    make(tmp_path / "out", tmp_path / "images", tmp_path / "masks", format="concept-png", concept="tumor", size=8)
    assert load_probe(tmp_path / "out").concepts["name"].tolist() == ["tumor"]


@pytest.mark.parametrize("layout", ["{c}/{i}.png", "{i}/{c}.png", "{i}_{c}.png", "part/{c}/{i}.png"])
def test_one_png_for_each_concept_in_all_layouts(tmp_path, layout):
    masks = mixed(tmp_path)
    for image, indices in masks.items():
        for number, name in NAMES.items():
            path = tmp_path / "concepts" / layout.format(c=name, i=image.removesuffix(".png"))
            save(path, (indices == number).astype(np.uint8) * 255)
    make(tmp_path / "out", tmp_path / "images", tmp_path / "concepts", format="concept-png", size=24)
    probe = load_probe(tmp_path / "out")
    assert set(probe.categories) == {"part" if layout.startswith("part") else "object"}
    for i, image in enumerate(probe.images):
        for number, name in NAMES.items():
            assert (probe.annotated(name, i) == (at_centres(masks[image], 12, 12) == number)).all()


NAMED = {1: ("object", "dog"), 2: ("part", "big wheel")}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("n.csv", "number,name,category\n1,dog,object\n2,big wheel,part\n"),
        ("n.txt", "1 dog\n2: big wheel\n"),
        ("n.json", '{"1": "dog", "2": "big wheel"}'),
        ("n.yaml", "dog: 1\nbig wheel: 2\n"),
        ("n.txt", "dog\nbig wheel\n"),
    ],
)
def test_names_in_all_kinds_of_files(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    found = read_names(tmp_path / file, "object", first=1)
    assert {number: name for number, (_, name) in found.items()} == {1: "dog", 2: "big wheel"}
    assert found[2][0] == ("part" if file == "n.csv" else "object")


def test_names_without_numbers_are_not_guessed(tmp_path):
    (tmp_path / "n.txt").write_text("dog\nwheel\n")
    with pytest.raises(BadInput, match="whether 'dog' is index 0 or 1"):
        read_names(tmp_path / "n.txt", "object")
    (tmp_path / "n.txt").write_text("background\ndog\n")
    assert read_names(tmp_path / "n.txt", "object")[1] == ("object", "dog")


def test_colors_have_the_names_that_css_gives_them():
    from PIL import ImageColor

    named = {name.replace("gray", "grey"): ImageColor.getrgb(name)[:3] for name in ImageColor.colormap}
    ends = {name: [c for c in COLORS if name.endswith(c)] for name in named}
    found = {name: COLORS[color_names(np.array(rgb, np.uint8))] for name, rgb in named.items() if ends[name]}
    assert len(found) >= 70
    assert np.mean([found[name] in ends[name] for name in found]) > 0.75


def test_colors_cover_every_pixel_of_the_image_and_none_of_the_padding(tmp_path):
    save(tmp_path / "images" / "a.png", np.full((10, 40, 3), (255, 0, 0), np.uint8))
    save(tmp_path / "masks" / "a.png", blocks(10, 40))
    (tmp_path / "names.txt").write_text("1 dog\n2 wheel\n")
    made(tmp_path, colors=True, fit="pad", size=40, label_size=40)
    red = load_probe(tmp_path / "out").annotated("red-c", 0)
    assert red[15:25].all()
    assert red.sum() == 400


def test_colors_of_ones_own_are_labels_and_are_not_mixed_with_those_that_are_added(tmp_path):
    mixed(tmp_path)
    assert any("unlabelled (1 of 6 images, first a/05.png)" in note for note in made(tmp_path, category="color").notes)
    with pytest.raises(BadInput, match="annotated in category color, which is what colors=True"):
        made(tmp_path, "other", category="color", colors=True)
    assert any(
        "unlabelled (1 of 6 images, first a/05.png)" in note for note in made(tmp_path, "more", colors=True).notes
    )
