"""What different explanations predict of a thing's removal: LIME, filters at zero, concept directions.

    inside = effects.Inside(network, "conv5", found, asked)
    inside.zeroed(filters)                      # (pair,): fall of the answer's log-odds without these filters
    inside.projected(directions)                # the same without a direction
    inside.along(directions)                    # how the log-odds rise along a direction

All are numbers for each pair of a scene and a thing, higher where the thing should matter more for the answer.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.compositional.classifier import class_names
from n2vlib.compositional.moved import probabilities
from n2vlib.device import choose_device
from n2vlib.local.lime import Explanation, log_odds
from n2vlib.local.removals import Asked, Removals, filled
from n2vlib.local.superpixels import overlap
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.store import Store

STEP = 0.01  # of the mean length of activations: how far a derivative looks to each side
_BATCH = 64


def of_superpixels(
    weights: Sequence[NDArray[np.float64]], segments: Sequence[NDArray[np.int64]], found: Removals
) -> NDArray[np.float64]:
    """Weights of superpixels, shared out over their pixels and summed over each thing: (pair,).

    weights, segments   of each scene
    """
    scenes = found.table["scene"]
    both = zip(scenes, found.masks, strict=True)
    return np.array([overlap(mask[None], segments[scene])[0] @ weights[scene] for scene, mask in both])


def of_lime(explanations: Sequence[Explanation], found: Removals) -> NDArray[np.float64]:
    """LIME's weights of each thing, (pair,); one explanation for each scene, of the class that it is given."""
    return of_superpixels([each.weights for each in explanations], [each.segments for each in explanations], found)


def of_filling(
    network: Network, found: Removals, asked: Asked, *, device: str = "auto", store: Store | None = None
) -> NDArray[np.float64]:
    """By how much the log-odds fall if the thing's own pixels take their mean color: (pair,)."""
    scenes = found.table["scene"].to_numpy()
    after = probabilities(network, [*filled(found)], device, store).to_numpy()
    return asked.before[scenes] - log_odds(after[np.arange(len(after)), asked.classes[scenes]])


class Inside:
    """A layer's activations in the scenes, changed, and what the network answers then."""

    def __init__(self, network: Network, layer: str, found: Removals, asked: Asked, device: str = "auto"):
        """BadInput if the network cannot be run from the layer on (`Downstream`)."""
        self._device, name = choose_device(device), network.layer(layer)
        module = network.module.to(self._device)
        ready = network.preprocessing(found.originals).to(self._device)
        self._downstream = Downstream(module, name, ready[:2])
        batches = ready.split(_BATCH)
        self.activations = torch.cat([run_layers(module, [name], each)[name] for each in batches])
        beside = [self._downstream.others(each) for each in batches]
        self._others = None if beside[0] is None else torch.cat([each for each in beside if each is not None])
        self._scenes = torch.tensor(found.table["scene"].tolist(), device=self._device)
        self._outputs, self._classes = class_names(network)[1], asked.classes[found.table["scene"]]
        self._before = self._log_odds(lambda a, _: a)

    def zeroed(self, filters: NDArray[np.float64]) -> NDArray[np.float64]:
        """The fall of the answer's log-odds with filters at zero: (pair,).

        filters   (pair, filter): those above 0 are set to zero; a pair whose row has NaN gets NaN
        """
        kept = torch.from_numpy(~(filters > 0)).to(self._device)
        return _known(filters, self._before - self._log_odds(lambda a, own: a * kept[own][..., None, None]))

    def projected(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with each pair's direction removed at every place, a - (a.w) w: (pair,).

        directions   (pair, filter), of any length above 0; a pair whose row has NaN gets NaN
        """
        w = self._unit(directions)

        def removed(a: Tensor, own: slice) -> Tensor:
            return a - w[own][..., None, None] * torch.einsum("pk,pkhw->phw", w[own], a)[:, None]

        return _known(directions, self._before - self._log_odds(removed))

    def along(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The derivative of the answer's log-odds along each pair's direction, added at every place: (pair,).

        directions   as of `projected`
        It does not depend on how much of the concept there is: how much more the answer would be with more of it.
        """
        step = STEP * float(self.activations.norm(dim=1).mean())
        by = (step * self._unit(directions))[..., None, None]
        up, down = (self._log_odds(lambda a, own, s=sign: a + s * by[own]) for sign in (1, -1))
        return _known(directions, (up - down) / (2 * step))

    def _unit(self, directions: NDArray[np.float64]) -> Tensor:
        w = np.nan_to_num(directions / np.linalg.norm(directions, axis=1, keepdims=True))
        return torch.as_tensor(w, dtype=self.activations.dtype, device=self._device)

    def _log_odds(self, change: Callable[[Tensor, slice], Tensor]) -> NDArray[np.float64]:
        """Log-odds of each pair's answer, with its scene's activations changed."""
        found = []
        for start in range(0, len(self._scenes), _BATCH):
            own = slice(start, start + _BATCH)
            scenes = self._scenes[own]
            others = None if self._others is None else self._others[scenes]
            with torch.inference_mode():
                seen = self._downstream(change(self.activations[scenes], own), others)[:, self._outputs]
            found.append(seen.double().log_softmax(1).cpu().numpy())
        logs = np.concatenate(found)
        rest = logs.copy()
        rest[np.arange(len(logs)), self._classes] = -np.inf
        own = logs[np.arange(len(logs)), self._classes]
        return own - np.logaddexp.reduce(rest, axis=1)


def _known(rows: NDArray[np.float64], effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """The effects of pairs with a whole row, NaN for others."""
    return np.where(np.isfinite(rows).all(1), effects, np.nan)


def rows_for(things: Sequence[str], by_name: pd.DataFrame) -> NDArray[np.float64]:
    """The row of each thing in a table (name, ...), NaN for things that it lacks: (pair, ...)."""
    return by_name.reindex(list(things)).to_numpy(float)
