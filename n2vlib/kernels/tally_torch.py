"""The counts of `tally` in torch, for any device: dense masks of one image at a time, equal to the pixel."""

import numpy as np
import torch


def set_counts(images, pointers, code, grid, labels, down, across, n_filters, n_concepts, device="cpu"):
    """Same arguments and result as tally.set_counts."""
    found = torch.zeros(2, n_filters, n_concepts, dtype=torch.int64, device=device)
    for i in images:
        filters, dense = _dense(code, None, pointers, i, grid, found.device)
        masks = 2 * _upsample(dense, down, across) > down[4] * across[4]
        _add(found, i, filters, masks, labels)
    return tuple(found.cpu().numpy())


def dissection_counts(
    images, entries, thresholds, grid, labels, down, across, category, n_categories, n_concepts, counted,
    device="cpu",
):  # fmt: skip
    """Same arguments and result as tally.dissection_counts."""
    pointers, code, value = entries
    found = torch.zeros(2, len(thresholds), n_concepts, dtype=torch.int64, device=device)
    predicted = torch.zeros(len(thresholds), n_categories, dtype=torch.int64, device=device)
    limits = torch.as_tensor(np.array(thresholds), dtype=torch.float64, device=device)
    _, _, pair_ptr, pair_concept, _ = labels
    for i in images:
        filters, dense = _dense(code, value, pointers, i, grid, device)
        scaled = (limits[filters] * (down[4] * across[4]))[:, None, None]
        # Cells that are not stored cannot fire; they hold -inf, which the taps turn into -inf or NaN: both fail `>`.
        masks = _upsample(dense, down, across) > scaled
        overlap = _add(found, i, filters, masks, labels)
        present = torch.zeros(len(filters), n_categories, dtype=torch.bool, device=device)
        present[:] = counted == 2
        mine = torch.as_tensor(category[pair_concept[pair_ptr[i] : pair_ptr[i + 1]]], device=device)
        for at, c in enumerate(mine):
            present[:, c] |= (overlap[:, at] > 0) if counted == 1 else counted == 0
        predicted[filters] += masks.sum((1, 2))[:, None] * present
    return found[0].cpu().numpy(), predicted.cpu().numpy()


def _dense(code, value, pointers, i, grid, device):
    """Filters with entries in image i, and their maps: (filter,), (filter, h, w) of int64 or float64."""
    chosen = slice(pointers[i], pointers[i + 1])
    cells = grid[0] * grid[1]
    codes = torch.as_tensor(code[chosen].astype(np.int64), device=device)
    filters, row = torch.unique(codes // cells, return_inverse=True)
    if value is None:
        maps = torch.zeros(len(filters), cells, dtype=torch.int64, device=device)
        maps[row, codes % cells] = 1
    else:
        maps = torch.full((len(filters), cells), -torch.inf, dtype=torch.float64, device=device)
        maps[row, codes % cells] = torch.as_tensor(value[chosen].astype(np.float64), device=device)
    return filters, maps.view(-1, *grid)


def _upsample(maps: torch.Tensor, down, across) -> torch.Tensor:
    """Bilinear upsampling with integer weights, scaled by both denominators; in the kernels' order of operations."""
    y0, y1, v0, v1, _, _ = (torch.as_tensor(each, device=maps.device) for each in down)
    x0, x1, u0, u1, _, _ = (torch.as_tensor(each, device=maps.device) for each in across)
    rows = maps[:, y0] * v0[:, None] + maps[:, y1] * v1[:, None]
    return rows[:, :, x0] * u0 + rows[:, :, x1] * u1


def _add(found, i, filters, masks, labels) -> torch.Tensor:
    """Add image i's intersections and predicted areas to found, (2, filter, concept).

    Returns the intersections, (filter of the image, pair)
    """
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    mine = torch.as_tensor(np.array(maps[map_ptr[i] : map_ptr[i + 1]]), device=found.device)
    local = torch.as_tensor(np.array(pair_local[pair_ptr[i] : pair_ptr[i + 1]]), device=found.device)
    # Per pixel, how many maps show the concept; 1 everywhere for a label of the whole image.
    annotated = torch.where((local == 0)[:, None], 1, (mine[None] == local[:, None, None]).sum(1))
    annotated = annotated.expand(len(local), masks.shape[1] * masks.shape[2])
    # float32 holds every integer below 2^24: exact for any label map.
    overlap = masks.flatten(1).float() @ annotated.float().T
    concepts = torch.as_tensor(pair_concept[pair_ptr[i] : pair_ptr[i + 1]], device=found.device)
    found[0][filters[:, None], concepts] += overlap.round().long()
    found[1][filters[:, None], concepts] += masks.sum((1, 2))[:, None]
    return overlap
