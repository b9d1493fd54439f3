"""The stages up to IoU, ours and the reference port's side by side, each with a check that results agree."""

import os
from dataclasses import replace
from functools import partial

import numpy as np
import reference
from bench import BATCH, TAU, Bench, read
from numpy.typing import NDArray
from rows import Row, Seconds, median, timed, timed_in_turn, timed_often

from n2vlib import probe
from n2vlib.activations.quantiles import RunningQuantile, n_above
from n2vlib.kernels import sparse
from n2vlib.masks.conventions import HALF_PIXEL, IN_IMAGE, Convention
from n2vlib.methods import dissection, single_filter

# --- activations


def probe_stage(bench: Bench) -> list[Row]:
    """Reading a layer, thresholds and storing included, against decode and forward pass and nothing else."""
    shown, layers = bench.network.preprocessing, bench.network.module.get_submodule("features")[:12]  # type: ignore[index]
    probe.MOST_PIXELS = 0  # images are decoded each time, as on the other side
    rows = []
    for tau, goal in ((0.04, 1.25), (TAU, 1.05)):
        dense, layer, theirs, ours = timed_in_turn(
            lambda: reference.bare_forward(bench.broden, layers, BATCH, shown.mean, shown.std),
            lambda tau=tau: read(bench.network, bench.probe, bench.fresh_store(), tau),
            bench.turns,
        )
        places = [(layer.fired_in(i) != (dense[i] > layer.thresholds[:, None, None])).sum() for i in range(len(dense))]
        differing = int(sum(places))
        agreement, agrees = f"{differing} of {dense.size:,} places fire differently", differing <= 1e-6 * dense.size
        stage, sample = f"probe, tau {tau}, with thresholds and storing", f"all, median of {bench.turns} in turn"
        ratios = [mine.wall / yours.wall for mine, yours in zip(ours, theirs, strict=True)]
        row = Row(stage, "decode + bare forward pass", sample, median(theirs), median(ours), goal, agreement, agrees)
        rows.append(replace(row, at_most=True, between=(min(ratios), max(ratios))))
    bench.keep(layer, dense)
    lite_images, lite = lite_probe_sample(bench)
    lite_name, lite_sample = "NetDissect-Lite: whole forward pass, float64 file", f"{lite_images} images"
    lite = lite * (len(dense) / lite_images)
    return [*rows, Row(stage, lite_name, lite_sample, lite, median(ours), None, agreement, agrees)]


def lite_probe_sample(bench: Bench) -> tuple[int, Seconds]:
    """Images of the sample, and the seconds NetDissect-Lite's way takes for them."""
    shown, network, images = bench.network.preprocessing, bench.network.module, range(min(128, len(bench.probe)))
    layer, file = network.get_submodule("features.11"), bench.scratch / "lite.mmap"
    run = partial(reference.lite_probe, bench.broden, network, layer, file, images, shown.mean, shown.std)
    return len(images), timed(run)[1]


def threshold_stage(bench: Bench) -> list[Row]:
    """T_k from activations already in memory: exact in one pass, against a sketch."""
    layer, activations = bench.measured()
    activations, turned = np.array(activations), np.ascontiguousarray(np.transpose(activations, (0, 2, 3, 1)))

    def sketched() -> NDArray[np.float32]:
        sketch = reference.QuantileSketch(layer.n_filters)
        for start in range(0, len(activations), BATCH):
            sketch.add(activations[start : start + BATCH].transpose(0, 2, 3, 1).reshape(-1, layer.n_filters))
        return sketch.quantile(994 / 999)

    def exact() -> NDArray[np.float32]:
        running = RunningQuantile(layer.n_filters, n_above(TAU, layer.n_places), cells=layer.grid[0] * layer.grid[1])
        kept = []
        for start in range(0, len(activations), BATCH):
            found = sparse.extract(turned[start : start + BATCH], running.bounds)
            kept.append((found.code, found.value))
            running.add(*kept[-1])
        return running.settle(kept)

    theirs, theirs_took = timed(sketched)
    ours, ours_took = timed_often(exact, bench.repeats)
    values = activations.transpose(1, 0, 2, 3).reshape(layer.n_filters, -1)
    rank = values.shape[1] - n_above(TAU, layer.n_places) - 1
    sorted_ones = np.partition(values, rank, axis=1)[:, rank]
    wrong = int((ours != sorted_ones).sum())
    share = (values > theirs[:, None]).mean(1)
    stored = np.abs(layer.thresholds - sorted_ones).max()
    agreement = (
        f"{wrong} of {len(ours)} differ from a full sort, the layer's by at most {stored:.1e}; of the sketch's, "
        f"{share.min():.5f} to {share.max():.5f} of values lie above"
    )
    agrees = wrong == 0 and bool(np.allclose(layer.thresholds, sorted_ones, rtol=1e-5, atol=0))
    return [Row("thresholds", "quantile sketch, 994/999", "all", theirs_took, ours_took, None, agreement, agrees)]


