"""Units in files: equal to explicit loops wherever a layer is read, and refused in one line where they are no units."""

import json
import pickle

import numpy as np
import oracles
import pandas as pd
import pytest
import torch
from measured import TAU, activations, measure, network, probe_in
from safetensors.torch import save_file

from n2vlib.activations.layer import read_layers
from n2vlib.builder.chapter_key import _files_named_in
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.networks import units
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.unit_files import ACTIVATIONS
from n2vlib.paths import layer_from_here
from n2vlib.report import file_name
from n2vlib.store import Store

N, FILTERS, K = 9, 5, 3  # units of layer "1" of the measured network


def parts(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {"weight": (N, FILTERS), "bias": (N,), "centre": (FILTERS,), "threshold": (N,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in drawn.items()}


def by_loops(maps: np.ndarray, given: dict, activation: str, k: int = 0) -> np.ndarray:
    """f(W (a - c) + b), a place and a unit at a time: (image, unit, h, w)."""
    weight, bias, centre = (np.asarray(given[name], float) for name in ("weight", "bias", "centre"))
    found = np.zeros((len(maps), len(weight), *maps.shape[2:]))
    for i, y, x in np.ndindex(len(maps), *maps.shape[2:]):
        values = [sum(row * (maps[i, :, y, x] - centre)) + b for row, b in zip(weight, bias, strict=True)]
        kept = sorted(range(len(values)), key=lambda unit: -values[unit])[:k]
        for unit, value in enumerate(values):
            if activation == "identity":
                found[i, unit, y, x] = value
            elif activation == "relu" or activation == "topk" and unit in kept:
                found[i, unit, y, x] = max(value, 0)
            elif activation == "jumprelu":
                found[i, unit, y, x] = value if value > max(given["threshold"][unit], 0) else 0
    return found


def saved(folder, activation: str, name: str = "made"):
    given = parts()
    options = {"threshold": given["threshold"]} if activation == "jumprelu" else {}
    k = K if activation == "topk" else 0
    file = folder / f"{name}.safetensors"
    return units.save(
        file, given["weight"], activation=activation, k=k, bias=given["bias"], centre=given["centre"], **options
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_units_are_what_a_loop_over_places_gives(tmp_path, activation):
    grid = np.random.default_rng(1).standard_normal((2, FILTERS, 3, 4)).astype(np.float32)
    found = units.load(saved(tmp_path, activation)).units(torch.from_numpy(grid))
    expected = by_loops(grid, parts(), activation, K)
    assert found.shape == expected.shape == (2, N, 3, 4)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert activation == "identity" or (expected == 0).any() and (expected > 0).any()


def test_a_file_of_units_is_read_in_one_pass_with_its_layer_and_dissected_like_it(tmp_path):
    file = saved(tmp_path, "topk")
    probe, layers = measure(tmp_path, ["1", f"1:{file}", "3"])
    layer, maps = layers[f"1:{file}"], activations(probe, "1")
    expected = by_loops(maps, parts(), "topk", K)
    assert layer.name == "1:made" and layer.shape == (N, 8, 8) and layer.windows == layers["1"].windows
    np.testing.assert_allclose(layer.maps([0, 5]), expected[[0, 5]], atol=1e-5)
    np.testing.assert_allclose(layer.highest, expected.max((2, 3)), atol=1e-5)
    np.testing.assert_allclose(layer.thresholds, oracles.thresholds(layer.maps(range(len(probe))), TAU), rtol=1e-6)
    np.testing.assert_allclose(layers["1"].maps([3]), maps[[3]], atol=1e-5)
    found = dissection.filters(layer, probe)
    assert found["filter"].tolist() == list(range(N)) and (found["layer"] == "1:made").all()


def test_the_identity_gives_the_layer_itself_and_a_permutation_its_filters_in_another_order(tmp_path):
    order = [4, 2, 0, 1, 3]
    units.save(tmp_path / "turned.safetensors", np.eye(FILTERS)[order])
    probe, layers = measure(tmp_path, ["1", f"1:{tmp_path / 'turned.safetensors'}"])
    one, other = layers.values()
    assert (other.highest == one.highest[:, order]).all() and (other.thresholds == one.thresholds[order]).all()
    iou = dissection.dissection_iou(one, probe)
    np.testing.assert_array_equal(dissection.dissection_iou(other, probe), iou[order])


def test_measurements_follow_what_is_in_a_file_and_not_where_it_lies(tmp_path):
    net, probe, store = network(), probe_in(tmp_path), Store(str(tmp_path / "store"))
    (tmp_path / "other").mkdir()

    def key(file):
        return read_layers(net, [f"1:{file}"], probe, tau=TAU, device="cpu", store=store)[f"1:{file}"].folder

    file = saved(tmp_path, "relu")
    before, elsewhere = key(file), key(saved(tmp_path / "other", "relu", "again"))
    units.save(file, -parts()["weight"], activation="relu")
    assert before == elsewhere != key(file)


def test_two_files_with_one_name_are_not_mixed_up_in_a_table(tmp_path):
    (tmp_path / "other").mkdir()
    files = [saved(tmp_path, "relu"), saved(tmp_path / "other", "topk")]
    with pytest.raises(BadInput, match="two files would have one name"):
        measure(tmp_path, [f"1:{file}" for file in files])
    assert len({file_name(network(), f"1:{file}") for file in files}) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_units(tmp_path):
    net, images = network(), torch.randn(3, 3, 32, 32)
    name = net.layer(f"1:{saved(tmp_path, 'jumprelu')}")
    on_cpu = run_layers(net.module, [name], images)[name]
    on_gpu = run_layers(net.module.cuda(), [name], images.cuda())[name]
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-4, atol=1e-5)


def test_a_table_of_directions_and_halves_become_files_too(tmp_path):
    table = pd.DataFrame(parts()["weight"], index=range(10, 10 + N))
    found = units.load(units.save(tmp_path / "table.safetensors", table, decoder=table.to_numpy(np.float16)))
    np.testing.assert_array_equal(found.units.weight, table)
    assert found.decoder is not None and found.decoder.dtype == torch.float32 and found.name == "table"


WRONG = {
    "no tensor 'weight'": ({"weights": torch.ones(2, 3)}, {"activation": "relu"}),
    r"weight is \(3,\), not": ({"weight": torch.ones(3)}, {"activation": "relu"}),
    r"weight is \(0, 3\), not": ({"weight": torch.ones(0, 3)}, {"activation": "relu"}),
    r"bias is \(3,\); with": ({"weight": torch.ones(2, 3), "bias": torch.ones(3)}, {"activation": "relu"}),
    r"centre is \(2,\); with": ({"weight": torch.ones(2, 3), "centre": torch.ones(2)}, {"activation": "relu"}),
    "no activation in": ({"weight": torch.ones(2, 3)}, {}),
    "'gelu' is none of": ({"weight": torch.ones(2, 3)}, {"activation": "gelu"}),
    "k = 0; topk has": ({"weight": torch.ones(2, 3)}, {"activation": "topk"}),
    "k = 3; topk has": ({"weight": torch.ones(2, 3)}, {"activation": "topk", "k": "3"}),
    "k = 1; topk has": ({"weight": torch.ones(2, 3)}, {"activation": "relu", "k": "1"}),
    "k = '1e9' in": ({"weight": torch.ones(2, 3)}, {"activation": "topk", "k": "1e9"}),
    "jumprelu, and no other, has": ({"weight": torch.ones(2, 3)}, {"activation": "jumprelu"}),
    "infinite or no numbers": ({"weight": torch.full((2, 3), torch.nan)}, {"activation": "relu"}),
    "of torch.int64, not": ({"weight": torch.ones(2, 3).long()}, {"activation": "relu"}),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_file_that_holds_no_units_is_refused_in_one_line(tmp_path, said):
    save_file(WRONG[said][0], tmp_path / "wrong.safetensors", WRONG[said][1])
    with pytest.raises(BadInput, match=rf"units wrong.safetensors: .*{said}") as refused:
        units.load(tmp_path / "wrong.safetensors")
    assert "\n" not in str(refused.value)


def test_files_of_other_kinds_are_refused_and_never_unpickled(tmp_path):
    (tmp_path / "sae.pt").write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(BadInput, match="no .safetensors file"):
        units.load(tmp_path / "sae.pt")
    for content in (pickle.dumps({"weight": 1}), b"", saved(tmp_path, "relu").read_bytes()[:-9]):
        (tmp_path / "damaged.safetensors").write_bytes(content)
        with pytest.raises(BadInput, match="damaged.safetensors: cannot be read as safetensors"):
            units.load(tmp_path / "damaged.safetensors")
    with pytest.raises(BadInput, match="no such file"):
        units.load(tmp_path / "absent.safetensors")


def test_a_shape_is_refused_from_the_header_before_its_values_are_read(tmp_path):
    header = {"weight": {"dtype": "F16", "shape": [2**15, 2**14], "data_offsets": [0, 2**30]}}
    text = json.dumps(header).encode()
    with (tmp_path / "huge.safetensors").open("wb") as file:  # sparse: it takes no room on disk
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 2**30)
    with pytest.raises(BadInput, match="536,870,912 numbers; at most"):
        units.load(tmp_path / "huge.safetensors")


# Units taken out of the network


def answers_without(file, images: torch.Tensor, sets: list[list[int]]) -> list[torch.Tensor]:
    net = network()
    name = net.layer(f"1:{file}")
    downstream, codes = Downstream(net.module, name, images), run_layers(net.module, [name], images)[name]
    return list(downstream.without(codes, sets, downstream.others(images)))


def by_hand(images: torch.Tensor, taken_out) -> torch.Tensor:
    """The network's scores with `taken_out` called on the filters at every place of layer 1, (filter,)."""
    net = network().module
    maps = net[:2](images).detach().numpy()
    for i, y, x in np.ndindex(len(maps), *maps.shape[2:]):
        maps[i, :, y, x] = taken_out(maps[i, :, y, x].astype(float))
    return net[2:](torch.from_numpy(maps)).mean((2, 3)).detach()


def pixels() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def test_without_units_of_the_identity_is_without_filters(tmp_path):
    file = units.save(tmp_path / "same.safetensors", np.eye(FILTERS), activation="relu")
    net, images, sets = network().module, pixels(), [[], [2], [4, 0]]
    expected = Downstream(net, "1", images).without(run_layers(net, ["1"], images)["1"], sets)
    for told, filters in zip(answers_without(file, images, sets), expected, strict=True):
        torch.testing.assert_close(told, filters, rtol=1e-5, atol=1e-6)


def test_without_a_unit_of_a_rotation_its_direction_is_projected_out_at_every_place(tmp_path):
    turned = np.linalg.qr(parts()["weight"][:FILTERS])[0]
    file, images = units.save(tmp_path / "turned.safetensors", turned), pixels()
    whole, told = answers_without(file, images, [[], [3]])
    expected = by_hand(images, lambda a: a - sum(w * v for w, v in zip(turned[3], a, strict=True)) * turned[3])
    torch.testing.assert_close(told, expected.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole, network().module(images).mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert (whole - told).abs().max() > 1e-3


def test_a_unit_of_independent_weights_goes_to_zero_and_no_other_moves(tmp_path):
    rng, own = np.random.default_rng(8), parts()["weight"][:3]
    found = units.load(
        units.save(tmp_path / "three.safetensors", own, bias=[0.1, 0.2, 0.3], centre=rng.random(FILTERS))
    )
    grid = torch.from_numpy(rng.standard_normal((2, FILTERS, 2, 2)).astype(np.float32))
    before = found.units(grid)
    after = found.units(grid - before[:, 1:2] * found.added()[1][:, None, None])
    assert after[:, 1].abs().max() < 1e-5
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]], rtol=1e-5, atol=1e-5)


