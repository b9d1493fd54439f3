"""What solvers cost: processor seconds for the weights of one concept."""

from collections.abc import Callable
from time import process_time

import numpy as np
import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.baselines.aligned import trainable
from n2vlib.baselines.cells import fired
from n2vlib.baselines.linear import _Fit, logistic
from n2vlib.methods import segmentation
from n2vlib.probe import ProbeSet

CONCEPTS = 8  # whose time is measured, evenly among those that can be trained


def seconds(layer: Layer, probe: ProbeSet, *, epochs: int, seed: int = 0) -> pd.DataFrame:
    """Processor seconds of the paper's training and of the other solvers, on fired filters: solver, seconds.

    Of training and of logistic regression the mean over some concepts; the sums for mean difference and ridge are added
    up once for all concepts, and divided by their number. Nothing is stored.
    """
    fit = _Fit(layer, probe, fired(layer), trainable(probe), align_corners=True, seed=seed)
    trainer = segmentation._Trainer(layer, probe, segmentation.Options(epochs=epochs, seed=seed), None)
    some = trainer.concepts[np.linspace(0, len(trainer.concepts) - 1, CONCEPTS).astype(int)].tolist()
    rows = np.linspace(0, len(fit.numbers) - 1, CONCEPTS).astype(int).tolist()
    trainer.train(some[0])  # so that compiled code has been read
    found = {
        f"the paper's training, {epochs} epochs": _took(lambda: [trainer.train(concept) for concept in some])
        / CONCEPTS,
        "mean difference and ridge": _took(fit.from_sums) / len(fit.numbers),
        "logistic": _took(lambda: [logistic(*fit.sample(row)) for row in rows]) / CONCEPTS,
    }
    return pd.DataFrame(found.items(), columns=["solver", "seconds"])


def _took(call: Callable[[], object]) -> float:
    start = process_time()
    call()
    return process_time() - start
