"""A layer turned in the space of its filters (Network Dissection TPAMI 3.2): the same information in other directions.

    turned = rotation.rotated(network, "conv5", {"Q": Q, "half of Q": rotation.power(Q, 0.5)})
    layers = read_layers(turned, ["Q", "half of Q"], probe, tau=0.005)

Row j of Q is the direction that takes the place of filter j: A'_j = sum_k Q_jk A_k, at every place of the map.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.linalg import schur
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from n2vlib import tables
from n2vlib.errors import BadInput
from n2vlib.networks import Network
from n2vlib.record import run_layers

_ROUND = 1e-6  # how far a block of the Schur form may be from a rotation


def random_rotation(n: int, seed: int) -> NDArray[np.float64]:
    """Q drawn uniformly from the rotations of n dimensions, (n, n): orthogonal, determinant 1.

    QR of a normal matrix with R's diagonal positive is uniform over the orthogonal matrices; where the determinant is
    -1, the first row changes its sign (as released).
    """
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    if np.linalg.det(q) < 0:
        q[0] *= -1
    return q


def power(rotation: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Q^alpha: every plane that Q turns by an angle is turned by alpha times the angle.

    rotation   orthogonal with determinant 1, (n, n): its real Schur form is Q = Z T Z', T of blocks that each turn one
               plane; angles are in (-pi, pi]
    """
    form, basis = schur(rotation, output="real")[:2]
    n, i, flipped = len(form), 0, []
    turned = np.eye(n)
    while i < n:
        if i + 1 < n and abs(form[i + 1, i]) > _ROUND:
            _turn(turned, i, i + 1, alpha * np.arctan2(form[i + 1, i], form[i, i]))
            i += 2
        else:
            flipped += [i] if form[i, i] < 0 else []
            i += 1
    if len(flipped) % 2 or np.abs(rotation @ rotation.T - np.eye(n)).max() > _ROUND:
        raise BadInput("rotation: not orthogonal with determinant 1, so it has no real powers")
    for one, other in zip(flipped[::2], flipped[1::2], strict=True):  # two directions turned round are half a turn
        _turn(turned, one, other, alpha * np.pi)
    return basis @ turned @ basis.T


def _turn(matrix: NDArray[np.float64], i: int, j: int, angle: float) -> None:
    matrix[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)


class Turn(nn.Module):
    """One matrix, applied to the filters at every place: a convolution of 1 x 1."""

    matrix: Tensor

    def __init__(self, matrix: NDArray[np.float64]):
        super().__init__()
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float32)[:, :, None, None])

    def forward(self, activations: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # ten bits would blur the thresholds
            return nn.functional.conv2d(activations, self.matrix)


class Rotated(nn.Module):
    """A network up to one of its layers, and behind it one `Turn` for each matrix, side by side."""

    def __init__(self, original: nn.Module, layer: str, matrices: list[NDArray[np.float64]]):
        super().__init__()
        self.original, self.layer = original, layer
        self.turns = nn.ModuleList(Turn(matrix) for matrix in matrices)

    def forward(self, images: Tensor) -> list[Tensor]:
        activations = run_layers(self.original, [self.layer], images)[self.layer]
        return [turn(activations) for turn in self.turns]


def rotated(network: Network, layer: str, matrices: Mapping[str, NDArray[np.float64]]) -> Network:
    """A network whose layers are the turned copies of one layer, by the names of `matrices`; one pass reads them all.

    matrices   {name: (filter, filter)}
    """
    module = Rotated(network.module, network.layer(layer), list(matrices.values())).eval()
    names = {name: f"turns.{i}" for i, name in enumerate(matrices)}
    words = f"{network.weights}, {layer} turned"
    return Network(f"{network.name}, {layer} turned", module, network.preprocessing, words, names)


def same_layer(network: Network, name: str) -> str:
    """The layer of that name; where the network has none, the last that has a name in the papers."""
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
    train     which of them the heads learn from, bool, (image of answers,)
    Returns   head, space, accuracy (percent, mean over rotations), low and high (95% bootstrap interval over images),
              fewest and most (over rotations); empty where images have no scenes to tell apart
    """
    rows: list[dict[str, object]] = []
    images, classes = answers.index.to_numpy(), answers.to_numpy()
    for head in ("linear", "two layers") if answers.nunique() > 1 else ():
        for name, several in pooled.items():
            if head == "linear":
                once = {id(each): each for each in several}  # it has no random start: the same features, the same head
                right = [linear_head(each[images], classes, train) for each in once.values()]
            else:
                right = [
                    deep_head(each[images], classes, train, epochs=epochs, seed=seed + i)
                    for i, each in enumerate(several)
                ]
            percent = 100 * np.stack(right)
            low, high = tables.bootstrap_mean(percent.mean(0), seed)
            spread = {"fewest": percent.mean(1).min(), "most": percent.mean(1).max()}
            rows.append({"head": head, "space": name, "accuracy": percent.mean(), "low": low, "high": high} | spread)
    return pd.DataFrame(rows)


def linear_head(features: NDArray, classes: NDArray, train: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Logistic regression on spatial means, (image, filter): which of the images not in `train` it tells right.

    The penalty is the squared length of the weights, and one common scale keeps directions comparable: both are the
    same in any rotated space.
    """
    features = _scaled(features, train)
    head = LogisticRegression(C=1.0, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near its optimum is near enough for an accuracy
        head.fit(features[train], classes[train])
    return np.asarray(head.predict(features[~train])) == classes[~train]


def deep_head(
    features: NDArray, classes: NDArray, train: NDArray[np.bool_], *, epochs: int, seed: int, width: int = 128
) -> NDArray[np.bool_]:
    """Two layers with a ReLU between them, trained from random weights by Adam; as `linear_head`."""
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
        told = scores(inputs[~torch.from_numpy(train)]).argmax(1).numpy()
    return names[told] == classes[~train]


def _scaled(features: NDArray, train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean taken off, and divided by one number for all filters; both of the training images."""
    centred: NDArray[np.float32] = np.asarray(features, np.float32)
    centred = centred - centred[train].mean(0)
    return centred / max(float(np.sqrt(np.mean(centred[train] ** 2))), 1e-12)