# --- masks


def label_stage(bench: Bench) -> list[Row]:
    """Decoding every label map once, which all later stages of ours share."""
    before = os.environ.get("N2V_DATA")
    os.environ["N2V_DATA"] = str(bench.scratch / "data")
    try:
        ours, ours_took = timed(lambda: replace(bench.probe).labels)
    finally:
        os.environ.pop("N2V_DATA") if before is None else os.environ.update(N2V_DATA=before)
    (maps, whole), theirs_took = timed(lambda: reference.cached_labels(bench.broden))
    pixels = sum(int(np.count_nonzero(each)) for each in maps) + sum(map(len, whole)) * maps[0].shape[1]
    differing = int(ours.pair_area.sum(dtype=np.int64)) - pixels
    return [
        Row(
            "label maps, decoded once",
            "the same, into int32 maps in memory",
            "all",
            theirs_took,
            ours_took,
            None,
            f"{differing} of {pixels:,} labelled pixels differ",
            differing == 0,
        )
    ]


EVENLY = Convention("evenly", HALF_PIXEL, IN_IMAGE)  # what the reference does: PIL's resize, the paper's images


def dissection_stage(bench: Bench) -> list[Row]:
    """Dissection IoU of every filter and concept, label maps decoded beforehand on both sides."""
    layer, activations = bench.measured()
    maps, whole = reference.cached_labels(bench.broden)
    dense = np.array(activations)
    theirs, theirs_took = timed(lambda: reference.lite_tally(bench.broden, dense, layer.thresholds, maps, whole))
    bench.probe.labels  # noqa: B018 decoded before the clock starts
    ours, ours_took = timed_often(
        lambda: dissection.dissection_iou(bench.fresh(), bench.probe, convention=EVENLY), bench.repeats
    )
    difference = np.abs(ours - theirs[:, bench.probe.concepts.index])
    agreement = (
        f"max difference of IoU {difference.max():.1e} ({(difference > 1e-9).sum()} of {difference.size:,} cells)"
    )
    return [
        Row(
            "dissection IoU",
            "per filter and image: PIL resize, count",
            "all",
            theirs_took,
            ours_took,
            30,
            agreement,
            bool(difference.max() <= 1e-4),
        )
    ]


def set_iou_stage(bench: Bench) -> list[Row]:
    """Set IoU of every filter and concept, training and validation images."""
    layer, activations = bench.measured()

    def both_splits() -> dict[str, NDArray[np.float64]]:
        fresh = bench.fresh()
        return {split: single_filter.set_iou(fresh, bench.probe, split) for split in ("train", "val")}

    ours, ours_took = timed_often(both_splits, bench.repeats)
    concepts = bench.sample(bench.broden.categories)
    visits, seconds, worst = 0, Seconds(), 0.0
    for concept in concepts:
        theirs, spent = timed(partial(reference.label_probe, bench.broden, activations, layer.thresholds, concept))
        at = bench.probe.concepts.index.get_loc(concept)
        worst = max(worst, *(float(np.abs(theirs[split] - ours[split][:, at]).max()) for split in theirs))
        visits, seconds = visits + int(bench.broden.contains[:, concept].sum()), seconds + spent
    everything = int(bench.broden.contains.sum())
    return [
        Row(
            "set IoU",
            "one concept at a time, PNGs decoded",
            f"{len(concepts)} concepts, {visits} of {everything:,} pairs",
            seconds * (everything / visits),
            ours_took,
            1000,
            f"max difference of IoU {worst:.1e}",
            worst <= 1e-9,
        )
    ]
