"""Networks of timm and of Hugging Face's transformers: made small with random weights, and read from local files."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network
from n2vlib.paths import from_here


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch):
    """An address that is looked up fails the test, also where a library would go on without it."""
    asked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_a, **_k: asked.append(host) or 1 / 0)
    yield
    assert not asked


def shown(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)


def moved(network: Network, name: str, cell: tuple[int, int], patch: int) -> tuple[int, int]:
    """The cell of a layer that changes most when the pixels of a patch change."""
    images = shown(network.preprocessing.size)
    changed = images.copy()
    rows, columns = (slice(at * patch, (at + 1) * patch) for at in cell)
    changed[:, rows, columns] = 255 - changed[:, rows, columns]
    before, after = (
        run_layers(network.module, [name], network.preprocessing(each))[name] for each in (images, changed)
    )
    place = int((before - after).abs().sum((0, 1)).argmax())
    return divmod(place, before.shape[3])


# ---- timm


@pytest.fixture(scope="module")
def timm():
    return pytest.importorskip("timm")


def test_a_timm_network_has_the_size_mean_std_and_resizing_that_timm_says(timm):
    from PIL import Image

    network = load_network("timm:test_vit.r160_in1k")
    config = timm.data.resolve_data_config(model=network.module)
    transform = timm.data.create_transform(**{**config, "crop_pct": 1.0})
    image = shown(network.preprocessing.size)[:1]
    torch.testing.assert_close(network.preprocessing(image)[0], transform(Image.fromarray(image[0])))
    assert network.preprocessing.interpolation == "bicubic" and network.preprocessing.size == (160, 160)


@pytest.mark.parametrize(("name", "block", "patch"), [("test_vit", "blocks.5", 16), ("test_vit4", "blocks.5", 16)])
def test_every_layer_of_a_timm_transformer_lies_where_its_image_lies(timm, name: str, block: str, patch: int):
    if name not in timm.list_models():
        pytest.skip(f"this timm has no {name}")
    network = load_network(f"timm:{name}")
    table = network.layers().set_index("name")
    side = network.preprocessing.size[0] // patch
    assert table.loc[block, "shape"][1:] == (side, side) and f"{block}.attn.heads" in table.index
    assert {moved(network, each, (2, 5), patch) for each in (block, f"{block}.mlp.act", "norm")} == {(2, 5)}


def test_timms_weights_come_from_a_file_and_an_unknown_name_is_one_line(timm, tmp_path: Path):
    network, other = load_network("timm:test_vit"), load_network("timm:test_vit", seed=1)
    assert network.fingerprint == load_network("timm:test_vit").fingerprint != other.fingerprint
    save_file(other.module.state_dict(), tmp_path / "own.safetensors")
    assert load_network("timm:test_vit", str(tmp_path / "own.safetensors")).fingerprint == other.fingerprint
    with pytest.raises(BadInput, match=r"^NETWORK 'timm:test_vitt': timm has no such network; .*test_vit"):
        load_network("timm:test_vitt")
    with pytest.raises(BadInput, match="^NETWORK timm:test_vit.nowhere: timm cannot make it"):
        load_network("timm:test_vit.nowhere")


# ---- folders of transformers


@pytest.fixture(scope="module")
def hf():
    return pytest.importorskip("transformers")


@pytest.fixture
def folder(hf, tmp_path: Path) -> Path:
    """A vision transformer with registers, and its image processor."""
    torch.manual_seed(0)
    config = hf.Dinov2WithRegistersConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=64, patch_size=16, num_labels=5
    )
    hf.Dinov2WithRegistersForImageClassification(config).save_pretrained(tmp_path)
    side = {"height": 64, "width": 96}
    processor = hf.ViTImageProcessor(size=side, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.25], resample=3)
    processor.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_is_read_with_its_weights_and_its_own_preprocessing(hf, folder: Path):
    network = load_network(f"hf:{folder}")
    image = shown((64, 96))[:1]
    expected = hf.AutoImageProcessor.from_pretrained(folder)(image[0], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(network.preprocessing(image), expected)
    whole = hf.AutoModelForImageClassification.from_pretrained(folder)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(expected), whole.eval()(expected).logits)
    shape = network.layers().set_index("name").loc["dinov2_with_registers.encoder.layer.1", "shape"]
    assert shape == (32, 4, 6)


def test_cells_of_a_transformer_with_registers_lie_where_the_image_lies_and_it_can_be_ablated(folder: Path):
    network = load_network(f"hf:{folder}")
    layer, heads = (f"dinov2_with_registers.encoder.layer.{end}" for end in ("0", "1.attention.heads"))
    assert moved(network, layer, (3, 1), 16) == (3, 1)
    x: Tensor = network.preprocessing(shown((64, 96)))
    seen, downstream = run_layers(network.module, [layer, heads, ""], x), Downstream(network.module, layer, x)
    assert seen[heads].shape == (2, 32, 4, 6)
    torch.testing.assert_close(downstream(seen[layer], downstream.others(x)), seen[""][..., 0, 0])


def test_what_is_wrong_with_a_folder_is_one_line_and_no_code_or_pickle_in_it_is_read(hf, folder: Path, monkeypatch):
    name, config = f"hf:{folder}", json.loads((folder / "config.json").read_text())

    def fails(message: str, **changed: object) -> None:
        (folder / "config.json").write_text(json.dumps({**config, **changed}))
        with pytest.raises(BadInput, match=rf"^(NETWORK hf:|WEIGHTS: )[^\n]*{message}[^\n]*$"):
            load_network(name)

    fails("code of its own, which is not run", auto_map={"AutoModel": "evil.Model"})
    fails("BertModel takes input_ids, not images alone", architectures=["BertModel"])
    fails("Nothing, no network of transformers", architectures=["Nothing"])
    fails("tensors have no weights in the folder", num_hidden_layers=3)
    fails("no config.json with one name in architectures", architectures=[])
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="its own weights"):
        load_network(name, "other.safetensors")
    weights = folder / "model.safetensors"
    held = weights.read_bytes()
    weights.write_bytes(held[: len(held) // 2])
    fails("transformers cannot read it")
    weights.unlink()
    torch.save({"code": print}, folder / "pytorch_model.bin")
    fails("no .safetensors in .*; other files can hold code")
    monkeypatch.chdir(folder.parent)
    assert from_here(f"hf:{folder.name}") == name


def test_without_the_library_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(BadInput, match=r'^NETWORK timm:vit_tiny_patch16_224: .*pip install "n2vlib\[timm\]"$'):
        load_network("timm:vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": {"shortest_edge": 32}, "do_center_crop": True, "crop_size": {"height": 24, "width": 28}}, (24, 28)),
        ({"size": {"shortest_edge": 32}}, (32, 32)),
        ({"size": 20, "do_rescale": True, "rescale_factor": 1 / 127.5, "rescale_offset": True}, (20, 20)),
        ({"size": 20, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}, (20, 20)),
    ],
)
def test_an_image_processors_settings_become_ours(given: dict, expected: tuple[int, int]):
    """Against the arithmetic of its own steps: rescale, offset, normalise."""
    from n2vlib.networks.libraries import _as_ours
    from n2vlib.networks.preprocessing import as_preprocessing

    ours = as_preprocessing(_as_ours({"image_mean": [0.5] * 3, "image_std": [0.25] * 3, **given}, "hf:x"), "x")
    pixels = shown(expected)
    x = pixels * given["rescale_factor"] if given.get("do_rescale") else pixels.astype(float)
    x = x - bool(given.get("rescale_offset"))
    x = (x - 0.5) / 0.25 if given.get("do_normalize") else x
    np.testing.assert_allclose(ours(pixels).permute(0, 2, 3, 1).numpy(), x, rtol=1e-5, atol=1e-4)
    assert ours.size == expected
    with pytest.raises(BadInput, match="B, G, R images; give PREPROCESSING"):
        _as_ours({**given, "do_flip_channel_order": True}, "hf:x")
