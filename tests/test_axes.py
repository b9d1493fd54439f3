"""Which axes of a layer's output are height and width: planted numbers, torchvision's blocks, and what is refused."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from measured import probe_in
from torch import nn
from torch.nn import functional as F
from torchvision.models import convnext, get_model
from torchvision.models.maxvit import MaxVit
from torchvision.models.swin_transformer import SwinTransformer

from n2vlib.activations.layer import read_layers
from n2vlib.cli.networks import layers as list_layers
from n2vlib.errors import BadInput
from n2vlib.networks import following
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.store import Store


def shown(size: int, channels: int = 3) -> Preprocessing:
    return Preprocessing((size, size), (0.0,) * channels, (1.0,) * channels, 1)  # pyright: ignore[reportArgumentType]


class Then(nn.Module):
    """An identity convolution, a function of its output, and the layer that is read."""

    def __init__(self, what):
        super().__init__()
        self.conv, self.what, self.after = nn.Conv2d(3, 3, 1, bias=False), what, nn.Identity()
        nn.init.dirac_(self.conv.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.what(self.conv(x)))


def planted(n: int, side: int) -> torch.Tensor:
    """Every number encodes its image, channel, row and column."""
    image, channel, row, column = torch.meshgrid(*(torch.arange(k) for k in (n, 3, side, side)), indexing="ij")
    return (1000 * image + 100 * channel + 10 * row + column).float()


def windows(x: torch.Tensor, w: int = 2) -> torch.Tensor:
    """(image, window, place in the window, channel)."""
    n, c, height, width = x.shape
    x = x.view(n, c, height // w, w, width // w, w).permute(0, 2, 4, 3, 5, 1)
    return x.reshape(n, height // w * (width // w), w * w, c)


def from_windows(x: torch.Tensor, side: int, w: int = 2) -> torch.Tensor:
    x = x.view(len(x), side // w, side // w, w, w, -1).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(len(x), side, side, -1)


def padded_windows(x: torch.Tensor) -> torch.Tensor:
    """As in Swin: the picture is padded to whole windows, and cropped again."""
    side, more = x.shape[-1], x.shape[-1] % 2
    return from_windows(windows(F.pad(x, (0, more, 0, more))), side + more)[:, :side, :side]


def cut_out(x: torch.Tensor) -> torch.Tensor:
    """A token is put before the others and removed again: the axes of torch.cat's output are unknown."""
    tokens = x.flatten(2).transpose(1, 2)
    tokens = torch.cat([torch.zeros(len(x), 1, 3), tokens], 1)[:, 1:]
    return tokens.reshape(len(x), *x.shape[2:], 3)


KEPT = {
    "channels last": lambda x: x.permute(0, 2, 3, 1), "moved": lambda x: x.movedim(1, -1),
    "by transposes": lambda x: x.transpose(1, 2).transpose(2, 3), "einsum": lambda x: torch.einsum("nchw->nhwc", x),
    "tokens laid out": lambda x: x.flatten(2).mT.unflatten(1, x.shape[2:]), "a token cut out": cut_out,
    "width before height": lambda x: x.mT, "between": lambda x: x.swapaxes(1, 2), "as it stands": lambda x: x,
    "linear": lambda x: F.linear(x.permute(0, 2, 3, 1), torch.eye(3)),
    "matrix": lambda x: x.movedim(1, 3) @ torch.eye(3), "added": lambda x: x.permute(0, 2, 3, 1) + 0,
    "norm": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)) * 0 + x.movedim(1, 3),
    "windows and back": padded_windows,
    "index": lambda x: x.permute(0, 2, 3, 1)[..., :], "summed": lambda x: x[:, None].sum(1),
    "stacked": lambda x: torch.stack([x, x], 1)[:, 1].permute(0, 2, 3, 1),
    "in place": lambda x: x.clone().transpose_(1, 3),
    "five axes": lambda x: x.view(len(x), 3, 1, *x.shape[2:])[:, :, 0],
    "matrix of tokens": lambda x: (x.flatten(2) @ torch.eye(x[0, 0].numel())).view(x.shape),
    "unfolded": lambda x: F.unfold(x, 1).view(x.shape), "chunks": lambda x: torch.cat(x.chunk(3, 1), 1),
    "attention": lambda x: F.scaled_dot_product_attention(*[x.movedim(1, 3).contiguous()] * 2, x.movedim(1, 3)) * 0
    + x.permute(0, 2, 3, 1),
}  # fmt: skip