def test_what_a_unit_of_an_autoencoder_decodes_to_is_subtracted_and_its_error_stays(tmp_path):
    given, decoder, images = (
        parts(),
        np.random.default_rng(9).standard_normal((N, FILTERS)).astype(np.float32),
        pixels(),
    )
    file = units.save(tmp_path / "sae.safetensors", given["weight"], activation="topk", k=K, bias=given["bias"],
                      centre=given["centre"], decoder=decoder)  # fmt: skip
    gone = [1, 6, 7]

    def taken_out(a: np.ndarray) -> np.ndarray:
        codes = by_loops(a[None, :, None, None], given, "topk", K)[0, :, 0, 0]
        return a - sum(codes[unit] * decoder[unit] for unit in gone)

    whole, told = answers_without(file, images, [[], gone])
    torch.testing.assert_close(told, by_hand(images, taken_out).float(), rtol=1e-4, atol=1e-5)
    assert (whole - told).abs().max() > 1e-3


def test_units_that_depend_on_each_other_and_have_no_decoder_cannot_be_taken_out(tmp_path):
    images = pixels()
    with pytest.raises(BadInput, match="made: its 9 units of 5 filters depend on each other and the file has no decod"):
        answers_without(saved(tmp_path, "relu"), images, [])
    twice = units.save(tmp_path / "twice.safetensors", parts()["weight"][[0, 1, 0]])
    with pytest.raises(BadInput, match="its 3 units of 5 filters depend on each other"):
        answers_without(twice, images, [])


