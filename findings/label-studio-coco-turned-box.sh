#!/usr/bin/env bash
# One would guess: Label Studio's COCO export of a turned rectangle gives the box around it.
# label-studio-sdk 2.1.2: it does where the image is square. Else its corners are turned in percent of the image, which
# skews them: a square of 50 pixels, turned by 45 degrees in an image of 400 x 100, has a box of 70.7 x 70.7 pixels, and
# the export says 176.8 x 44.2. The same package's export for YOLO's oriented boxes turns in pixels and is right.
# Exits with 1 where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet label-studio-sdk==2.1.2
"$work/venv/bin/python" - "$work" <<'PYTHON'
import json
import sys
from pathlib import Path

from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.utils import convert_annotation_to_yolo_obb

CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="tag" toName="image"><Label value="sign"/></RectangleLabels></View>"""


def boxes(width: int, height: int) -> tuple[list[float], list[float]]:
    """Left, top, width and height of a square of 50 pixels turned by 45 degrees: in COCO's export, and in YOLO's."""
    value = {"x": 5000 / width, "y": 1000 / height, "width": 5000 / width, "height": 5000 / height, "rotation": 45}
    place = {"original_width": width, "original_height": height, "image_rotation": 0}
    result = {"type": "rectanglelabels", "from_name": "tag", "to_name": "image", **place}
    result["value"] = {**value, "rectanglelabels": ["sign"]}
    tasks = [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": [result]}]}]
    folder = Path(sys.argv[1], f"{width}")
    folder.mkdir()
    (folder / "tasks.json").write_text(json.dumps(tasks))
    Converter(CONFIG, str(folder), download_resources=False).convert_to_coco(
        str(folder / "tasks.json"), str(folder), output_image_dir=str(folder / "images"), is_dir=False
    )
    [exported] = json.loads((folder / "result.json").read_text())["annotations"]
    x, y = zip(*convert_annotation_to_yolo_obb({**value, **place}, normalize=False), strict=True)
    return exported["bbox"], [min(x), min(y), max(x) - min(x), max(y) - min(y)]


for width, height in ((200, 200), (400, 100)):
    coco, corners = boxes(width, height)
    print(f"image {width} x {height}: COCO {[round(each, 1) for each in coco]}, corners {[round(v, 1) for v in corners]}")
    agree = all(abs(one - other) < 0.01 for one, other in zip(coco, corners, strict=True))
    assert agree == (width == height), (coco, corners)
PYTHON
