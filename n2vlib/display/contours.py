"""The edge of a mask as closed lines: traced along pixel edges, then rounded. Numpy only."""

import numpy as np


def contours(mask: np.ndarray, rounds: int = 2) -> list[np.ndarray]:
    """Closed lines around the mask, one per piece and one per hole.

    mask      bool (height, width)
    rounds    how often corners are cut; the line stays within half a pixel of the mask's own edge
    Returns   float (point, 2) each, x and y in pixels of the mask, first point not repeated
    """
    return [_cut_corners(loop, rounds) for loop in _loops(np.asarray(mask, bool))]


def dashes(line: np.ndarray, on: float, off: float) -> list[np.ndarray]:
    """A closed line as a whole number of strokes, of length about `on` with gaps of about `off`."""
    closed = np.concatenate([line, line[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    count = max(1, round(along[-1] / (on + off)))
    period = along[-1] / count
    starts = np.arange(count) * period
    return [_between(closed, along, start, start + period * on / (on + off)) for start in starts]


def _between(closed: np.ndarray, along: np.ndarray, start: float, end: float) -> np.ndarray:
    inside = along[(along > start) & (along < end)]
    at = np.concatenate([[start], inside, [end]])
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)


def _loops(mask: np.ndarray) -> list[np.ndarray]:
    """Loops of unit steps around every piece, the mask on their right; pieces that touch at a corner stay apart."""
    steps = _steps(mask)
    loops = []
    while steps:
        start = next(iter(steps))
        here, direction, loop = start, steps[start][0], [start]
        while True:
            leaving, right = steps[here], (-direction[1], direction[0])
            direction = right if right in leaving else leaving[0]  # else straight on or left; y points down
            leaving.remove(direction)
            if not leaving:
                del steps[here]
            here = (here[0] + direction[0], here[1] + direction[1])
            if here == start:
                break
            loop.append(here)
        loops.append(np.array(loop, float))
    return loops


def _steps(mask: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """{corner (x, y): directions (dx, dy) of the unit steps that leave it}, clockwise around True pixels."""
    padded = np.pad(mask, 1)
    sides = (  # neighbour (dy, dx); the step's first corner within the pixel; its direction
        (-1, 0, (0, 0), (1, 0)),
        (0, 1, (1, 0), (0, 1)),
        (1, 0, (1, 1), (-1, 0)),
        (0, -1, (0, 1), (0, -1)),
    )
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for dy, dx, (right, down), direction in sides:
        neighbour = padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        for y, x in np.argwhere(mask & ~neighbour).tolist():
            steps.setdefault((x + right, y + down), []).append(direction)
    return dict(sorted(steps.items()))


def _cut_corners(loop: np.ndarray, rounds: int) -> np.ndarray:
    """Chaikin's subdivision of a closed line: two points on every edge, at a quarter and at three quarters."""
    for _ in range(rounds):
        after = np.roll(loop, -1, axis=0)
        loop = np.stack([0.75 * loop + 0.25 * after, 0.25 * loop + 0.75 * after], axis=1).reshape(-1, 2)
    return loop
