"""A layer rotated in the space of its filters (Network Dissection TPAMI 3.2): the same information on other axes.

    turned = rotation.rotated(network, "conv5", {"Q": Q, "half of Q": rotation.power(Q, 0.5)})
    layers = read_layers(turned, ["Q", "half of Q"], probe, tau=0.005)

Row j of Q is the direction that replaces filter j: A'_j = sum_k Q_jk A_k, at every place of the map.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.linalg import fractional_matrix_power
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from n2vlib import tables
from n2vlib.errors import BadInput
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network

PART_WAY = 2  # rotations that are also measured at alphas below 1
_ROUND = 1e-6  # largest error of Q Q' = 1, and largest imaginary part of a power


def random_rotation(n: int, seed: int) -> NDArray[np.float64]:
    """Q drawn uniformly from the rotations of n dimensions, (n, n): orthogonal, determinant 1.

    QR of a normal matrix with R's diagonal positive is uniform over the orthogonal matrices; if the determinant is -1,
    the first row changes its sign (as released).
    """
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    q *= np.sign(np.diag(r))
    q[0] *= np.sign(np.linalg.det(q))
    return q


def power(rotation: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Q^alpha: every plane that Q turns by an angle is turned by alpha times the angle.

    rotation   orthogonal with determinant 1, (n, n); angles are in (-pi, pi)
    Raises BadInput if it is not orthogonal, or if the power is not real: a fractional power of a reflection, or of a
    turn by exactly pi, which could go either way round.
    """
    turned = fractional_matrix_power(rotation, alpha)
    orthogonal = np.allclose(rotation @ rotation.T, np.eye(len(rotation)), atol=_ROUND)
    if not orthogonal or not np.allclose(np.imag(turned), 0, atol=_ROUND):
        raise BadInput("rotation: not orthogonal, or with an eigenvalue of -1, so it has no real powers")
    return np.real(turned)


def copies(alphas: Sequence[float], rotations: int) -> list[tuple[str, float, int]]:
    """Rotated copies of a layer: their names, alpha, and the number of the rotation.

    Every rotation fully, alpha = 1; the first `PART_WAY` at the other alphas too, 0 left out.
    """
    return [
        (f"rotation {i}, alpha {alpha:g}", alpha, i)
        for i in range(rotations)
        for alpha in (sorted({*alphas, 1.0} - {0.0}) if i < PART_WAY else [1.0])
    ]


