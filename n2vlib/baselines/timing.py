"""What solvers cost: processor seconds for the weights of one concept."""

from collections.abc import Callable
from time import process_time

import numpy as np
import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.baselines.cells import fired
from n2vlib.baselines.linear import _Fit
from n2vlib.methods import segmentation
from n2vlib.probe import ProbeSet


def seconds(layer: Layer, probe: ProbeSet, concept: int, *, epochs: int, seed: int = 0) -> pd.DataFrame:
    """Processor seconds of the paper's training and of the other solvers, on fired filters: solver, seconds.

    concept   its number. Every solver runs twice and the second run counts, so that compiled code has been read.
    Nothing is stored. Sums over cells serve both mean difference and ridge; logistic regression sees a sample.
    """
    only = probe.concepts.index.to_numpy() == concept
    fit = _Fit(layer, probe, fired(layer), only, align_corners=True, seed=seed)
    options = segmentation.Options(epochs=epochs, seed=seed)
    trainer = segmentation._Trainer(layer, probe, options, None)
    calls: dict[str, Callable[[], object]] = {
        f"the paper's training, {epochs} epochs": lambda: trainer.train(int(np.flatnonzero(only)[0])),
        "mean difference and ridge": fit.from_sums,
        "logistic": fit.logistic,
    }
    return pd.DataFrame([(name, _second(call)) for name, call in calls.items()], columns=["solver", "seconds"])


def _second(call: Callable[[], object]) -> float:
    call()
    start = process_time()
    call()
    return process_time() - start
