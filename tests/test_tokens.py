"""Tokens as grids: planted cells behind class tokens and registers, and what is refused."""

from collections.abc import Callable

import pytest
import torch
from test_axes import Then, planted, windows
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.cli.networks import layers as list_layers
from n2vlib.errors import BadInput
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import load_network


def read(what: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return run_layers(Then(what).eval(), ["after"], x)["after"]


def flat(x: Tensor) -> Tensor:
    """(image, token, channel)."""
    return x.flatten(2).mT


def others(x: Tensor, n: int) -> Tensor:
    """Class tokens and registers: as many for every image."""
    return -torch.ones(1, n, x.shape[1]).expand(len(x), -1, -1)


def shifted(x: Tensor) -> Tensor:
    """The windows of a picture that is rolled, as in Swin."""
    return windows(x.roll((-1, -1), (2, 3)))


TOKENS = {
    "alone": flat, "class first": lambda x: torch.cat([others(x, 1), flat(x)], 1),
    "class last": lambda x: torch.cat((flat(x), others(x, 1)), dim=1),
    "class and registers": lambda x: torch.cat([others(x, 1), others(x, 4), flat(x)], 1),
    "registers between": lambda x: (lambda t: torch.cat([t[:, :1], others(x, 8), t[:, 1:]], 1))(
        torch.cat([others(x, 1), flat(x)], 1)
    ),
    "class cut off": lambda x: torch.cat([others(x, 1), flat(x)], 1)[:, 1:],
    "as many others as cells": lambda x: torch.cat([others(x, 16), flat(x)], 1),
    "split off": lambda x: torch.cat([flat(x), others(x, 3)], 1).split([16, 3], 1)[0],
    "one token moved": lambda x: (lambda t: torch.cat([t[:, 5:6], t[:, :5], t[:, 6:]], 1))(
        torch.cat([flat(x), others(x, 2)], 1)
    ),
    "reversed": lambda x: flat(x).flip(1), "rolled": lambda x: torch.cat([others(x, 1), flat(x)], 1).roll(3, 1),
    "channels joined": lambda x: torch.cat(torch.cat([others(x, 1), flat(x)], 1).split([1, 2], -1), -1)[:, :, None],
    "channels first": lambda x: torch.cat([others(x, 1).mT, x.flatten(2)], 2),
    "tokens first": lambda x: torch.cat([others(x, 1), flat(x)], 1).transpose(0, 1),
    "images and tokens joined": lambda x: flat(x).reshape(-1, 3),
    "through a network": lambda x: F.gelu(F.layer_norm(torch.cat([others(x, 1), flat(x)], 1), (3,))) * 0
    + torch.cat([others(x, 1), flat(x)], 1) @ torch.eye(3) + torch.zeros(1, 17, 3),
    "attention": lambda x: (lambda t: F.scaled_dot_product_attention(t[:, None], t[:, None], t[:, None])[:, 0] * 0 + t)(
        torch.cat([others(x, 1), flat(x)], 1)
    ),
    "pooled by a class token": lambda x: flat(x) + torch.cat([others(x, 1), flat(x)], 1).mean(1, keepdim=True) * 0,
    "windows": windows, "windows last": lambda x: windows(x).movedim(3, 1),
    "one axis more": lambda x: flat(x)[:, None],
    "windows among images": lambda x: windows(x).reshape(-1, 4, 3), "shifted windows": shifted,
    "shifted back": lambda x: x.roll((-1, -1), (2, 3)).roll((1, 1), (2, 3)).permute(0, 2, 3, 1),
    "rows": lambda x: x.reshape(len(x), 3, 2, -1), "patches": lambda x: F.pixel_unshuffle(x, 1).flatten(2).mT,
    "unfolded": lambda x: F.unfold(x, 1).mT, "unfolded, overlapping": lambda x: F.unfold(x, 3, padding=1)[:, 4::9].mT,
    "unfolded among images": lambda x: nn.Unfold((1, 1))(x).mT.reshape(-1, 1, 3),
}  # fmt: skip


@pytest.mark.parametrize("what", TOKENS.values(), ids=TOKENS)
def test_tokens_are_read_as_the_grid_whose_cells_they_are_whatever_stands_among_them(what):
    """Every number says its image, filter, row and column; 17 tokens are no square, and 25 are one that is no grid."""
    x = planted(3, 4)
    assert torch.equal(read(what, x), x)


def test_grids_that_are_not_square_and_images_of_another_size_are_read_as_well():
    x = planted(2, 6)[:, :, :4]
    net = Then(TOKENS["class and registers"]).eval()
    assert torch.equal(run_layers(net, ["after"], x)["after"], x)
    assert torch.equal(run_layers(net, ["after"], planted(2, 5))["after"], planted(2, 5))
    row = planted(2, 6)[:, :, :1]
    assert torch.equal(run_layers(Then(TOKENS["class first"]).eval(), ["after"], row)["after"], row)


def test_windows_that_do_not_overlap_are_a_coarser_grid_behind_a_class_token_too():
    x = planted(2, 6)[:, :, :4]
    corners = read(lambda x: torch.cat([others(x, 1), F.unfold(x, 2, stride=2)[:, ::4].mT], 1), x)
    assert torch.equal(corners, x[:, :, ::2, ::2])


def test_a_class_token_cut_off_one_grid_stands_before_the_next_coarser_one():
    x = planted(2, 6)

    def pooled(x: Tensor) -> Tensor:
        tokens = torch.cat([others(x, 2), flat(x)], 1)
        return torch.cat([tokens[:, :2] @ torch.eye(3), flat(tokens[:, 2:].mT.reshape(x.shape)[:, :, ::2, 1::2])], 1)

    assert torch.equal(read(pooled, x), x[:, :, ::2, 1::2])


def by_content(x: Tensor) -> Tensor:
    order = flat(x).sum(2).argsort(1)
    return flat(x).gather(1, order[..., None].expand(-1, -1, 3))


REFUSED = {
    "half of the tokens": lambda x: flat(x)[:, :8], "every other token": lambda x: flat(x)[:, ::2],
    "by what the image shows": by_content, "one image at a time": lambda x: flat(x[:1]).expand(len(x), -1, -1),
    "sorted": lambda x: flat(x).sort(1)[0], "chosen by a mask": lambda x: flat(x)[:, flat(x)[0, :, 0] > -1],
    "twice": lambda x: torch.cat([flat(x), flat(x)], 1), "class token only": lambda x: others(x, 1) + flat(x)[:, :1],
    "one token twice": lambda x: torch.cat([others(x, 1), flat(x)[:, 1:], flat(x)[:, :1], flat(x)[:, :1]], 1),
    "one cell for another": lambda x: torch.cat([flat(x)[:, :15], others(x, 1)], 1),
    "two orders added": lambda x: flat(x) + torch.cat([flat(x)[:, 1:], flat(x)[:, :1]], 1),
    "queries": lambda x: F.scaled_dot_product_attention(torch.ones(len(x), 16, 3), flat(x), flat(x)),
    "attention": lambda x: (flat(x) @ flat(x).mT).softmax(-1),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED.values(), ids=REFUSED)
def test_tokens_whose_cells_are_unknown_are_refused_in_one_line(what):
    """Among them sixteen tokens that could be the 4 x 4 grid by their number alone."""
    with pytest.raises(BadInput, match=r"^layer after: which entries of its output .* is unknown; [^\n]*$"):
        read(what, planted(2, 4))


def test_a_square_of_tokens_with_registers_is_not_taken_for_a_grid():
    """Twenty cells are no square; with a class token and four registers they are 25 tokens, which could be 5 x 5."""
    x = planted(2, 5)[:, :, :4]
    assert torch.equal(read(TOKENS["class and registers"], x), x)
    with pytest.raises(BadInput, match="height and width is unknown"):
        read(lambda x: TOKENS["class and registers"](x).unflatten(1, (5, 5)), x)


@pytest.mark.parametrize("kind", [nn.TransformerEncoderLayer, nn.MultiheadAttention])
@pytest.mark.parametrize("first", [True, False])
def test_torchs_own_attention_is_read_on_its_fast_path_as_without_it(kind, first: bool):
    torch.manual_seed(0)
    width = {"dim_feedforward": 16, "dropout": 0.0} if kind is nn.TransformerEncoderLayer else {}
    block = kind(8, 2, batch_first=first, **width).eval()

    class Blocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.block, self.out = nn.Conv2d(3, 8, 2, 2), block, nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            t = torch.cat([torch.ones(len(x), 1, 8), self.conv(x).flatten(2).mT], 1)
            t = t if first else t.transpose(0, 1)
            return self.out(self.block(t) if kind is nn.TransformerEncoderLayer else self.block(t, t, t)[0])

    net, x = Blocks().eval(), torch.randn(2, 3, 8, 12)
    with torch.inference_mode():
        expected = net(x) if first else net(x).transpose(0, 1)
    expected = expected[:, 1:].mT.unflatten(2, (4, 6))
    torch.testing.assert_close(run_layers(net, ["out"], x)["out"], expected)


# ---- heads, and outputs of several


class Attention(nn.Module):
    """As in timm: one matrix for queries, keys and values, and a projection."""

    def __init__(self, count: str = "num_heads", projection: str = "proj"):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        setattr(self, count, 2)
        setattr(self, projection, nn.Linear(8, 8))
        self.out = getattr(self, projection)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Blocks(nn.Module):
    """A class token and 4 x 6 cells; an attention and a residual path."""

    def __init__(self, attention: nn.Module):
        super().__init__()
        self.conv, self.attn = nn.Conv2d(3, 8, 2, 2), attention

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([torch.ones(len(x), 1, 8), self.conv(x).flatten(2).mT], 1)
        return x + (self.attn(x, x, x)[0] if isinstance(self.attn, nn.MultiheadAttention) else self.attn(x))


def by_loops(tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What two heads of four channels say at every cell: (image, head, channel, h, w)."""
    found = torch.zeros(len(tokens), 2, 4, 4, 6)
    for i, each in enumerate(tokens):
        q, k, v = (each @ weight.T + bias).split(8, 1)
        for head in range(2):
            own = slice(4 * head, 4 * head + 4)
            for token in range(1, 25):
                shares = torch.stack([q[token, own] @ k[other, own] / 2 for other in range(25)]).softmax(0)
                said = sum(shares[other] * v[other, own] for other in range(25))
                found[i, head, :, (token - 1) // 6, (token - 1) % 6] = said  # pyright: ignore
    return found


@pytest.mark.parametrize("kind", ["torch", "timm", "own names"])
def test_heads_are_read_before_the_projection_and_equal_explicit_loops(kind: str):
    torch.manual_seed(0)
    attention = {
        "torch": lambda: nn.MultiheadAttention(8, 2, batch_first=True), "timm": Attention,
        "own names": lambda: Attention("n_heads", "last"),
    }[kind]()  # fmt: skip
    net, x, heads = (
        Blocks(attention).eval(),
        torch.randn(2, 3, 8, 12),
        "attn.heads" if kind != "own names" else "attn.last.heads",
    )
    names = [heads, f"{heads}[1]", f"{heads}.norm"]
    seen = run_layers(net, names, x)
    with torch.inference_mode():
        tokens = torch.cat([torch.ones(2, 1, 8), net.conv(x).flatten(2).mT], 1)
        own = (attention.in_proj_weight, attention.in_proj_bias) if kind == "torch" else attention.qkv.parameters()  # pyright: ignore
        expected = by_loops(tokens, *own)  # pyright: ignore
        whole = net(x)
    torch.testing.assert_close(seen[heads], expected.flatten(1, 2))
    torch.testing.assert_close(seen[names[1]], expected[:, 1])
    torch.testing.assert_close(seen[names[2]], expected.norm(dim=2))
    with torch.inference_mode():  # nothing is left behind
        assert torch.equal(net(x), whole)
    assert not attention._forward_pre_hooks and not any(part._forward_pre_hooks for part in net.modules())


def test_a_projection_that_is_never_called_and_heads_that_are_not_known_are_one_line():
    net = Blocks(nn.MultiheadAttention(8, 2, batch_first=True)).eval()
    with pytest.raises(BadInput, match=r"^layer attn.out_proj: .* does not call it; .* take attn\[0\], .* attn.heads"):
        run_layers(net, ["attn.out_proj"], torch.zeros(1, 3, 8, 12))
    with pytest.raises(BadInput, match="heads are numbered from 0 to 1"):
        run_layers(net, ["attn.heads[2]"], torch.zeros(1, 3, 8, 12))
    with pytest.raises(BadInput, match="layer conv.heads: Conv2d has no output projection"):
        run_layers(net, ["conv.heads"], torch.zeros(1, 3, 8, 12))
    own = Blocks(Attention("many", "last")).eval()
    with pytest.raises(BadInput, match="the number of heads is unknown; set num_heads on the module attn.last"):
        run_layers(own, ["attn.last.heads.norm"], torch.zeros(1, 3, 8, 12))
    with pytest.raises(BadInput, match="write PROJECTION.heads with its own name"):
        run_layers(own, ["attn.heads"], torch.zeros(1, 3, 8, 12))


def test_layers_of_a_transformer_are_listed_with_heads_and_without_a_receptive_field_behind_attention():
    net = Blocks(nn.MultiheadAttention(8, 2, batch_first=True))
    network = load_network(net, preprocessing={"size": [8, 12], "mean": 0, "std": 1})
    table = network.layers().set_index("name")
    assert table["shape"].to_dict() == dict.fromkeys(["conv", "attn.heads", "attn[0]"], (8, 4, 6))
    assert table["receptive_field"].isna().tolist() == [False, True, True]
    assert network.layer('attn["0"]') == "attn[0]" and network.layer("attn.heads['1']") == "attn.heads[1]"
    assert network.other_tokens == {"attn.heads": 1, "attn[0]": 1}
    with pytest.raises(BadInput, match="no such module"):
        network.layer("atn.heads")


def test_the_command_names_heads_and_says_what_is_left_out(tmp_path, capsys):
    source = "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n"
    source += "        super().__init__()\n        self.conv = nn.Conv2d(3, 8, 2, 2)\n"
    source += "        self.attn = nn.MultiheadAttention(8, 2)\n"
    source += "    def forward(self, x):\n        t = self.conv(x).flatten(2).permute(2, 0, 1)\n"
    source += "        t = torch.cat([torch.ones(3, len(x), 8), t])\n        return self.attn(t, t, t)[0]\n"
    source += "def build():\n    return Net(), {'size': 8, 'mean': 0, 'std': 1}\n"
    (tmp_path / "net.py").write_text(source)
    list_layers(f"{tmp_path}/net.py:build")
    *table, permuted, others = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[1:]] == ["conv", "attn.heads", "attn[0]"]
    assert permuted.endswith("another order: attn.heads, attn[0]")
    assert others.endswith("are not read: 3 tokens of attn.heads, attn[0]")


def test_one_of_several_outputs_is_chosen_by_its_key_or_its_position():
    class Pyramid(nn.Module):
        def forward(self, x: Tensor) -> dict[str, object]:
            return {"out": x, "aux": (x * 2, None), "number": 3}

    net, x = nn.Sequential(nn.Identity(), Pyramid()).eval(), planted(2, 4)
    names = ['1["out"]', "1[out]", "1['aux'][0]", "[out]"]
    for name, seen in run_layers(net, names, x).items():
        assert torch.equal(seen, x * (2 if "aux" in name else 1))
    network = load_network(net, preprocessing={"size": 4, "mean": 0, "std": 1})
    assert list(network.layers()["name"]) == ["0", "1[out]"]
    for name, message in {
        "1[in]": r"no \[in\]; there are \[out\], \[aux\], \[number\]", "1[aux][7]": r"there are \[0\], \[1\]",
        "0[0]": "a Tensor is no dict or tuple; leave", "1": "its output is a dict", "1[number]": "its output is a int",
        "1[aux][1]": "its output is a NoneType",
    }.items():  # fmt: skip
        with pytest.raises(BadInput, match=message):
            run_layers(net, [name], x)


# ---- a network from a layer of tokens on


class Classifier(nn.Module):
    """Two residual blocks of tokens with a class token, whose last value is the scores'."""

    def __init__(self, n_registers: int = 0):
        super().__init__()
        self.n_registers = n_registers
        self.conv, self.head = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 5)
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True) for _ in range(2))
        )

    def forward(self, x: Tensor) -> Tensor:
        images, *_ = x.shape
        cells = self.conv(x).reshape(images, 8, -1).mT
        x = torch.cat([torch.ones(images, 1 + self.n_registers, 8), cells], 1)
        return self.head(self.blocks(x)[:, 0])


