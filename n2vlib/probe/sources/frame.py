"""From an image and masks of any size to the probe set's sizes: stretched, or padded to keep their shape."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Fit = Literal["stretch", "pad"]


@dataclass(frozen=True)
class Frame:
    """The sizes of a probe set, and how images of other shapes get there.

    size         (ih, iw) of its images
    label_size   (sh, sw) of its label maps
    fit          "stretch": the image fills the frame; "pad": it keeps its shape, lies in the middle, and the rest is
                 black and unlabelled
    """

    size: tuple[int, int]
    label_size: tuple[int, int]
    fit: Fit = "stretch"

    def image(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (h, w, 3) -> uint8 (ih, iw, 3); averaged over the area of a pixel where it shrinks."""
        (h, w), (top, left) = self._inner(pixels.shape[:2])
        if pixels.shape[:2] == self.size:
            return pixels
        scaled = np.asarray(Image.fromarray(pixels).resize((w, h), Image.Resampling.BICUBIC))
        frame = np.zeros((*self.size, 3), np.uint8)
        frame[top : top + h, left : left + w] = scaled
        return frame

    def sample(self, pixels: NDArray, shape: tuple[int, int]) -> NDArray:
        """Values at the centres of the label map's pixels: (h, w, ...) -> (sh, sw, ...); 0 outside the image.

        pixels   a mask or an image that shows all of an image whose (height, width) is `shape`
        """
        rows, columns = (self._positions(axis, pixels.shape[axis], shape) for axis in (0, 1))
        found = pixels[rows[:, None], columns]
        found[(rows < 0)[:, None] | (columns < 0)] = 0
        return found

    def _positions(self, axis: int, length: int, shape: tuple[int, int]) -> NDArray[np.int64]:
        """For each row (axis 0) or column of the label map, that of an array of this length; -1 outside."""
        inner, start = (both[axis] for both in self._inner(shape))
        centre = (np.arange(self.label_size[axis]) + 0.5) * self.size[axis] / self.label_size[axis]
        found = np.floor((centre - start) * length / inner).astype(np.int64)
        return np.where((found >= 0) & (found < length), found, -1)

    def _inner(self, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where an image of this shape lies in the frame: its (height, width) there, and its (top, left)."""
        if self.fit == "stretch":
            return self.size, (0, 0)
        scale = min(self.size[0] / shape[0], self.size[1] / shape[1])
        h, w = (max(1, round(side * scale)) for side in shape)
        return (h, w), ((self.size[0] - h) // 2, (self.size[1] - w) // 2)
