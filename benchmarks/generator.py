"""What cutting and raising the best units of a generator does to every class of a segmenter, with intervals over codes.

    python benchmarks/generator.py
    python benchmarks/generator.py --generator my.py:generator --segmenter my.py:segmenter --layer main.7 --tau 0.05

The units are those of the highest IoU with a class; they are edited in pictures of new codes, beside as many random
ones of like mean activation. For a segmenter that always answers, such as one of landmarks, areas say little. So the
table gives how much more the pixels change where the class was than elsewhere (a ratio of means over all pictures),
beside the change of the class's area.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from n2vlib.generator import control, dissect, sources
from n2vlib.generator.dissect import Dissection
from n2vlib.generator.edits import Edit
from n2vlib.generator.sources import Generator, Segmenter

DRAWS = 1_000


def main() -> None:
    torch.set_num_threads(1)
    asked = arguments()
    generator, segmenter = sources.load_generator(asked.generator), sources.load_segmenter(asked.segmenter)
    sources.fitting(generator, segmenter)
    sources.need_layer(generator, asked.layer)
    found = dissect.dissect(generator, segmenter, asked.layer, asked.pictures, asked.seed, asked.tau)
    others = dissect.dissect(generator, segmenter, asked.layer, asked.pictures, asked.seed + 1, asked.tau)
    rows = [row for name in segmenter.classes[1:] for row in of_class(generator, segmenter, found, others, name, asked)]
    print(pd.DataFrame(rows).round(4).to_string(index=False))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="small-generator")
    parser.add_argument("--segmenter", default="small-segmenter")
    parser.add_argument("--layer", default="grid14", help="module of the generator whose units are edited")
    parser.add_argument("--tau", type=float, default=dissect.TAU, help="share of places above a unit's level")
    for name, default in {"pictures": 200, "units": 8, "sets": 5, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def of_class(
    generator: Generator,
    segmenter: Segmenter,
    found: Dissection,
    others: Dissection,
    name: str,
    asked: argparse.Namespace,
) -> list[dict]:
    """A row for each way: the best units of a class, and as many random ones."""
    ranked = found.table.query("word == @name and kind == 'class'").sort_values("IoU", ascending=False)
    units = ranked["unit"].head(asked.units).tolist()
    rng, means = np.random.default_rng(asked.seed), found.maps.mean((0, 2, 3)).numpy()
    random = [control.matched(means, units, rng) for _ in range(asked.sets)]
    rows = []
    for way in (control.CUT, control.RAISED):
        for label, sets in (("best units", [units]), ("random units", random)):
            edited = [control.edit_for(found, each, way) for each in sets]
            measured = [changed(generator, segmenter, others, name, edit) for edit in edited]
            inside, outside, area = np.mean(measured, axis=0)
            low, high = interval(inside, outside, asked.seed)
            row = {"class": name, "best IoU": ranked["IoU"].iloc[0], "way": way, "units": label}
            row |= {"inside / outside": inside.sum() / outside.sum(), "low": low, "high": high}
            rows.append(row | {"area before": others.pictures.share(name).mean(), "area change": area.mean()})
    return rows


def changed(
    generator: Generator, segmenter: Segmenter, others: Dissection, name: str, edit: Edit
) -> NDArray[np.float64]:
    """(3, image), of pictures that show the class: mean change of pixels where it was, elsewhere, and of its area."""
    after = control.redrawn(generator, segmenter, others, edit)
    where = others.pictures.where(name)
    shows = where.any((1, 2)) & ~where.all((1, 2))
    size = after.pixels.shape[-2:]
    large = torch.nn.functional.interpolate(torch.from_numpy(where).float()[:, None], size=size)[:, 0].numpy() > 0.5
    change = (after.pixels - others.pictures.pixels).abs().mean(1).numpy()
    both = [(change * at).sum((1, 2)) / np.maximum(at.sum((1, 2)), 1) for at in (large, ~large)]
    return np.stack([*both, after.share(name) - others.pictures.share(name)])[:, shows]


def interval(inside: NDArray, outside: NDArray, seed: int) -> NDArray[np.float64]:
    """The 95% interval of the ratio of means over codes, bootstrap."""
    drawn = np.random.default_rng(seed).integers(0, len(inside), (DRAWS, len(inside)))
    return np.quantile(inside[drawn].sum(1) / outside[drawn].sum(1), [0.025, 0.975])


if __name__ == "__main__":
    main()