@pytest.mark.parametrize("side", [4, 3, 1])
@pytest.mark.parametrize("what", KEPT.values(), ids=KEPT)
def test_a_layer_is_read_as_filters_on_the_pictures_grid_however_it_is_laid_out(what, side: int):
    """Also where images, filters, rows and columns are of one number."""
    x = planted(3, side)
    assert torch.equal(run_layers(Then(what).eval(), ["after"], x)["after"], x)


def attention(x: torch.Tensor) -> torch.Tensor:
    """(image, head, token, token)."""
    tokens = x.flatten(2).mT[:, None]
    return (tokens @ tokens.mT).softmax(-1)


def by_numpy(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(x.numpy().copy())


REFUSED = {
    "attention": attention,
    "a function that is not followed": lambda x: by_numpy(x.permute(0, 2, 3, 1)),
    "no picture": lambda x: torch.zeros(len(x), 2, 3, 4),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED.values(), ids=REFUSED)
def test_unknown_axes_are_refused_in_one_line(what):
    with pytest.raises(BadInput, match=r"^layer after: which axes of its output .* is unknown; [^\n]*$"):
        run_layers(Then(what).eval(), ["after"], planted(2, 4))


def test_unknown_axes_are_settled_by_the_convolution_that_takes_them():
    net = nn.Sequential(Then(by_numpy), nn.Conv2d(3, 1, 1)).eval()
    assert torch.equal(run_layers(net, ["0.after"], planted(2, 4))["0.after"], planted(2, 4))


# ---- torchvision's blocks, small


def swin() -> nn.Module:
    return SwinTransformer([4, 4], 8, [2, 1], [2, 2], [2, 2], num_classes=5)


def convnext_() -> nn.Module:
    settings = [convnext.CNBlockConfig(8, 16, 1), convnext.CNBlockConfig(16, None, 1)]
    return convnext.ConvNeXt(settings, num_classes=5)


def maxvit() -> nn.Module:
    return MaxVit((32, 32), 8, 4, [8, 16], [1, 1], 4, 0.0, num_classes=5)


def raw(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What hooks of torch see, four axes."""
    seen: dict[str, torch.Tensor] = {}

    def hook_for(name: str, _part: nn.Module, _given: tuple, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            seen[name] = output.clone()

    handles = [part.register_forward_hook(partial(hook_for, name)) for name, part in module.named_modules() if name]
    with torch.inference_mode():
        module(x)
    for handle in handles:
        handle.remove()
    return seen


def swins(name: str) -> bool:
    """Swin is channels last from its first permute to its last."""
    return not (name == "features.0.0" or name.startswith(("permute", "avgpool")))


def convnexts(name: str) -> bool:
    """A block from its first Permute to before its last: norm, Linear, GELU, Linear."""
    return any(f".block.{i}" in name for i in range(1, 6))


@pytest.mark.parametrize(("make", "last"), [(swin, swins), (convnext_, convnexts)])
def test_transformers_layers_are_turned_and_their_convolutions_are_not(make, last):
    """The first grid is 8 x 8 of 8 filters: its shape does not show the axes."""
    torch.manual_seed(0)
    network = load_network(make, preprocessing={"size": 32, "mean": 0, "std": 1})
    x = torch.randn(2, 3, 32, 32)
    expected = {n: y.permute(0, 3, 1, 2) if last(n) else y for n, y in raw(network.module, x).items()}
    assert sum(map(last, expected)) > 9 and not all(map(last, expected))
    seen = run_layers(network.module, list(expected), x)
    assert all(torch.equal(seen[name], y) for name, y in expected.items())
    table = network.layers().set_index("name")["shape"]
    assert table.to_dict() == {name: tuple(y.shape[1:]) for name, y in expected.items()}
    assert network.permuted == [name for name in expected if last(name)]
    assert network.windows(network.permuted[0]) is None


def test_maxvits_layers_inside_its_windows_are_read_as_the_picture_that_the_windows_are_put_together_to():
    torch.manual_seed(0)
    network = load_network(maxvit, preprocessing={"size": 32, "mean": 0, "std": 1})
    x = torch.randn(3, 3, 32, 32)
    names = list(raw(network.module, x))
    assert set(names) <= set(network.layers()["name"]) and "blocks.0.layers.0.layers.conv_layer" not in network.permuted
    inside = "blocks.0.layers.0.layers.{}_attention.mlp_layer.4"  # followed by nothing but the way back to the picture
    back = "blocks.0.layers.0.layers.{}_attention.departition_op"
    for kind in ("window", "grid"):
        seen = run_layers(network.module, [inside.format(kind), back.format(kind)], x)
        first = inside.format(kind).replace("mlp_layer.4", "partition_op")
        given = run_layers(network.module, [first], x)[first]
        before = "blocks.0.layers.0.layers." + ("layers.pre_norm" if kind == "window" else "window_attention")
        assert seen[back.format(kind)].shape == seen[inside.format(kind)].shape == given.shape
        if kind == "grid":
            assert torch.equal(given, run_layers(network.module, [before], x)[before])


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mobilenet_v3_small", "squeezenet1_1"])
def test_every_layer_of_a_convolutional_network_stands(name: str):
    with torch.device("meta"):  # shapes only
        module = get_model(name, weights=None).eval()
        names = list(raw(module, torch.zeros(1, 3, 64, 64)))
    network = Network(name, module, shown(64), "none", fingerprint="none")
    assert list(network.layers()["name"]) == names and not network.permuted


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 1, -1, (2, 3), [0, -2]])
def test_axes_behind_a_sum_are_those_that_it_leaves(dim, keepdim):
    value = torch.zeros(2, 3, 5, 7)
    assert following._reduced(value, dim, keepdim).shape == value.sum(dim, keepdim).shape


def test_to_list_layers_imports_no_compiler_of_torchs():
    code = (
        "import sys, n2vlib, torch; before = 'sympy' in sys.modules\n"
        "n2vlib.load_network('small-alexnet').layers(); print(before or 'sympy' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


# ---- what reads layers


def test_a_turned_layer_is_dissected_kept_and_listed_like_any_other(tmp_path, capsys):
    """The same convolution, with and without a permute behind it."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 4, 4)

    class Permuted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(0, 2, 3, 1)

    probe = probe_in(tmp_path, 8)
    network = Network("turned", nn.Sequential(conv, Permuted(), nn.Identity()), shown(32), "random")
    got = read_layers(network, ["0", "2"], probe, tau=0.05, device="cpu", store=Store(str(tmp_path / "store")))
    assert got["2"].shape == got["0"].shape == (8, 8, 8)
    assert (got["2"].thresholds == got["0"].thresholds).all() and (got["2"].fired[1] == got["0"].fired[1]).all()
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass P(nn.Module):\n    def forward(self, x):\n        return x.permute(0, 2, 3, 1)\n"
        "def build():\n    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), P()), {'size': 32, 'mean': 0, 'std': 1}\n"
    )
    list_layers(f"{tmp_path}/net.py:build")
    assert capsys.readouterr().out.splitlines()[-1].endswith("since their output has another order: 1")


def test_filters_of_a_turned_layer_are_taken_away_as_a_hook_by_hand_does_it():
    torch.manual_seed(0)
    network = load_network(convnext_, preprocessing={"size": 32, "mean": 0, "std": 1})
    name, x = "features.3.0.block.3", torch.randn(2, 3, 32, 32)
    with pytest.raises(BadInput, match="bypasses it"):  # the block's residual path
        Downstream(network.module, name, x)

    class Straight(nn.Sequential):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return self[2](self[1](self[0](input).permute(0, 2, 3, 1))).mean((1, 2))

    net = Straight(nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 5)).eval()
    activations, downstream = run_layers(net, ["1"], x)["1"], Downstream(net, "1", x)
    (told,) = downstream.without(activations, [[1, 6]])
    handle = net[1].register_forward_hook(
        lambda _m, _a, y: y * (torch.tensor([1, 6])[:, None] != torch.arange(8)).all(0)
    )
    torch.testing.assert_close(told, net(x))
    handle.remove()