def test_units_of_another_layer_are_refused(tmp_path):
    file, net = saved(tmp_path, "relu"), network()
    with pytest.raises(BadInput, match=r"the layer has 6 filters, and its weight is \(9, 5\)"):
        measure(tmp_path, [f"3:{file}"])
    with pytest.raises(BadInput, match="no such module or alias"):
        net.layer(f"conv9:{file}")


def test_arrays_that_are_no_units_are_not_written(tmp_path):
    file = tmp_path / "none.safetensors"
    for weight, options in (
        (np.full((2, 3), np.inf), {}),
        (np.ones(3), {}),
        ([["a"]], {}),
        (np.ones((2, 3)), {"bias": np.ones(3)}),
        (np.ones((2, 3)), {"activation": "topk"}),
    ):
        with pytest.raises(BadInput, match="units"):
            units.save(file, weight, **options)
    with pytest.raises(BadInput, match=r"ending .safetensors"):
        units.save(tmp_path / "none.npz", np.ones((2, 3)))
    assert not list(tmp_path.iterdir())


def test_a_file_on_the_command_line_is_in_the_current_folder_and_in_a_chapters_key(tmp_path, monkeypatch):
    file = saved(tmp_path, "relu")
    monkeypatch.chdir(tmp_path)
    assert layer_from_here("conv5:made.safetensors") == f"conv5:{file}" and layer_from_here("conv5") == "conv5"
    assert _files_named_in({"LAYERS": [f"conv5:{file}", "conv1"]}) == [file]


