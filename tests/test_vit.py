"""The small vision transformer: torch's own encoder as the oracle, and the methods on grids of its tokens."""

import copy

import numpy as np
import oracles
import pytest
import torch
from measured import probe_in
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from n2vlib import tables
from n2vlib.activations.layer import read_layers
from n2vlib.methods import dissection, segmentation, single_filter
from n2vlib.networks import units
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import ProbeSet
from n2vlib.store import Store
from n2vlib.zoo.architectures.vit import Block, SmallViT

SMALL = {"width": 12, "depth": 2, "heads": 3, "hidden": 20}


@pytest.fixture
def small() -> SmallViT:
    torch.manual_seed(0)
    module = SmallViT(outputs=5, **SMALL).eval().requires_grad_(False)
    for token in (module.positions, module.cls_token, module.reg_token):
        token.normal_()
    return module


def of_torch(block: Block) -> nn.TransformerEncoderLayer:
    """torch's pre-norm encoder layer with the weights of a block."""
    width, hidden, heads = SMALL["width"], SMALL["hidden"], SMALL["heads"]
    layer = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True)
    attention = {"in_proj_weight": block.attn.qkv.weight, "in_proj_bias": block.attn.qkv.bias}
    attention |= {f"out_proj.{name}": value for name, value in block.attn.proj.state_dict().items()}
    parts = {"norm1": block.norm1, "norm2": block.norm2, "linear1": block.mlp.fc1, "linear2": block.mlp.fc2}
    state = {f"self_attn.{name}": value for name, value in attention.items()}
    state |= {f"{at}.{name}": value for at, part in parts.items() for name, value in part.state_dict().items()}
    layer.load_state_dict(state)
    return layer.eval()


def test_the_scores_are_those_of_torchs_own_encoder_read_at_the_class_token(small):
    images = torch.randn(2, 3, 112, 112)
    grid = small.patch_embed(images) + small.positions
    patches = [grid[:, :, row, column] for row in range(14) for column in range(14)]
    registers = [small.reg_token[:, at].expand(2, -1) for at in range(4)]
    tokens = torch.stack([small.cls_token[:, 0].expand(2, -1), *registers, *patches], dim=1)
    for block in small.blocks:
        tokens = of_torch(block)(tokens)
    wanted = F.linear(small.norm(tokens[:, 0]), small.head.weight, small.head.bias)
    torch.testing.assert_close(small(images), wanted, rtol=1e-4, atol=1e-5)


def test_images_of_another_size_get_resized_positions_of_which_a_constant_stays_constant(small):
    small.positions.fill_(1.0)
    seen = {}
    hook = small.blocks[0].register_forward_pre_hook(lambda _, args: seen.update(tokens=args[0]))
    images = torch.randn(2, 3, 64, 80)
    assert small(images).shape == (2, 5)
    hook.remove()
    patches = small.patch_embed(images).flatten(2).transpose(1, 2)
    torch.testing.assert_close(seen["tokens"][:, 5:], patches + 1)


# -- its layers, measured: the oracles see tokens that a loop has put on the grid


LAYERS = {"blocks.0": 12, "blocks.1.mlp.act": 20}
TAU = 0.1


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    torch.manual_seed(1)
    shown = Preprocessing((32, 32), (0.5,) * 3, (0.25,) * 3, 1)
    network = Network("vit", SmallViT(outputs=5, **SMALL), shown, "random")
    probe = probe_in(folder)
    options = {"tau": TAU, "device": "cpu", "store": Store(str(folder / "store"))}
    return probe, network, read_layers(network, list(LAYERS), probe, **options)


def by_hand(network: Network, name: str, probe: ProbeSet) -> NDArray:
    """The output of a module, token after token: the first five have no place, the others fill the rows in order."""
    seen = []
    hook = network.module.get_submodule(name).register_forward_hook(lambda _, args, output: seen.append(output[0]))
    grids = np.zeros((len(probe), LAYERS[name], 4, 4), np.float32)
    for i in range(len(probe)):
        network.module(network.preprocessing(probe.image(i)[None]))
        for row, column in np.ndindex(4, 4):
            grids[i, :, row, column] = seen[i][5 + 4 * row + column]
    hook.remove()
    return grids


