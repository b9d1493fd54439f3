"""The images a report shows: those that activate a filter most, and those at each decile of a concept's IoU."""

import numpy as np
import pandas as pd

from n2vlib.analysis import per_image, top_images
from n2vlib.display.style import short
from n2vlib.methods import dissection
from n2vlib.methods.alignment import Alignment
from n2vlib.pages.pictures import path
from n2vlib.progress import bar
from n2vlib.report.measured import CONVENTION, Measured

TOP = 8  # images of each filter
MOST_EXAMPLES = 2400  # pictures by decile; where there would be more, concepts with few images have none


def top(measured: Measured) -> list[list[list]]:
    """For each filter its top images, of those where it fires: [image, activation, mask, shows].

    mask    where the upsampled activation exceeds T_k, as in dissection; a path in pixels of the label map
    shows   whether the image has the concept that the filter is named after
    """
    layer, found = measured.layer, []
    for k in bar(range(layer.n_filters), "masks of filters"):
        ranked = top_images.top_images(layer, [k], TOP)
        image, value = ranked["image"].to_numpy(), ranked["activation"].to_numpy()
        image, value = image[value > layer.thresholds[k]], value[value > layer.thresholds[k]]
        maps = top_images.stored_maps(layer, k, image)
        masks = dissection.mask(layer, measured.probe, maps, k, convention=CONVENTION)
        shows = measured.holds[image, measured.named_place[k]] & bool(measured.named["concept"].iloc[k])
        rows = zip(image.tolist(), short(value), map(path, masks), shows.tolist(), strict=True)
        found.append([list(row) for row in rows])
    return found


def by_decile(measured: Measured) -> dict[int, dict]:
    """For each concept's position, how its validation images are segmented: {"images", method: {"zero", "pictures"}}.

    zero       images with individual IoU 0      pictures   [decile, IoU, image, annotated mask, predicted mask], of
               the others from bad to good (Net2Vec 5.1), an image at several deciles once
    """
    methods = {"combination": measured.learned.get("segmentation"), "single filter": measured.alone}
    plans = {name: (found, _plan(found)) for name, found in methods.items() if found is not None}
    kept, deciles = _kept(pd.concat([plan for _, plan in plans.values()])), {}
    for name, (found, plan) in plans.items():
        concept = plan["concept"].to_numpy(np.int64)
        for number in bar(np.unique(concept).tolist(), f"examples, {name}"):
            rows = plan.loc[concept == number]
            here = deciles.setdefault(measured.places[number], {"images": len(rows)})
            here[name] = {"zero": int((rows["individual_iou"] == 0).sum())}
            if number in kept:
                here[name]["pictures"] = _pictures(measured, found, number, rows)
    return deciles


def _plan(found: Alignment) -> pd.DataFrame:
    """The pairs of validation images; `decile` where the image is an example."""
    pairs = found.pairs.loc[found.pairs["split"] == "val"].reset_index(drop=True)
    examples = [per_image.at_deciles(rows) for _, rows in pairs.groupby("concept")]
    chosen = pd.concat(examples or [pairs.assign(decile=0.0)])
    # Where one image is at several deciles, the last of them is shown.
    last = chosen.groupby(["concept", "image"], as_index=False).agg(decile=("decile", "max"))
    return pairs.merge(last, on=["concept", "image"], how="left")


def _kept(plan: pd.DataFrame) -> set[int]:
    """The concepts whose examples are shown: those with most images, until MOST_EXAMPLES are reached."""
    groups = plan.groupby("concept").agg(images=("image", "nunique"), examples=("decile", "count")).reset_index()
    groups = groups.sort_values(["images", "concept"], ascending=[False, True])
    return set(groups.loc[groups["examples"].cumsum() <= MOST_EXAMPLES, "concept"])


def _pictures(measured: Measured, found: Alignment, number: int, rows: pd.DataFrame) -> list[list]:
    shown = rows.dropna(subset=["decile"]).sort_values("decile")
    images = shown["image"].tolist()
    truths = (measured.probe.annotated(number, i) for i in images)
    predicted = per_image.masks(found, measured.layer, measured.probe, number, images)
    columns = short(shown["decile"]), short(shown["individual_iou"]), images, map(path, truths), map(path, predicted)
    return [list(row) for row in zip(*columns, strict=True)]