class Turn(nn.Module):
    """One matrix, applied to the filters at every place: a convolution of 1 x 1."""

    matrix: Tensor

    def __init__(self, matrix: NDArray[np.float64]):
        super().__init__()
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float32)[:, :, None, None])

    def forward(self, activations: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # its ten bits would shift the thresholds
            return nn.functional.conv2d(activations, self.matrix)


class Rotated(nn.Module):
    """A network up to one of its layers, followed by one `Turn` for each matrix, side by side."""

    def __init__(self, original: nn.Module, layer: str, matrices: list[NDArray[np.float64]]):
        super().__init__()
        self.original, self.layer = original, layer
        self.turns = nn.ModuleList(Turn(matrix) for matrix in matrices)

    def forward(self, images: Tensor) -> list[Tensor]:
        activations = run_layers(self.original, [self.layer], images)[self.layer]
        return [turn(activations) for turn in self.turns]


def rotated(network: Network, layer: str, matrices: Mapping[str, NDArray[np.float64]]) -> Network:
    """A network whose layers are rotated copies of one layer, named as in `matrices`; one pass reads them all.

    matrices   {name: (filter, filter)}
    """
    module = Rotated(network.module, network.layer(layer), list(matrices.values())).eval()
    names = {name: f"turns.{i}" for i, name in enumerate(matrices)}
    words = f"{network.weights}, {layer} turned"
    return Network(f"{network.name}, {layer} turned", module, network.preprocessing, words, names)


def same_layer(network: Network, name: str) -> str:
    """The layer of that name; if the network has none, the last layer that has a name in the papers."""
    modules = dict(network.module.named_modules())
    return name if name in network.aliases or name in modules or not network.aliases else list(network.aliases)[-1]


def heads(
    pooled: Mapping[str, Sequence[NDArray[np.float32]]],
    answers: pd.Series,
    train: NDArray[np.bool_],
    *,
    epochs: int,
    seed: int,
) -> pd.DataFrame:
    """Accuracy on validation images of heads trained on spatial means: one row for each head and key of `pooled`.

    pooled    {name: (image, filter) for each rotation}; the deep head starts from other weights for each
    answers   the class of an image, by its position (`discrimination.whole_image`)
    train     which of these images are for training, bool, (image of answers,)
    Returns   head, space, accuracy (percent, mean over rotations), low and high (95% interval: bootstrap over images,
              and Student's t over rotations), fewest and most (over rotations); empty with fewer than two classes
    """
    rows: list[dict[str, object]] = []
    images, classes = answers.index.to_numpy(), answers.to_numpy()
    for head in ("linear", "two layers") if answers.nunique() > 1 else ():
        for name, several in pooled.items():
            if head == "linear":
                once = {id(each): each for each in several}  # no random start: equal features give equal heads
                right = [linear_head(each[images], classes, train) for each in once.values()]
            else:
                right = [
                    deep_head(each[images], classes, train, epochs=epochs, seed=seed + i)
                    for i, each in enumerate(several)
                ]
            percent = 100 * np.stack(right)
            low, high = tables.bootstrap_mean(percent.mean(0), seed)
            if len(percent) > 1:
                low, high = tables.widened(percent.mean(), low, high, tables.half_width(percent))
            spread = {"fewest": percent.mean(1).min(), "most": percent.mean(1).max()}
            rows.append({"head": head, "space": name, "accuracy": percent.mean(), "low": low, "high": high} | spread)
    return pd.DataFrame(rows)


def linear_head(features: NDArray, classes: NDArray, train: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Logistic regression on spatial means, (image, filter): which of the images not in `train` it predicts right.

    The penalty, the squared length of the weights, and the common scale of the features do not change under rotation.
    """
    features = _scaled(features, train)
    head = LogisticRegression(C=1.0, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close to the optimum is enough for an accuracy
        head.fit(features[train], classes[train])
    return np.asarray(head.predict(features[~train])) == classes[~train]


def deep_head(
    features: NDArray, classes: NDArray, train: NDArray[np.bool_], *, epochs: int, seed: int, width: int = 128
) -> NDArray[np.bool_]:
    """Two layers with a ReLU between them, trained from random weights by Adam; returns the same as `linear_head`."""
    inputs = torch.from_numpy(_scaled(features, train))
    names, target = np.unique(classes, return_inverse=True)
    goal, learned = torch.from_numpy(target), torch.from_numpy(np.flatnonzero(train))
    draws = torch.Generator().manual_seed(seed)
    weights = []
    for n_in, n_out in ((inputs.shape[1], width), (width, len(names))):
        weights += [torch.randn(n_in, n_out, generator=draws) * n_in**-0.5, torch.zeros(n_out)]
    steps = torch.optim.Adam([weight.requires_grad_() for weight in weights], lr=3e-3)

    def scores(rows: Tensor) -> Tensor:
        return torch.relu(rows @ weights[0] + weights[1]) @ weights[2] + weights[3]

    for _ in range(epochs):
        for some in learned[torch.randperm(len(learned), generator=draws)].split(64):
            steps.zero_grad()
            nn.functional.cross_entropy(scores(inputs[some]), goal[some]).backward()
            steps.step()
    with torch.inference_mode():
        predicted = scores(inputs[~torch.from_numpy(train)]).argmax(1).numpy()
    return names[predicted] == classes[~train]


def _scaled(features: NDArray, train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Features minus their mean, divided by one number for all filters; both from the training images."""
    centred: NDArray[np.float32] = np.asarray(features, np.float32)
    centred = centred - centred[train].mean(0)
    return centred / max(float(np.sqrt(np.mean(centred[train] ** 2))), 1e-12)
