"""Tokens as grids: planted cells behind class tokens and registers, and what is refused."""

from collections.abc import Callable

import pytest
import torch
from test_axes import Then, planted, windows
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.networks.hooks import run_layers


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
