"""What the rules of other tools make of the same polygons: writes POLYGONS.md.

    pip install pycocotools faster-coco-eval opencv-python-headless scikit-image matplotlib
    python benchmarks/polygons.py

Polygons like those that people draw: 3 to 12 corners around a centre, with corners at whole pixels or between them, of
several sizes. Each tool is called as its documentation does. Compared with n2vlib.probe.sources.polygons: intersection
over union, area, and how far from the polygon's sides the centre of a differing pixel lies at most.
"""

import warnings
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from executed import markdown
from faster_coco_eval.core import mask as faster_coco
from matplotlib.path import Path as Curve
from PIL import Image, ImageDraw
from pycocotools import mask as coco
from skimage.draw import polygon as skimage_polygon
from skimage.draw import polygon2mask

from n2vlib.probe.sources.polygons import polygon

SIDE = 128
SIZES = (8, 16, 32, 64)  # pixels across
EACH = 300
PACKAGES = ("pycocotools", "faster-coco-eval", "pillow", "opencv-python-headless", "scikit-image", "matplotlib")

Points = np.ndarray  # (point, 2), x and y


def by_coco(points: Points, tool) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 with numpy 2.4
        return tool.decode(tool.frPyObjects([points.ravel().tolist()], SIDE, SIDE))[..., 0].astype(bool)


def by_pillow(points: Points) -> np.ndarray:
    image = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(image).polygon([*map(tuple, points.tolist())], fill=1, outline=1)
    return np.asarray(image)


def by_opencv(points: Points) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 1)
    return mask.astype(bool)


def by_skimage(points: Points) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[skimage_polygon(points[:, 1], points[:, 0], mask.shape)] = True
    return mask


def by_matplotlib(points: Points, shift: float) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] + shift
    return Curve(points).contains_points(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(SIDE, SIDE)


TOOLS: dict[str, Callable[[Points], np.ndarray]] = {
    "pycocotools frPyObjects": lambda points: by_coco(points, coco),
    "faster-coco-eval frPyObjects": lambda points: by_coco(points, faster_coco),
    "Pillow ImageDraw.polygon (labelme)": by_pillow,
    "OpenCV fillPoly (supervision)": by_opencv,
    "scikit-image draw.polygon": by_skimage,
    "scikit-image polygon2mask": lambda points: polygon2mask((SIDE, SIDE), points[:, ::-1]),
    "matplotlib contains_points, pixels' centres": lambda points: by_matplotlib(points, 0.5),
    "matplotlib contains_points, pixels' corners": lambda points: by_matplotlib(points, 0),
}


def drawn(across: int, whole: bool, rng: np.random.Generator) -> Points:
    """Corners around a centre, by rising angle."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 13)))
    radii = across / 2 * rng.uniform(0.5, 1, len(angles))
    points = SIDE / 2 + rng.uniform(-20, 20, 2) + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    return points.round() if whole else points


def distance(points: Points, pixels: np.ndarray) -> float:
    """The longest way from the centre of one of these pixels (row, column) to the polygon's sides; 0 without pixels."""
    centres = pixels[:, None, ::-1] + 0.5
    along = np.roll(points, -1, axis=0) - points
    part = ((centres - points) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    ways = np.linalg.norm(centres - points - part.clip(0, 1)[..., None] * along, axis=-1)
    return float(ways.min(axis=1).max(initial=0))


def compared(across: int, whole: bool) -> pd.DataFrame:
    rng, rows = np.random.default_rng(across), []
    for points in (drawn(across, whole, rng) for _ in range(EACH)):
        ours = polygon(points, (SIDE, SIDE))
        for tool, mask in ((name, by(points)) for name, by in TOOLS.items()):
            either = (ours | mask).sum()
            iou = (ours & mask).sum() / either if either else 1.0  # both empty: a polygon between pixels' centres
            rows.append((tool, iou, ours.sum(), mask.sum(), distance(points, np.argwhere(ours != mask))))
    table = pd.DataFrame(rows, columns=["tool", "iou", "ours", "theirs", "way"]).groupby("tool", sort=False)
    return pd.DataFrame(
        {
            "IoU": table["iou"].mean(),
            "area": table["theirs"].sum() / table["ours"].sum(),
            "pixels off": table["way"].max(),
        }
    ).assign(across=across, corners="whole" if whole else "between")


def main() -> None:
    table = pd.concat([compared(across, whole) for whole in (True, False) for across in SIZES]).reset_index()
    means = table.pivot_table(index="tool", columns=["corners", "across"], values=["IoU", "area"], sort=False)
    parts = [f"# The rules of other tools for polygons\n\nWritten by `python benchmarks/polygons.py`: {INTRODUCTION}"]
    parts.append("- " + ", ".join(f"{name} {version(name)}" for name in PACKAGES) + f"; {date.today()}")
    for measure, title in (("IoU", "IoU with ours, mean"), ("area", "Their area as a multiple of ours")):
        for corners, where in (("whole", "corners at whole pixels"), ("between", "corners between pixels")):
            shown = means[measure][corners].map("{:.3f}".format).reset_index()
            shown.columns = ["tool", *(f"{across} across" for across in SIZES)]
            parts.append(f"## {title}: {where}\n\n{markdown(shown)}")
    ways = table.groupby("tool", sort=False)["pixels off"].max().map("{:.2f}".format).reset_index()
    parts.append(f"## The furthest differing pixel from the polygon's sides, in pixels\n\n{markdown(ways)}")
    Path(__file__).with_name("POLYGONS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


INTRODUCTION = f"""{EACH} polygons of each size, 3 to 12 corners.

Ours (`n2vlib/probe/sources/polygons.py`): a pixel belongs where its centre, half a pixel right of and below its corner,
lies inside. COCO's tools follow it but for pixels whose centre is all but on a side. Pillow and OpenCV add the border,
scikit-image tests pixels' corners, so its masks lie half a pixel to the right and below: for small objects that is much
of their area. What is lost at the label map's size comes on top, and is the same for all."""

if __name__ == "__main__":
    main()
