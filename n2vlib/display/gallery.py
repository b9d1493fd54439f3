"""Grids of images with masks and activation maps, as HTML with the pictures inside.

Pixels outside the mask are dimmed and its edge is drawn: the annotated mask as a solid white line, the predicted one as
a dashed orange line. Needs numpy and Pillow only. The same arrays give the same bytes.
"""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from n2vlib.display.contours import contours, dashes
from n2vlib.display.html_table import Shown
from n2vlib.errors import BadInput

SIDE = 224  # pixels; smaller images are enlarged to about this. Lines are drawn at twice the size and reduced
_ANNOTATED, _PREDICTED, _CASING = (255, 255, 255), (255, 138, 31), (20, 22, 28)
_HEAT = (
    (0.0, (20, 11, 52)),
    (0.35, (132, 32, 107)),
    (0.65, (229, 92, 48)),
    (0.85, (246, 177, 60)),
    (1.0, (252, 255, 164)),
)
_PICTURE = "width:100%;height:auto;display:block;border-radius:4px"
_WORDS = "font-size:.8em;line-height:1.4;padding-top:.4em;margin:0;text-align:left;font-weight:400"
_Many = Sequence[np.ndarray | None] | np.ndarray


def caption(concept: str, iou: float | None = None, image: int | None = None) -> str:
    """The text under a picture: concept, IoU and number of the image."""
    parts = [concept, "" if iou is None else f"IoU {iou:.2f}", "" if image is None else f"image {image}"]
    return " · ".join(part for part in parts if part)


def show(
    images: Sequence[np.ndarray] | np.ndarray,
    captions: Sequence[str],
    annotated: _Many | None = None,
    predicted: _Many | None = None,
    heat: _Many | None = None,
    columns: int = 4,
    heading: str = "",
    nothing: str = "no picture to show",
) -> Shown:
    """A grid of pictures, `columns` across where there is room, two on a phone.

    images      uint8 (image, height, width, 3)
    captions    one per image, usually of `caption`
    annotated, predicted    bool (image, h, w) of any size; None, or None for an image, where there is no mask
    heat        float (image, h, w), activation maps on one common scale, laid over the images
    nothing     the text shown where there is no image
    """
    count = len(images)
    layers = {"captions": captions, "annotated": annotated, "predicted": predicted, "heat": heat}
    for name, given in layers.items():
        if given is not None and len(given) != count:
            raise BadInput(f"{name}: {len(given)} of them for {count} images; give one per image")
    top = max((float(np.max(each)) for each in heat if each is not None), default=0.0) if heat is not None else 0.0
    cells = []
    for i in range(count):
        mine = [None if each is None else each[i] for each in (annotated, predicted, heat)]
        picture = compose(images[i], mine[0], mine[1], None if mine[2] is None else mine[2] / (top or 1.0))
        cells.append(_cell(picture, captions[i], _alt(captions[i], mine[0], mine[1], mine[2])))
    if not cells:
        return Shown.of(f"{heading}: {nothing}" if heading else f"{nothing.capitalize()}.")
    key = _key(_any(annotated), _any(predicted), _any(heat), top)
    grid = f'<div style="{_grid(columns)}">{"".join(cells)}</div>'
    html = f'<div class="n2v-gallery" style="margin-bottom:1em">{_heading(heading)}{grid}{key}</div>'
    return Shown(html, f"<{count} picture{'' if count == 1 else 's'}: {'; '.join(captions)}>")


def heatmap(
    images: Sequence[np.ndarray] | np.ndarray, activations: _Many, captions: Sequence[str], columns: int = 4
) -> Shown:
    """Activation maps over their images, on one scale: bright is high, the image shows through where it is low."""
    return show(images, captions, heat=activations, columns=columns)


def concept_strip(
    concept: str,
    images: Sequence[np.ndarray] | np.ndarray,
    captions: Sequence[str],
    annotated: _Many | None = None,
    predicted: _Many | None = None,
) -> Shown:
    """One row of up to six images of one concept under its name."""
    return show(images, captions, annotated, predicted, columns=max(3, min(6, len(images))), heading=concept)


def stack(*grids: Shown) -> Shown:
    """Several grids or strips below each other, as one output."""
    return Shown("".join(grid.html for grid in grids), "\n".join(grid.text for grid in grids))


def compose(
    image: np.ndarray,
    annotated: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
    heat: np.ndarray | None = None,
) -> Image.Image:
    """One picture: the image enlarged, dimmed outside the mask (the predicted one where both are given), edges drawn.

    image   uint8 (height, width, 3);  masks bool (h, w) of any size;  heat float (h, w), 1 is brightest
    """
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8)).convert("RGB")
    scale = max(1, round(SIDE / max(picture.size)))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
    if heat is not None:
        picture = _heated(picture, heat)
    lit = predicted if predicted is not None else annotated
    if lit is not None:
        picture = Image.composite(picture, _dimmed(picture), _filled(lit, picture.size))
    if annotated is not None:
        picture = _edge(picture, annotated, _ANNOTATED, dashed=False)
    if predicted is not None:
        picture = _edge(picture, predicted, _PREDICTED, dashed=True)
    return picture


def _dimmed(picture: Image.Image) -> Image.Image:
    """The picture, darker and paler but still recognisable."""
    grey = picture.convert("L").convert("RGB")
    return Image.blend(grey, picture, 0.45).point(lambda value: int(value * 0.5 + 8))


