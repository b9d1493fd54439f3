"""The picture that is explained: a file of the user's, in the size that the network sees."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.networks.load import Network
from n2vlib.paths import resolve
from n2vlib.vectors.pictures import read_displayed


def read(file: str, network: Network) -> NDArray[np.uint8]:
    """A picture as the network sees it: uint8, (height, width, 3).

    file   relative to the repository root
    Raises BadInput where it does not exist, is a folder, or cannot be read as a picture.
    """
    path = resolve(file)
    if not path.is_file():
        raise BadInput(f"IMAGE {file}: is {'a folder; name one picture in it' if path.is_dir() else 'no file'}")
    return as_seen(read_displayed(path), network)


def as_seen(image: NDArray[np.uint8], network: Network) -> NDArray[np.uint8]:
    """A picture in the size of the network's input, so that superpixels are parts of what the network sees."""
    height, width = network.preprocessing.size
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
