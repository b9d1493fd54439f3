"""Preprocessing: resizing and grey values are Pillow's, and impossible numbers are refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import get_model_weights, list_models

from n2vlib.errors import BadInput
from n2vlib.networks.factories import _of_transforms
from n2vlib.networks.preprocessing import Preprocessing, as_preprocessing
from n2vlib.parameters import check_value

IMAGENET = {"size": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
IN_255 = {"size": 224, "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "range": 255}


@pytest.mark.parametrize(
    "given",
    [
        IMAGENET,
        IN_255,
        {"size": 227.0, "mean": [123, 117, 104], "std": 1, "range": 255},
        {"size": [112, 96], "mean": 127.5, "std": 127.5, "range": 255},
        {"size": 64, "mean": 0, "std": 1, "range": 255},
        {"size": 64, "mean": np.float32(0.5), "std": np.float64(0.5), "range": 1},
        {"size": 300, "mean": [0.48235, 0.45882, 0.40784], "std": 1 / 255},  # torchvision's SSD: values 0..255 come out
        {"size": 28, "mean": [0.1307], "std": [0.3081]},
    ],
)
def test_what_networks_are_trained_with_is_taken(given: dict):
    check_value("PREPROCESSING", given, dict)
    assert as_preprocessing(given, "mynet").channels == (1 if given["size"] == 28 else 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({**IN_255, "range": 1}, "no values of range 1 have: they are of range 255"),
        ({**IMAGENET, "range": 255}, "no values of range 255 have: they are of range 1"),
        ({**IMAGENET, "std": IN_255["std"]}, "no values of range 1 have"),
        ({**IN_255, "std": IMAGENET["std"]}, "no values of range 255 have"),
        ({**IMAGENET, "mean": [0.485, 0.456, 103.53]}, "no values of range 1 have"),
        ({**IN_255, "mean": 300}, "no values of range 255 have"),
        ({**IMAGENET, "mean": -0.5}, "no values of range 1 have"),
        ({**IMAGENET, "size": 224.9}, "size is .*not whole numbers from 1 to 4096"),
        ({**IMAGENET, "size": 0}, "not whole numbers"),
        ({**IMAGENET, "size": [224, 5000]}, "not whole numbers"),
        ({**IMAGENET, "size": float("inf")}, "size is inf, not a finite number"),
        ({**IMAGENET, "size": 10**400}, "size is 1000.*, not a finite number"),
        ({**IMAGENET, "mean": 10**5000}, "mean is .*, not a finite number"),
        ({**IMAGENET, "mean": float("nan")}, "mean is nan, not a finite number"),
        ({**IMAGENET, "std": [0.2, 0.2, float("inf")]}, "std is .*, not a finite number"),
        ({**IMAGENET, "std": [1e-320, -0.2, 1]}, "std > 0"),
        ({**IMAGENET, "std": True}, "not a finite number"),
        ({**IMAGENET, "std": "0.2"}, "not a finite number"),
        ({**IMAGENET, "mean": [0.5]}, r"std is \[0.229, 0.224, 0.225\], not a finite number or 1 of them"),
        ({**IMAGENET, "mean": [0.5, 0.5]}, "not a finite number or 3 of them"),
        ({**IMAGENET, "range": True}, "has range True; it needs range 1 or 255"),
        ({**IMAGENET, "range": 10**5000}, "it needs range 1 or 255"),
        ({**IMAGENET, "interpolation": "lanczos"}, "not one of bilinear, bicubic, nearest"),
        ({**IMAGENET, "interpolation": ["bicubic"]}, "not one of bilinear, bicubic, nearest"),
    ],
)
def test_preprocessing_that_cannot_be_is_one_line(wrong: dict, message: str):
    with pytest.raises(BadInput, match=message) as raised:
        as_preprocessing(wrong, "mynet")
    text = str(raised.value)
    assert text.startswith("mynet: preprocessing") and text.count("write, for instance") == 1
    assert "\n" not in text and len(text) < 500


def test_a_nested_value_is_refused_whatever_its_depth():
    nested: list = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(BadInput, match="not a finite number"):
        as_preprocessing({**IMAGENET, "mean": nested}, "mynet")


def test_preprocessing_made_by_hand_is_held_to_the_same():
    with pytest.raises(BadInput, match="they are of range 255"):
        Preprocessing((8, 8), (127.5,) * 3, (127.5,) * 3)
    with pytest.raises(BadInput, match="finite numbers"):
        Preprocessing((8, 8), (0.0,) * 3, (1.0, float("nan"), 1.0))


# -- resizing


def edges() -> np.ndarray:
    """A picture of hard edges, on which bicubic overshoots, and of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    pixels[:, :40] = np.where(np.arange(40)[None, :, None] % 16 < 8, 0, 255)
    return pixels


