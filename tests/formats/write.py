"""Writes the fixtures of this folder with the formats' own tools. Run it once, in an environment that has them:

pip install labelme==6.3.1 label-studio-sdk==2.1.2 cvat-sdk==2.80.0 cityscapesScripts==2.3.0 numpy pillow
python tests/formats/write.py
"""

import json
from pathlib import Path

import numpy as np
from cityscapesscripts.helpers.labels import labels as cityscapes_labels
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from cvat_sdk.masks import encode_mask
from label_studio_sdk.converter.brush import encode_rle
from label_studio_sdk.converter.utils import convert_yolo_obb_to_annotation
from labelme._label_file import write_label_file
from labelme.utils import img_arr_to_b64, shapes_to_label
from PIL import Image
from planted import BOX, CIRCLE, CORNERS, MASK, POLYGON, SIZE

HERE = Path(__file__).parent
H, W = SIZE


def write_labelme() -> None:
    """shapes.json, and what labelme itself draws for it: shape 1 is 1, and so on."""
    x0, y0, x1, y1 = BOX
    box = MASK[y0 : y1 + 1, x0 : x1 + 1]
    shapes = [
        {"label": "polygon", "shape_type": "polygon", "points": POLYGON},
        {"label": "rectangle", "shape_type": "rectangle", "points": [[20, 12], [5, 4]]},
        {"label": "circle", "shape_type": "circle", "points": CIRCLE},
        {"label": "brush", "shape_type": "mask", "points": [[x0, y0], [x1, y1]]},
    ]
    for n, shape in enumerate(shapes, start=1):
        mask = {"mask": box} if shape["label"] == "brush" else {}
        drawn, _ = shapes_to_label(SIZE, [{**shape, **mask}], {shape["label"]: n})
        Image.fromarray(drawn.astype(np.uint8)).save(HERE / f"labelme_{shape['label']}.png")
    shapes[3]["mask"] = img_arr_to_b64(box.astype(np.uint8))
    shapes.append({"label": "edge", "shape_type": "line", "points": [[0, 0], [9, 9]]})
    for shape in shapes:
        shape.update(group_id=None, description="", flags={})
    write_label_file(
        str(HERE / "labelme.json"),
        shapes=shapes,
        image_path="..\\pictures\\photo.png",
        image_height=H,
        image_width=W,
        flags={"street": True, "night": False},
    )


def write_label_studio() -> None:
    """A brush mask of four channels, as the editor draws it, and a box that is turned by 30 degrees."""
    drawn = np.zeros((*SIZE, 4), int)
    drawn[MASK] = (200, 30, 30, 255)
    drawn[~MASK, :3] = 7  # colors do not count, only alpha
    box = convert_yolo_obb_to_annotation(np.ravel(CORNERS), W, H)
    value = {key: float(box[key]) for key in ("x", "y", "width", "height", "rotation")}
    polygon = [[x / W * 100, y / H * 100] for x, y in POLYGON]
    regions = {
        "brushlabels": {"format": "rle", "rle": encode_rle(drawn.ravel()), "brushlabels": ["brush"]},
        "rectanglelabels": {**value, "rectanglelabels": ["box"]},
        "polygonlabels": {"points": polygon, "closed": True, "polygonlabels": ["polygon"]},
    }
    place = {"original_width": W, "original_height": H, "image_rotation": 0, "from_name": "tag", "to_name": "image"}
    result = [{"id": kind, "type": kind, **place, "value": value} for kind, value in regions.items()]
    data = {"image": "http://localhost:8080/data/upload/3/0a1b2c3d-photo.png"}
    tasks = [{"id": 1, "data": data, "annotations": [{"id": 1, "was_cancelled": False, "result": result}]}]
    (HERE / "label_studio.json").write_text(json.dumps(tasks) + "\n")


def write_cvat() -> None:
    """The layout of "CVAT for images 1.1", with a mask that CVAT's own code encoded."""
    *lengths, x0, y0, x1, y1 = encode_mask(MASK)
    rle = ", ".join(map(str, lengths))
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in POLYGON)
    (HERE / "cvat.xml").write_text(f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>1</id><name>planted</name><mode>annotation</mode></task></meta>
  <image id="0" name="photo.png" width="{W}" height="{H}">
    <mask label="brush" source="manual" occluded="0" rle="{rle}" left="{x0}" top="{y0}" \
width="{x1 - x0 + 1}" height="{y1 - y0 + 1}" z_order="1">
    </mask>
    <polygon label="polygon" source="manual" occluded="0" points="{points}" z_order="0">
      <attribute name="whole">true</attribute>
    </polygon>
    <box label="box" source="manual" occluded="0" xtl="5.70" ytl="4.60" xbr="17.70" ybr="10.60" rotation="30.00" \
z_order="2">
    </box>
    <ellipse label="ellipse" source="manual" occluded="0" cx="11.00" cy="8.00" rx="5.00" ry="3.00" z_order="0">
    </ellipse>
    <polyline label="edge" source="manual" occluded="0" points="0.00,0.00;9.00,9.00" z_order="0">
    </polyline>
    <tag label="street" source="manual">
    </tag>
  </image>
  <image id="1" name="empty.png" width="{W}" height="{H}">
  </image>
</annotations>
""")


def write_cityscapes() -> None:
    """Class ids drawn from polygons, a car over a road over void, and the table of ids."""
    parts = [
        ("out of roi", [(0, 0), (23, 0), (23, 2), (0, 2)]),
        ("road", [(0, 8), (23, 8), (23, 15), (0, 15)]),
        ("car", [(4, 6), (12, 6), (12, 12), (4, 12)]),
        ("sky", [(0, 3), (23, 3), (23, 5), (0, 5)]),
    ]
    objects = [{"label": label, "polygon": points} for label, points in parts]
    polygons = HERE / "polygons.json"
    polygons.write_text(json.dumps({"imgWidth": W, "imgHeight": H, "objects": objects}))
    json2labelImg(str(polygons), str(HERE / "cityscapes_labelIds.png"), "ids")
    polygons.unlink()
    table = {label.id: [label.name, label.category] for label in cityscapes_labels}
    (HERE / "cityscapes_ids.json").write_text(json.dumps(table) + "\n")


if __name__ == "__main__":
    for write in (write_labelme, write_label_studio, write_cvat, write_cityscapes):
        write()
