"""Names for the filters of a layer: the phrase that fits the images of each best."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.text_image import softwpmi
from n2vlib.text_image.load import BATCH, TextImage

MOST = 200_000_000  # numbers of phrases and images: 1.6 GB in float64, of which the score needs several
MODULES = ["n2vlib.text_image.naming", "n2vlib.text_image.model"]


@dataclass(frozen=True, eq=False)
class Fits:
    """How well phrases fit the images of a probe set.

    phrases   those with words that the model knows      left_out   (phrase, its first unknown word) of the others
    values    cosines, float32, (image, phrase)
    """

    phrases: list[str] = field(repr=False)
    left_out: list[tuple[str, str]]
    values: NDArray[np.float32] = field(repr=False)

    @property
    def silence(self) -> str:
        """Which phrases are left out, in one line; "" where none is."""
        if not self.left_out:
            return ""
        phrase, word = self.left_out[0]
        many = f"{len(self.left_out)} of {len(self.left_out) + len(self.phrases)} phrases are left out"
        return f"PHRASES: {many}, since the model does not know a word of them; the first is {phrase!r}, for {word!r}"


def fits(model: TextImage, probe: ProbeSet, phrases: Sequence[str], store: Store) -> Fits:
    """Cosines of the vectors of images and phrases; those of the images are kept in the store.

    Of phrases that are the same to the model, the first is kept (`TextImage.once`).
    Raises BadInput where the model knows fewer than two of the phrases, or they are too many for so many images.
    """
    unknown = {text: model.unknown(text) for text in model.once(phrases)}
    kept = [text for text, words in unknown.items() if not words]
    left_out = [(text, words[0]) for text, words in unknown.items() if words]
    if len(kept) < 2:
        what = f"; the first is {left_out[0][0]!r}, for {left_out[0][1]!r}" if left_out else ""
        raise BadInput(f"PHRASES: {model.name} knows all words of {len(kept)} of them, two are needed{what}")
    if len(kept) * len(probe) > MOST:
        most = f"at most {MOST // len(probe):,} phrases fit into memory"
        raise BadInput(f"PHRASES: {len(kept):,} phrases for the {len(probe):,} images of {probe.name}; {most}")

    def make(folder: Path) -> None:
        batches = bar(probe.batches(BATCH), f"images for {model.name}", -(-len(probe) // BATCH))
        save_arrays(folder, vectors=model.of_images(batches))

    folder = store.entry("text-image", {"model": model.fingerprint, "probe": probe.fingerprint}, MODULES, make)
    images, texts = load_array(folder, "vectors"), model.of_texts(kept)
    if images.shape[1] != texts.shape[1]:
        sizes = f"{images.shape[1]} numbers for an image, {texts.shape[1]} for a text"
        raise BadInput(f"TEXT_IMAGE {model.name}: {sizes}; both sides must have one size")
    return Fits(kept, left_out, images @ texts.T)


def names(
    activations: NDArray, found: Fits, images: NDArray[np.int64] | None = None, lam: float = softwpmi.LAM
) -> pd.DataFrame:
    """The phrase of the highest SoftWPMI for each unit.

    activations   one number of each unit for each image, (image, unit)
    images        the images that are looked at; None: all      lam   see `softwpmi.scores`
    Returns       index filter; name, score, second (the next phrase), ahead (by how much)
    """
    return named(own(activations, found, images), found.phrases, lam)


def own(activations: NDArray, found: Fits, images: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """What `named` takes, the same for every weight: (unit, phrase); arguments as of `names`."""
    chosen = np.arange(len(activations)) if images is None else images
    return softwpmi.own(activations[chosen], found.values[chosen])


def named(own: NDArray[np.float64], phrases: Sequence[str], lam: float = softwpmi.LAM) -> pd.DataFrame:
    """`names`, of what `own` gives."""
    scores = softwpmi.beyond(own, lam)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    first, second = (np.take_along_axis(scores, order[:, [at]], 1)[:, 0] for at in (0, 1))
    words = np.array(phrases, object)[order]
    table = {"name": words[:, 0], "score": first, "second": words[:, 1], "ahead": first - second}
    return pd.DataFrame(table).rename_axis("filter")
