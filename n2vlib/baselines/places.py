"""Masks that need no network: everything, and the place where a concept usually is."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.baselines.aligned import aligned, label_arrays, trainable, training_images
from n2vlib.kernels import places
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.workers.threads import each_of, shares

MODULES = ["n2vlib.baselines.places"]
EVERYTHING, USUAL_PLACE = "everything", "usual place"


def everything(layer: Layer, probe: ProbeSet) -> Alignment:
    """The mask of all pixels. Its set IoU is the share of the concept in the images that hold it.

    layer   only names the rows of the tables; weights are zero and the bias is positive
    """
    usable = trainable(probe)
    area = np.asarray(probe.labels.pair_area, np.int64)
    counts = area, np.full(len(area), np.prod(probe.label_size), np.int64)
    weights = np.zeros((usable.sum(), layer.n_filters))
    return aligned(layer, probe, EVERYTHING, counts, usable, weights, 1.0, n_filters=0)


def usual_place(layer: Layer, probe: ProbeSet) -> Alignment:
    """The same mask in every image: where the mean annotated mask of the training images exceeds a threshold.

    The mean is over the training images that hold the concept; its threshold is the one of the largest set IoU on
    them, found exactly. `layer` names the rows of the tables and has the store; weights are zero.
    """
    usable = trainable(probe)
    folder = _usual(layer.store, probe)
    area = load_array(folder, "masks").sum(1)
    labels = label_arrays(probe)
    counts = np.array(load_array(folder, "intersection")), area[labels[3]].astype(np.int64)
    weights = np.zeros((usable.sum(), layer.n_filters))
    return aligned(layer, probe, USUAL_PLACE, counts, usable, weights, 0.0, n_filters=0)


def mean_masks(store: Store, probe: ProbeSet) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Share of the training images with the concept that show it at each pixel, and the usual place.

    Returns   float and bool, (concept, height, width), in the order of probe.concepts; zero where there is no image
    """
    folder, shape = _usual(store, probe), (-1, *probe.label_size)
    images = np.maximum(training_images(probe).to_numpy(), 1)
    times, masks = (np.asarray(load_array(folder, name)) for name in ("times", "masks"))
    return (times / images[:, None]).reshape(shape), masks.reshape(shape)


def _usual(store: Store, probe: ProbeSet) -> Path:
    """times and masks, (concept, pixel), and intersection, (pair,); measured once for all networks and layers."""

    def make(folder: Path) -> None:
        labels, training = label_arrays(probe), positions(probe, "train")
        times = np.zeros((len(probe.concepts), np.prod(probe.label_size)), np.int64)
        places.times_annotated(training, labels, times)
        masks = _best(times, training_images(probe).to_numpy())
        intersection, images = np.zeros(len(labels[3]), np.int64), np.arange(len(probe.images))
        each_of(lambda of: places.overlaps(images[of], labels, masks, intersection), shares(len(images)))
        save_arrays(folder, times=times.astype(np.int32), masks=masks, intersection=intersection)

    return store.entry("usual-place", {"probe": probe.fingerprint}, MODULES, make)


def _best(times: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The mask of the largest set IoU among those of all pixels annotated at least t times: bool, (concept, pixel).

    times   int64, (concept, pixel), of `images` training images, (concept,)
    """
    masks = np.zeros(times.shape, np.bool_)
    for row in np.flatnonzero(images):
        ordered = np.sort(times[row])[::-1]
        predicted = images[row] * np.arange(1, len(ordered) + 1)
        intersection = ordered.cumsum()
        iou = intersection / (predicted + ordered.sum() - intersection)
        last = np.append(ordered[1:] < ordered[:-1], True)  # pixels that tie are in the mask together
        masks[row] = times[row] >= ordered[np.where(last, iou, -1).argmax()]
    return masks
