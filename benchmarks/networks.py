"""Which layers of networks are read: every torchvision network for images, and timm's families: writes NETWORKS.md.

    python benchmarks/networks.py [NETWORK ...]      with names (vit_b_16, timm:beit_base_patch16_224), only prints

Random weights; torchvision's classification and segmentation networks as shapes only. Where layers are channels last,
tokens or windows, a planted patch shows where their cells lie: the pixels of one square change, and the cell that
changes most, if it stands out, must lie in that square; what convolutions see beside it is left out. (Networks of less
than 500 million parameters.) Takes an hour on one core, and goes on where it was interrupted: delete
build/networks.json to begin again. timm is optional: pip install "n2vlib[timm]".
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import torch
import torchvision
from executed import markdown
from receptive_fields import shapes_only
from torch import nn

from n2vlib.errors import BadInput
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.paths import ROOT

TIMM = [  # a small network of every family, and of some of the larger families more
    "vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224", "beit_base_patch16_224", "eva02_tiny_patch14_224", "cait_xxs24_224",
    "xcit_nano_12_p16_224", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "swin_s3_tiny_224",
    "maxvit_tiny_tf_224", "coatnet_nano_rw_224", "convnext_atto", "convnextv2_atto", "pvt_v2_b0", "twins_svt_small",
    "mvitv2_tiny", "hiera_tiny_224", "davit_tiny", "nest_tiny", "levit_128s", "tnt_s_patch16_224", "mobilevit_xxs",
    "efficientformer_l1", "poolformer_s12", "mixer_s32_224", "resmlp_12_224", "gmlp_ti16_224", "volo_d1_224",
    "crossvit_tiny_240", "vit_base_patch16_siglip_224", "mobilenetv4_conv_small", "fastvit_t8", "inception_next_atto",
    "edgenext_xx_small", "test_byobnet", "coat_tiny", "convit_tiny", "cpubone_nano", "csatv2", "efficientformerv2_s0",
    "efficientvim_m1", "efficientvit_b0", "efficientvit_m0", "focalnet_tiny_srf", "gcvit_xxtiny", "sam2_hiera_tiny",
    "iformer_t", "lowformer_b0", "test_mambaout", "nextvit_small", "pit_ti_224", "sequencer2d_s", "shvit_s1",
    "swiftformer_xs", "swinv2_cr_tiny_224", "tiny_vit_5m_224", "visformer_tiny", "vit_tiny_r_s16_p8_224",
    "test_vit_relpos", "samvit_base_patch16_224", "vitamin_small_224", "halonet_h1", "convmixer_768_32",
    "cs3darknet_focus_s", "cspnext_tiny", "densenet121", "dla46x_c", "dpn48b", "mobilenetv2_035", "fasternet_t0",
    "ghostnet_050", "hardcorenas_b", "hgnetv2_b0", "hrnet_w18_small", "inception_resnet_v2", "inception_v3",
    "inception_v4", "lcnetv2_small", "nasnetalarge", "test_nfnet", "pnasnet5large", "rdnet_tiny",
    "regnetx_002", "repghostnet_050", "repvit_m1", "res2next50", "resnest14d", "test_resnet", "resnetv2_18",
    "rexnet_100", "selecsls42", "legacy_seresnet18", "skresnet18", "starnet_s050", "tresnet_m",
    "ese_vovnet19b_slim_dw", "legacy_xception", "xception41p", "vgg11", "naflexvit_base_patch16_gap", "qwen3_vit_88m",
    "mobilenetv5_base", "gemma4_vit_167m", "deepseek_vit_412m",
]  # fmt: skip
BOX = (2, 3)  # the square of the planted patch, in 32 x 32 pixels
DONE = ROOT / "build" / "networks.json"
STANDS_OUT = 2  # times the largest change more than 32 pixels from the square
FLAT = 4  # times the median change: below, a layer that mixes all cells (gmlp) differs from cell to cell by chance


@dataclass
class Found:
    """One network: how many of its modules put out tensors of three axes or more, and how much of it is read.

    read      outputs that are read as a grid, those of heads among them
    other     of these, in another order than (image, filter, h, w): channels last, tokens, windows
    placed    of these, layers in which the planted patch stands out; wrong: those where it lies elsewhere
    """

    network: str
    modules: int
    read: int
    other: int
    placed: int
    wrong: int
    note: str = ""


def makers(names: list[str]) -> Iterator[tuple[str, Callable[[], Network]]]:
    every = [*torchvision.models.list_models(exclude=["r3d*", "mc3*", "r2plus1d*", "s3d", "mvit*", "swin3d*", "raft*"])]
    every = [name for name in every if not name.startswith("quantized_")]
    try:
        import timm

        every += [f"timm:{name}" for name in TIMM if name in timm.list_models()]
    except ImportError:
        pass
    for name in names or every:
        yield name, lambda name=name: load_network(name) if name.startswith("timm:") else of_torchvision(name)


def of_torchvision(name: str, device: str = "meta") -> Network:
    """With random weights; as shapes only, except detectors, which are made for small images."""
    if "detection" in torchvision.models.get_model_builder(name).__module__:
        sizes = {} if name.startswith("ssd") else {"min_size": 128, "max_size": 128}
        return named(torchvision.models.get_model(name, weights=None, weights_backbone=None, **sizes), name)
    with shapes_only() if device == "meta" else nullcontext():
        builder = torchvision.models.get_model_builder(name)
        backbone = {"weights_backbone": None} if "segmentation" in builder.__module__ else {}
        return named(torchvision.models.get_model(name, weights=None, **backbone).to(device), name)


def named(module: nn.Module, name: str) -> Network:
    side = 299 if name.startswith("inception") else 224
    return Network(name, module, Preprocessing((side, side), (0.5,) * 3, (0.25,) * 3), "random", fingerprint="none")


def with_axes(network: Network) -> set[str]:
    """The modules that put out a tensor of three axes or more for two images."""
    seen: set[str] = set()

    def hook_of(name: str) -> Callable[..., None]:
        return lambda _m, _a, output: seen.add(name) if isinstance(output, torch.Tensor) and output.ndim > 2 else None

    hooks = [part.register_forward_hook(hook_of(name)) for name, part in network.module.named_modules() if name]
    with torch.inference_mode():
        like = next(network.module.parameters())
        network.module(torch.zeros(2, network.preprocessing.channels, *network.preprocessing.size, device=like.device))
    for hook in hooks:
        hook.remove()
    return seen


def placed(network: Network, names: list[str]) -> tuple[int, list[str]]:
    """In how many layers the patch stands out, and in which of them elsewhere than in the image."""
    height, width = network.preprocessing.size
    x = torch.randn(1, network.preprocessing.channels, height, width, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, :, BOX[0] * 32 : BOX[0] * 32 + 32, BOX[1] * 32 : BOX[1] * 32 + 32] *= -1
    before, after = (run_layers(network.module, names, each) for each in (x, changed))
    n, wrong = 0, []
    for name in names:
        change = (before[name] - after[name]).abs().sum((0, 1))
        inside, near = (around(change.shape, (height, width), pixels) for pixels in (0, 32))
        if min(change.shape) > 4:
            here, elsewhere = float(change[inside].max()), float(change[~near].max())
            mixed = elsewhere > here and elsewhere < FLAT * float(change.median())  # each cell of all cells
            n += max(here, elsewhere) > STANDS_OUT * min(here, elsewhere) and not mixed
            wrong += [name] if elsewhere > STANDS_OUT * here and not mixed else []
    return n, wrong


def around(grid: torch.Size, size: tuple[int, int], pixels: int) -> torch.Tensor:
    """Which cells of a grid on an image of that size overlap with the square, or with so many pixels around it."""
    along = []
    for cells, side, box in zip(grid, size, BOX, strict=True):
        first = torch.arange(cells) * side / cells
        along.append((first < 32 * box + 32 + pixels) & (first + side / cells > 32 * box - pixels))
    return along[0][:, None] & along[1]


def examine(name: str, make: Callable[[], Network]) -> Found:
    try:
        network = make()
        grids = network._grids
    except BadInput as failure:
        return Found(name, 0, 0, 0, 0, 0, str(failure)[:100])
    modules = with_axes(network)
    other = [layer for layer in network.permuted if layer in modules or "heads" in layer]
    read, n, wrong = sum(layer in modules or "heads" in layer for layer in grids), 0, []
    if other and sum(values.numel() for values in network.module.parameters()) < 5e8:
        n, wrong = placed(network if name.startswith("timm:") else of_torchvision(name, "cpu"), other)
    note = ", ".join(wrong) or network.unfinished
    return Found(name, len(modules), read, len(other), n, len(wrong), note[:100])


def main(names: list[str]) -> None:
    rows = [] if names or not DONE.exists() else [Found(**row) for row in json.loads(DONE.read_text())]
    known = {row.network for row in rows}
    for name, make in makers(names):
        if name not in known:
            torch.manual_seed(0)
            rows.append(examine(name, make))
            print(rows[-1], flush=True)
            if not names:
                DONE.parent.mkdir(exist_ok=True)
                DONE.write_text(json.dumps([asdict(row) for row in rows]))
    table = pd.DataFrame(rows)
    if not names:
        Path(__file__).with_name("NETWORKS.md").write_text(page(table), encoding="utf-8")
    if table["wrong"].any():
        raise SystemExit(f"{table['wrong'].sum()} layers lie elsewhere")


def families(names: list[str]) -> str:
    """Of how many of timm's families (its modules) one is among these networks."""
    try:
        import timm
    except ImportError:
        return "timm is not installed."
    every = timm.list_modules()
    missing = [each for each in every if not {*names} & {*timm.list_models(module=each)}]
    tried = f"timm {timm.__version__}: {len(every) - len(missing)} of its {len(every)} families are tried."
    return f"{tried} Not tried: {', '.join(missing)}." if missing else tried


def page(table: pd.DataFrame) -> str:
    total = table[["modules", "read", "other", "placed", "wrong"]].sum()
    return f"""# Layers of networks that are read

Written by `python benchmarks/networks.py`: {len(table)} networks with random weights, those with `timm:` of timm.
{total["modules"]:,} modules put out tensors of three axes or more; {total["read"]:,} outputs, the heads of attentions
among them, are read as a grid, {total["other"]:,} of them in another order: channels last, tokens, windows. A planted
patch stands out in {total["placed"]:,} of these, and lies elsewhere than in the image in {total["wrong"]}. Not read are
attention itself (token by token), and what is made of boxes, queries or chosen tokens.
{families([name for name in TIMM if f"timm:{name}" in set(table["network"])])}

{date.today()}; torch {torch.__version__}, torchvision {torchvision.__version__}.

{markdown(table)}
"""


if __name__ == "__main__":
    main(sys.argv[1:])