@pytest.mark.parametrize("n_registers", [0, 3])
def test_filters_of_tokens_are_removed_in_the_cells_and_class_tokens_are_kept(n_registers: int):
    torch.manual_seed(0)
    net, x, name = Classifier(n_registers).eval(), torch.randn(3, 3, 8, 12), "blocks.0"
    activations, downstream = run_layers(net, [name], x)[name], Downstream(net, name, x[:2])
    others = downstream.others(x)
    assert others is not None and others.shape == (3, 1 + n_registers, 8)
    with torch.inference_mode():
        tokens = net.blocks[0](torch.cat([torch.ones(3, 1 + n_registers, 8), net.conv(x).flatten(2).mT], 1))
        tokens[:, 1 + n_registers :, [1, 6]] = 0
        expected = net.head(net.blocks[1](tokens)[:, 0])
    torch.testing.assert_close(next(downstream.without(activations, [[1, 6]], others)), expected)
    torch.testing.assert_close(downstream(activations, others), net(x).detach())
    with pytest.raises(BadInput, match="layer blocks.0: it has class tokens or registers; give those of the images"):
        downstream(activations)
    with pytest.raises(BadInput, match="layer blocks.0.linear1: a path of the network bypasses it"):
        Downstream(net, "blocks.0.linear1", x)
    with pytest.raises(BadInput, match="layer blocks.0.self_attn.heads: it is not all that its module puts out"):
        Downstream(net, "blocks.0.self_attn.heads", x)


