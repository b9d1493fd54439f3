"""The segmentation kernels in torch, for a GPU: whole batches at once, hand-written gradients."""

import numpy as np
import torch

CHUNK = 64  # images evaluated at once


def train_segmentation(
    weights, images, local, plan, batch, alpha, rate, momentum, log_loss, fired, labels, down, across,
    device="cpu",
):  # fmt: skip
    """Same arguments and effect as training.train_segmentation; `weights` is changed in place."""
    problem = _Problem(fired, labels, down, across, device)
    w = problem.tensor(weights)
    velocity = torch.zeros_like(w)
    for order in plan:
        for begin in range(0, len(order), batch):
            chosen = order[begin : begin + batch]
            cells, target = problem.fired(images[chosen]), problem.target(images[chosen], local[chosen])
            m = torch.sigmoid(problem.upsampled(cells, w))
            slope = problem.slope(m, target, float(alpha), bool(log_loss)) / len(chosen)
            velocity = float(momentum) * velocity + problem.gradient(cells, slope, len(w))
            w = w - float(rate) * velocity
    weights[:] = w.cpu().numpy()


def count_combination(weights, images, local, fired, labels, down, across, device="cpu"):
    """Same arguments and result as combination.count_combination."""
    problem, w = _Problem(fired, labels, down, across, device), torch.as_tensor(weights)
    counts = []
    for begin in range(0, len(images), CHUNK):
        chosen = slice(begin, begin + CHUNK)
        mask = problem.upsampled(problem.fired(images[chosen]), w.to(problem.device)) > 0
        target = problem.target(images[chosen], local[chosen])
        counts.append(torch.stack([(mask & target).sum((1, 2)), mask.sum((1, 2))]).cpu())
    found = torch.cat(counts, 1).numpy() if counts else np.zeros((2, 0), np.int64)
    return found[0], found[1]


class _Problem:
    def __init__(self, fired, labels, down, across, device):
        self.device = torch.device(device)
        self.pointers, self.code, self.height, self.width = fired
        self.maps, self.map_ptr = labels
        self.size = len(down[0]), len(across[0])
        self.down, self.across = self._matrix(down, self.height), self._matrix(across, self.width)

    def tensor(self, array) -> torch.Tensor:
        return torch.as_tensor(np.array(array), device=self.device)

    def _matrix(self, taps, n_in: int) -> torch.Tensor:
        i0, i1, w0, w1 = taps
        matrix, rows = np.zeros((len(i0), n_in), np.float32), np.arange(len(i0))
        np.add.at(matrix, (rows, i0), w0)
        np.add.at(matrix, (rows, i1), w1)
        return self.tensor(matrix)

    def fired(self, images) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Filters and flat places (image of the batch, cell) of everything that fired; number of images."""
        cells = self.height * self.width
        runs = [self.code[self.pointers[i] : self.pointers[i + 1]].astype(np.int64) for i in images]
        owner = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
        code = np.concatenate(runs) if runs else np.zeros(0, np.int64)
        return self.tensor(code // cells), self.tensor(owner * cells + code % cells), len(runs)

    def upsampled(self, cells, w: torch.Tensor) -> torch.Tensor:
        filters, places, n_images = cells
        combined = torch.zeros(n_images * self.height * self.width, device=self.device)
        combined.index_add_(0, places, w[filters])
        return self.down @ combined.view(n_images, self.height, self.width) @ self.across.T

    def gradient(self, cells, slope: torch.Tensor, n_filters: int) -> torch.Tensor:
        filters, places, _ = cells
        spread = (self.down.T @ slope @ self.across).reshape(-1)
        return torch.zeros(n_filters, device=self.device).index_add_(0, filters, spread[places])

    def target(self, images, local) -> torch.Tensor:
        masks = []
        for i, label in zip(images, local, strict=True):
            maps = np.asarray(self.maps[self.map_ptr[i] : self.map_ptr[i + 1]])
            masks.append((maps == label).any(0) if label else np.ones(int(np.prod(self.size)), np.bool_))
        return self.tensor(np.stack(masks)).view(-1, *self.size)

    @staticmethod
    def slope(m: torch.Tensor, target: torch.Tensor, alpha: float, log_loss: bool) -> torch.Tensor:
        if log_loss:
            return torch.where(target, alpha * (m - 1), (1 - alpha) * m)
        return m * (1 - m) * torch.where(target, -alpha, 1 - alpha)