@pytest.mark.parametrize("name", LAYERS)
def test_units_of_tokens_are_scored_as_the_oracles_score_their_grids(measured, name):
    probe, network, layers = measured
    layer, activations = layers[name], by_hand(network, name, probe)
    np.testing.assert_allclose(layer.maps(range(len(probe))), activations, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.thresholds, oracles.thresholds(activations, TAU), rtol=1e-4)
    concepts = probe.concepts.index
    annotated = np.array([[probe.annotated(c, i) for c in concepts] for i in range(len(probe))])
    iou, *_ = oracles.dissection_iou(activations, layer.thresholds, annotated, list(probe.concepts["category"]))
    np.testing.assert_allclose(dissection.dissection_iou(layer, probe), iou, atol=0.01)

    scores = single_filter.align(layer, probe).scores
    best = tables.by_concept(scores)
    fired, val = oracles.fired(activations, layer.thresholds), probe.split == "val"
    masks = oracles.single_filter_mask(fired, probe.label_size, align_corners=True)
    for c, filter_k in tables.by_concept(scores, "filter").items():
        truth = annotated[:, list(concepts).index(c)]
        assert best[c] == pytest.approx(oracles.set_iou(masks[val][:, int(filter_k)], truth[val]), abs=0.01)


def test_a_combination_of_units_is_the_mask_that_its_weights_give_on_the_grid(measured):
    probe, network, layers = measured
    layer = layers["blocks.1.mlp.act"]
    found = segmentation.align(layer, probe, epochs=2, seed=0)
    fired = oracles.fired(by_hand(network, layer.module, probe), layer.thresholds)
    pair = found.pairs.query("split == 'val'").iloc[0]
    weights, image = found.weights.loc[pair["concept"]].to_numpy(), int(pair["image"])
    combined = np.einsum("k,khw->hw", weights.astype(np.float64), fired[image])
    mask = oracles.upsample(combined, probe.label_size, align_corners=True) > 0
    assert mask.sum() == pytest.approx(pair["predicted"], abs=1)


def test_units_are_taken_out_of_the_cells_and_the_class_token_and_registers_stay_as_they_were(measured, tmp_path):
    probe, network, _ = measured
    images = network.preprocessing(np.stack([probe.image(i) for i in range(3)]))
    activations = run_layers(network.module, ["patch_embed"], images)["patch_embed"]
    changed = copy.deepcopy(network.module)
    changed.patch_embed.weight[[2, 7]] = 0
    changed.patch_embed.bias[[2, 7]] = 0
    (told,) = Downstream(network.module, "patch_embed", images).without(activations, [[2, 7]])
    torch.testing.assert_close(told, changed(images), rtol=1e-4, atol=1e-5)

    def taken_out(_module, _given, output):
        for token in range(5, 21):
            output[:, token, 3] = 0
        return output

    downstream = Downstream(network.module, "blocks.0", images)
    activations = run_layers(network.module, ["blocks.0"], images)["blocks.0"]
    (told,) = downstream.without(activations, [[3]], downstream.others(images))
    hook = network.module.get_submodule("blocks.0").register_forward_hook(taken_out)
    torch.testing.assert_close(told, network.module(images), rtol=1e-4, atol=1e-5)
    hook.remove()
    file = units.save(tmp_path / "same.safetensors", np.eye(activations.shape[1]))
    same = network.layer(f"blocks.0:{file}")
    downstream, codes = Downstream(network.module, same, images), run_layers(network.module, [same], images)[same]
    (as_unit,) = downstream.without(codes, [[3]], downstream.others(images))
    torch.testing.assert_close(as_unit, told, rtol=1e-4, atol=1e-5)
