"""Vision transformer, small (after Dosovitskiy et al., 2021), with registers (Darcet et al., 2024)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.zoo.architectures.parts import OUTPUTS


class Attention(nn.Module):
    """Self-attention of several heads, each on its own channels of the queries, keys and values.

    qkv    linear, to queries, keys and values, side by side
    proj   linear, from what the heads put out, side by side
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.num_heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        images, tokens, width = x.shape
        split = self.qkv(x).reshape(images, tokens, 3, self.num_heads, width // self.num_heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(queries, keys, values)
        return self.proj(seen.transpose(1, 2).reshape(images, tokens, width))


class MLP(nn.Module):
    """Two linear layers on each token alone; the hidden units are after the GELU (`act`)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Attention, then an MLP; each reads the residual stream through a norm (pre-norm) and adds to it."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class SmallViT(nn.Module):
    """A pre-norm vision transformer on patches of 8 x 8 pixels: 14 x 14 tokens of an image, as conv5 has cells.

    Before them stand the class token and the registers, which have no place in the image.

    patch_embed  convolution from patches to tokens
    positions    learned, added to the patches' tokens; resized for images of another size
    blocks       the residual stream after each of them
    head         linear, on the class token after the last norm
    width        channels of the residual stream;  hidden: units of each MLP
    """

    def __init__(
        self,
        outputs: int = OUTPUTS,
        width: int = 96,
        depth: int = 4,
        heads: int = 4,
        hidden: int = 384,
        registers: int = 4,
    ):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, 8, 8)
        self.positions = nn.Parameter(0.02 * torch.randn(1, width, 14, 14))
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.reg_token = nn.Parameter(0.02 * torch.randn(1, registers, width))
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output) of preprocessed images, float32 (image, 3, height, width)."""
        grid = self.patch_embed(images)
        positions = self.positions
        if grid.shape[2:] != positions.shape[2:]:
            positions = F.interpolate(positions, size=grid.shape[2:], mode="bilinear", align_corners=False)
        patches = (grid + positions).flatten(2).transpose(1, 2)
        before = [token.expand(len(images), -1, -1) for token in (self.cls_token, self.reg_token)]
        tokens = self.norm(self.blocks(torch.cat([*before, patches], dim=1)))
        return self.head(tokens[:, 0])