# ---- tokens of which the network says what they are


class Hidden(nn.Module):
    """The pass leaves torch, so that nothing shows which token is which cell."""

    def __init__(self):
        super().__init__()
        self.inner = Then(lambda x: torch.from_numpy(TOKENS["class and registers"](x).numpy().copy()))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_a_network_can_say_itself_which_tokens_are_cells():
    """Twenty cells, a class token and four registers: 25 tokens, which are no 5 x 5."""
    net, x = Hidden().eval(), planted(3, 5)[:, :, :4]
    name = "inner.after"
    with pytest.raises(BadInput, match=r"is unknown; .* let the network say it: network.n2v_tokens = "):
        run_layers(net, [name], x)
    network = load_network(Hidden(), preprocessing={"size": [4, 5], "mean": 0, "std": 1})
    network.module.n2v_tokens = {"before": 5, "grid": [4, 5]}  # pyright: ignore[reportArgumentType]
    assert torch.equal(run_layers(network.module, [name], x)[name], x)
    assert network.layers().set_index("name").loc[name, "shape"] == (3, 4, 5)
    for said, message in {
        "a": 'n2v_tokens is 5; write, for instance, network.n2v_tokens = {"before": 1',
        "b": r"says 1 \+ 5 x 5 \+ 0 tokens, and the layer has 25",
    }.items():
        other = Hidden().eval()
        other.inner.n2v_tokens = 5 if said == "a" else {"before": 1, "grid": (5, 5)}  # pyright: ignore
        with pytest.raises(BadInput, match=message):
            run_layers(other, [name], x)
