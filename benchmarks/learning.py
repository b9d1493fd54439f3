"""The stages that learn: all concepts at once against autograd on a sample, same start, same order of images."""

from functools import partial

import numpy as np
import reference
from bench import EPOCHS, Bench
from numpy.typing import NDArray
from rows import Row, Seconds, timed

from n2vlib.methods import classification, segmentation
from n2vlib.methods.alignment import Alignment


def segmentation_stage(bench: Bench) -> list[Row]:
    """Segmentation embeddings of all segmentable concepts, 30 epochs, validation IoU included."""
    layer, activations = bench.measured()
    ours, ours_took = timed(lambda: segmentation.align(bench.fresh(), bench.probe, epochs=EPOCHS, seed=0))
    options, preset = segmentation.Options(epochs=EPOCHS, seed=0), segmentation.PRESETS["paper"]
    segmentable = dict.fromkeys(bench.broden.category_of[c] for c in ours.weights.index)
    concepts = [c for c in bench.sample(list(segmentable)) if c in ours.weights.index]
    learnt, val = weights_of(ours), scores_of(ours, "set_iou")
    visits, seconds, weight_error, iou_error = 0, Seconds(), 0.0, 0.0
    for concept in concepts:
        train = np.array(bench.broden.images_of(concept, "train"))
        first, plan = segmentation.start(layer, len(train), concept, options)
        probe = partial(reference.linear_probe, bench.broden, activations, layer.thresholds, concept, first)
        order = [train[epoch] for epoch in plan]
        (weights, iou), spent = timed(partial(probe, epochs=EPOCHS, batch=preset.batch, rate=1e-4, order=order))
        weight_error = max(weight_error, float(np.abs(weights - learnt[concept]).max()))
        iou_error = max(iou_error, abs(iou - val[concept]))
        visits, seconds = visits + int(bench.broden.contains[:, concept].sum()), seconds + spent
    everything = int(bench.broden.contains[:, ours.weights.index].sum())
    stage = f"segmentation, {len(ours.weights)} concepts"
    agreement = f"max difference of weights {weight_error:.1e}, of validation set IoU {iou_error:.1e}"
    return [
        Row(
            stage,
            f"autograd, one concept at a time, PNGs decoded, {EPOCHS} epochs",
            f"{len(concepts)} concepts, {visits} of {everything:,} pairs",
            seconds * (everything / visits),
            ours_took,
            20,
            agreement,
            weight_error <= 1e-5 and iou_error <= 1e-4,
        )
    ]


def classification_stage(bench: Bench) -> list[Row]:
    """Classification embeddings of all concepts over all filters, 30 epochs, validation accuracy included."""
    layer, activations = bench.measured()
    ours, ours_took = timed(lambda: classification.align(bench.fresh(), bench.probe, epochs=EPOCHS, seed=0))
    training, options = bench.probe.split == "train", classification.Options(epochs=EPOCHS, seed=0)
    concepts = [c for c in bench.sample(bench.broden.categories) if c in ours.weights.index]
    learnt, val = weights_of(ours), scores_of(ours, "accuracy")
    learnt_bias = dict(zip(ours.bias.index, ours.bias.to_numpy(), strict=True))
    visits, seconds, weight_error, accuracy_error = 0, Seconds(), 0.0, 0.0
    for concept in concepts:
        truth = bench.broden.contains[:, concept]
        first, bias, plan, starts = classification.start(layer, truth, training, concept, options)
        epochs = [plan[a:b].astype(np.int64) for a, b in zip(starts[:-1], starts[1:], strict=True)]
        held_out = classification.balanced_set(truth, ~training, 0, concept)
        probe = partial(reference.disc_probe, activations, truth, epochs, held_out.astype(np.int64), first, bias)
        (weights, last_bias, accuracy), spent = timed(probe)
        weight_error = max(weight_error, float(np.abs(weights - learnt[concept]).max()))
        weight_error = max(weight_error, abs(last_bias - float(learnt_bias[concept])))
        accuracy_error = max(accuracy_error, abs(accuracy - val[concept]))
        visits, seconds = visits + len(plan) + EPOCHS * len(held_out), seconds + spent
    everything = EPOCHS * sum(_balanced(bench.broden.contains[:, c], training) for c in ours.weights.index)
    stage = f"classification, {len(ours.weights)} concepts"
    agreement = f"max difference of weights {weight_error:.1e}, of validation accuracy {accuracy_error:.1e}"
    return [
        Row(
            stage,
            f"autograd, one concept at a time, activations read again, {EPOCHS} epochs",
            f"{len(concepts)} concepts, {visits:,} of {everything:,} image visits",
            seconds * (everything / visits),
            ours_took,
            500,
            agreement,
            weight_error <= 1e-5 and accuracy_error <= 1e-9,
        )
    ]


def weights_of(found: Alignment) -> dict[int, NDArray[np.float32]]:
    """Label number -> (filter,)."""
    return dict(zip(found.weights.index, found.weights.to_numpy(), strict=True))


def scores_of(found: Alignment, column: str) -> dict[int, float]:
    """Label number -> score on validation images."""
    val = found.scores[found.scores["split"] == "val"]
    return dict(zip(val["concept"], val[column], strict=True))


def _balanced(truth: NDArray[np.bool_], training: NDArray[np.bool_]) -> int:
    """Images in a balanced training set and a balanced validation set of a concept."""
    return sum(2 * min(int((truth & part).sum()), int((~truth & part).sum())) for part in (training, ~training))