@pytest.mark.parametrize("size", [(30, 50), (100, 96)], ids=["smaller", "larger"])
@pytest.mark.parametrize(("name", "most"), [("bilinear", 1.01), ("bicubic", 1.01), ("nearest", 0)])
def test_images_are_resized_as_pillow_does_it(name: str, most: float, size: tuple[int, int]):
    shown = as_preprocessing({"size": size, "mean": 0, "std": 1, "range": 255, "interpolation": name}, "mynet")
    ours = shown(edges()[None])[0].permute(1, 2, 0).numpy()
    pillow = Image.fromarray(edges()).resize((size[1], size[0]), Image.Resampling[name.upper()])
    assert np.abs(ours - np.asarray(pillow, dtype=float)).max() <= most
    assert ours.min() >= 0 and ours.max() <= 255.01


def test_bicubic_weights_get_the_input_that_torchvision_gives_them():
    """The presets that do not crop, on a square picture: torchvision's own transform is the answer."""
    picture, seen = edges()[:, 20:], 0
    for name in ("vit_b_16", "regnet_y_16gf"):
        for member in get_model_weights(name):
            transform = member.transforms()
            if transform.resize_size == transform.crop_size:
                shown, seen = _of_transforms(member), seen + 1
                assert shown is not None and shown.interpolation == "bicubic"
                theirs = transform(Image.fromarray(picture))
                assert (shown(picture[None])[0] - theirs).abs().max() * min(shown.std) * 255 < 1.01
    assert seen == 4


def test_every_transform_of_torchvision_that_is_an_images_is_read_with_its_interpolation():
    found = set()
    for name in list_models():
        for member in get_model_weights(name):
            transform, shown = member.transforms(), _of_transforms(member)
            if shown is None:
                assert not hasattr(transform, "mean")
                continue
            assert transform.interpolation.value == shown.interpolation
            assert not shown.size[0] < 1 and (shown.mean, shown.std) == (tuple(transform.mean), tuple(transform.std))
            found.add(shown.interpolation)
    assert found == {"bilinear", "bicubic"}


def test_interpolation_changes_the_key_of_stored_results_only_where_it_is_not_bilinear():
    plain = as_preprocessing(IMAGENET, "mynet")
    assert plain.as_json() == {
        "size": [224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "range": 1
    }  # fmt: skip
    assert as_preprocessing({**IMAGENET, "interpolation": "bilinear"}, "mynet").as_json() == plain.as_json()
    other = as_preprocessing({**IMAGENET, "interpolation": "nearest"}, "mynet").as_json()
    assert other == plain.as_json() | {"interpolation": "nearest"}


# -- grey


@pytest.mark.parametrize(
    "given", [{"mean": [0.5], "std": [0.25]}, {"mean": [0.5], "std": 0.25}, {"mean": 0.5, "std": [0.25]}]
)
def test_lists_of_one_number_mean_one_channel_of_pillows_grey(given: dict):
    shown = as_preprocessing({"size": [60, 80], **given}, "mynet")
    assert shown.channels == 1
    pixels = np.random.default_rng(1).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    grey = np.stack([np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32) for picture in pixels])
    x = shown(pixels)
    assert x.shape == (2, 1, 60, 80) and x.dtype == torch.float32
    np.testing.assert_allclose(x[:, 0], (grey / 255 - 0.5) / 0.25, atol=1e-6)
    assert shown.as_json()["mean"] == [0.5] and shown.as_json()["std"] == [0.25]


def test_a_bare_number_stands_for_three_channels():
    assert as_preprocessing({"size": 8, "mean": 0.5, "std": 0.25}, "mynet").mean == (0.5, 0.5, 0.5)
