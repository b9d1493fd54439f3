"""The small vision transformer: torch's own encoder as the oracle, and what its tokens are."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

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