def _filled(mask: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The inside of the mask's contours, smooth at the edge: a grey image (L) of the picture's size."""
    inside = Image.new("L", (2 * size[0], 2 * size[1]))
    pen = ImageDraw.Draw(inside)
    areas = [(_area(line), line) for line in _scaled(mask, inside.size)]
    # Largest first: a hole is drawn over its piece, and a piece within the hole over the hole.
    for area, line in sorted(areas, key=lambda known: -abs(known[0])):
        pen.polygon(line, fill=255 if area > 0 else 0)
    return inside.reduce(2)


def _area(line: list[tuple[float, float]]) -> float:
    """Signed area of a closed line: positive around a piece (clockwise, y down), negative around a hole."""
    x, y = np.array(line).T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def _edge(picture: Image.Image, mask: np.ndarray, color: tuple[int, int, int], dashed: bool) -> Image.Image:
    """The picture with the mask's contours in `color`, with a dark casing so that they show on any background."""
    large = (2 * picture.width, 2 * picture.height)
    lines = _scaled(mask, large, 14.0 if dashed else 0.0)
    for shade, width in ((_CASING, 7), (color, 4)):
        drawn = Image.new("L", large)
        pen = ImageDraw.Draw(drawn)
        for line in lines:
            pen.line(line, fill=255, width=width, joint="curve")
        picture = Image.composite(Image.new("RGB", picture.size, shade), picture, drawn.reduce(2))
    return picture


def _scaled(mask: np.ndarray, size: tuple[int, int], dash: float = 0.0) -> list[list[tuple[float, float]]]:
    """Contours in pixels of a picture of `size`: closed, or cut into dashes of this length."""
    height, width = mask.shape
    lines = [line * (size[0] / width, size[1] / height) for line in contours(mask)]
    if dash:
        lines = [stroke for line in lines for stroke in dashes(line, dash, 0.7 * dash)]
    else:
        lines = [np.concatenate([line, line[:2]]) for line in lines]
    return [[(float(x), float(y)) for x, y in line] for line in lines]


def _heated(picture: Image.Image, heat: np.ndarray) -> Image.Image:
    """The map over the grey image; higher values are brighter and hide more of the image."""
    clipped = np.clip(np.nan_to_num(np.asarray(heat, np.float32)), 0.0, 1.0)
    level = Image.fromarray(clipped).resize(picture.size, Image.Resampling.BILINEAR)
    value = np.clip(np.asarray(level), 0.0, 1.0)
    at, shades = [level for level, _ in _HEAT], np.array([shade for _, shade in _HEAT], float)
    colors = np.stack([np.interp(value, at, shades[:, channel]) for channel in range(3)], axis=-1)
    grey = np.asarray(picture.convert("L"), np.float32)[..., None] * 0.55
    share = (0.25 + 0.6 * np.sqrt(value))[..., None]
    return Image.fromarray((grey * (1 - share) + colors * share).round().astype(np.uint8))


def _cell(picture: Image.Image, words: str, alt: str) -> str:
    first, _, rest = words.partition(" · ")
    detail = f"<br>{escape(rest)}" if rest else ""
    image = (
        f'<img class="dark-light" alt="{escape(alt, quote=True)}" src="data:image/png;base64,{_png(picture)}" '
        f'width="{picture.width}" height="{picture.height}" style="{_PICTURE}">'
    )
    below = f'<figcaption style="{_WORDS}"><b>{escape(first)}</b>{detail}</figcaption>'
    return f'<figure style="margin:0;min-width:0">{image}{below}</figure>'


def _png(picture: Image.Image) -> str:
    """PNG as base64; few colors and no dithering take a quarter of the bytes, without a visible difference."""
    out = io.BytesIO()
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def _grid(columns: int) -> str:
    """CSS of a grid of at most `columns`, fewer where pictures would get too narrow."""
    narrowest = 120 if columns <= 4 else 92
    least = f"max({narrowest}px, calc((100% - {columns - 1} * 14px) / {columns} - 1px))"
    return f"display:grid;gap:16px 14px;grid-template-columns:repeat(auto-fill,minmax({least},1fr))"


def _key(annotated: bool, predicted: bool, heat: bool, top: float) -> str:
    """What the line styles mean, under the grid."""
    line = "display:inline-block;width:2em;vertical-align:middle;margin-right:.5em;"
    items = []
    if annotated:
        items.append(f'<span style="{line}border-top:2px solid #fff;outline:1px solid #14161c"></span>annotated')
    if predicted:
        items.append(f'<span style="{line}border-top:3px dashed #ff8a1f"></span>predicted')
    if heat:
        stops = ",".join(f"rgb{shade} {at:.0%}" for at, shade in _HEAT)
        items.append(f'<span style="{line}height:.7em;background:linear-gradient(90deg,{stops})"></span>0 to {top:.3g}')
    joined = "".join(f'<span style="margin-right:1.6em;white-space:nowrap">{item}</span>' for item in items)
    return f'<div style="font-size:.8em;padding-top:.9em">{joined}</div>' if items else ""


def _heading(text: str) -> str:
    return f'<div style="font-weight:600;padding-bottom:.4em">{escape(text)}</div>' if text else ""


def _alt(words: str, annotated: np.ndarray | None, predicted: np.ndarray | None, heat: np.ndarray | None) -> str:
    """The picture in words: the caption, and how much of the image each mask covers."""
    parts = [words.replace(" · ", ", ")]
    for name, mask in (("annotated", annotated), ("predicted", predicted)):
        if mask is not None:
            parts.append(f"{name} mask on {np.mean(mask):.1%} of the image")
    if heat is not None:
        parts.append("activation map laid over the image")
    return "; ".join(parts)


def _any(many: _Many | None) -> bool:
    return many is not None and any(each is not None for each in many)