# SAELens


def lens(folder, options: dict, **tensors) -> dict[str, np.ndarray]:
    """A folder as SAELens writes it, and its tensors."""
    rng = np.random.default_rng(3)
    shapes = {"W_enc": (FILTERS, N), "W_dec": (N, FILTERS), "b_dec": (FILTERS,)} | tensors
    drawn = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    folder.mkdir()
    save_file({name: torch.from_numpy(values) for name, values in drawn.items()}, folder / "sae_weights.safetensors")
    common = {"d_in": FILTERS, "d_sae": N, "normalize_activations": "none", "reshape_activations": "none"}
    (folder / "cfg.json").write_text(json.dumps(common | options))
    return drawn


def encoded(kind: str, own: dict, a: np.ndarray, centred: bool, scaled: bool) -> np.ndarray:
    """Units of one place, as SAELens defines them."""
    a = a - own["b_dec"] if centred else a
    if kind == "gated":
        open_gate = a @ own["W_enc"] + own["b_gate"] > 0
        return open_gate * np.maximum(a @ (own["W_enc"] * np.exp(own["r_mag"])) + own["b_mag"], 0)
    values = a @ own["W_enc"] + own["b_enc"]
    values = values * np.linalg.norm(own["W_dec"], axis=1) if scaled else values
    if kind == "topk":
        values = np.where(values >= np.sort(values)[-K], values, 0)
    return np.maximum(values, 0) * (values > own["threshold"] if kind == "jumprelu" else 1)


GATED = {"r_mag": (N,), "b_mag": (N,), "b_gate": (N,)}
LENSES = {
    "standard": ({"architecture": "standard", "apply_b_dec_to_input": True}, {"b_enc": (N,)}),
    "topk": ({"architecture": "topk", "k": K, "apply_b_dec_to_input": False}, {"b_enc": (N,)}),
    "topk, scaled": ({"architecture": "topk", "k": K, "rescale_acts_by_decoder_norm": True}, {"b_enc": (N,)}),
    "topk before 6": ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}}, {"b_enc": (N,)}),
    "jumprelu": ({"architecture": "jumprelu", "apply_b_dec_to_input": False}, {"b_enc": (N,), "threshold": (N,)}),
    "gated": ({"architecture": "gated", "apply_b_dec_to_input": True}, GATED),
}


@pytest.mark.parametrize("kind", LENSES)
def test_a_folder_of_saelens_gives_the_units_that_it_defines(tmp_path, kind):
    options, tensors = LENSES[kind]
    own = lens(tmp_path / "sae", options, **tensors)
    grid = np.random.default_rng(4).standard_normal((2, FILTERS, 3, 2)).astype(np.float32)
    found = units.load(tmp_path / "sae")
    made = found.units(torch.from_numpy(grid)).numpy()
    centred, scaled = options.get("apply_b_dec_to_input", True), "rescale_acts_by_decoder_norm" in options
    for i, y, x in np.ndindex(2, 3, 2):
        expected = encoded(kind.split(",")[0].split()[0], own, grid[i, :, y, x], centred, scaled)
        np.testing.assert_allclose(made[i, :, y, x], expected, atol=1e-5)
    assert found.name == "sae" and found.decoder is not None and (made > 0).any()


@pytest.mark.parametrize(
    ("said", "options"),
    {
        "normalize_activations = 'layer_norm' is no linear map": {"normalize_activations": "layer_norm"},
        "reshape_activations = 'hook_z' is no linear": {"reshape_activations": "hook_z"},
        "'transcoder' is none of": {"architecture": "transcoder"},
        "no whole number k": {"architecture": "topk"},
        "no tensor 'threshold'": {"architecture": "jumprelu"},
    }.items(),
)
def test_what_saelens_saves_and_is_no_linear_map_is_refused(tmp_path, said, options):
    lens(tmp_path / "sae", options, b_enc=(N,))
    with pytest.raises(BadInput, match=said):
        units.load(tmp_path / "sae")


def test_a_damaged_folder_of_saelens_is_refused(tmp_path):
    lens(tmp_path / "sae", {}, b_enc=(N + 1,))
    with pytest.raises(BadInput, match=r"b_enc is \(10,\); with a W_enc of \(5, 9\) it is \(9,\)"):
        units.load(tmp_path / "sae" / "sae_weights.safetensors")
    (tmp_path / "sae" / "cfg.json").write_text("[]")
    with pytest.raises(BadInput, match="no JSON object"):
        units.load(tmp_path / "sae")
    (tmp_path / "sae" / "cfg.json").unlink()
    with pytest.raises(BadInput, match="no cfg.json in the folder"):
        units.load(tmp_path / "sae")
