"""Text-image models: ours in the zoo, one of open_clip with the user's weights, or what a function of the user gives.

    model = load("open_clip:ViT-B-32@weights/vit.safetensors")
    model.of_images([images]) @ model.of_texts(["a red car", "grass"]).T         # cosines, (image, text)

Nothing is downloaded: weights are files that the user has, read as tensors only.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.errors import BadInput, near, one_line
from n2vlib.networks.functions import function_named
from n2vlib.networks.weights import fill, read_weights
from n2vlib.paths import resolve
from n2vlib.store import digest
from n2vlib.text_image.model import positions
from n2vlib.words.phrases import words_of
from n2vlib.zoo import shipped
from n2vlib.zoo.others import TEXT_IMAGE
from n2vlib.zoo.recipes import PREPROCESSING

BATCH = 64
_FETCHED = {"hf_tokenizer_name", "hf_model_name"}  # text sides whose parts open_clip gets from a server
_HOW = "a name of the zoo, open_clip:ARCHITECTURE@FILE of weights, or path/file.py:function"


@dataclass(frozen=True)
class TextImage:
    """A model of how well a text fits an image.

    images        uint8 (image, height, width, 3) to float (image, size)      texts   texts to (text, size)
    words         those that it knows; None: all
    fingerprint   says which model it is, for the store
    """

    name: str
    fingerprint: str
    images: Callable[[NDArray[np.uint8]], NDArray] = field(repr=False, compare=False)
    texts: Callable[[Sequence[str]], NDArray] = field(repr=False, compare=False)
    words: frozenset[str] | None = field(default=None, repr=False)

    def of_images(self, batches: Any) -> NDArray[np.float32]:
        """Unit vectors of batches of images, (image, size)."""
        return _unit(self, "images", np.concatenate([np.asarray(self.images(batch)) for batch in batches]))

    def of_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of texts, (text, size)."""
        found = np.asarray(self.texts(list(texts)))
        if len(found) != len(texts):
            raise BadInput(f"TEXT_IMAGE {self.name}: {len(found)} vectors for {len(texts)} texts; give one of each")
        return _unit(self, "texts", found)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that the model does not know; the whole text where it has no words for it."""
        if self.words is None:
            return []
        return [each for each in words_of(text) or [text] if each not in self.words]

    def once(self, texts: Sequence[str]) -> list[str]:
        """The texts without those that are the same words to the model as one before: Car after car."""
        first: dict[Any, str] = {}
        for text in texts:
            first.setdefault(text if self.words is None else tuple(words_of(text)) or text, text)
        return list(first.values())


def _unit(model: TextImage, what: str, vectors: NDArray) -> NDArray[np.float32]:
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating) or not np.isfinite(vectors).all():
        raise BadInput(
            f"TEXT_IMAGE {model.name}: {what} give {vectors.dtype} {vectors.shape}; finite (n, size) is needed"
        )
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def load(text_image: str) -> TextImage:
    """The model of the TEXT_IMAGE parameter: a name of the zoo, open_clip:ARCHITECTURE@FILE, or file.py:function."""
    if text_image in TEXT_IMAGE:
        return _of_zoo(text_image)
    if text_image.startswith("open_clip:"):
        return _of_open_clip(text_image)
    if ":" in text_image:
        return _of_function(text_image)
    raise BadInput(f"TEXT_IMAGE {text_image!r}: no such model; {near(text_image, [*TEXT_IMAGE])}; give {_HOW}")


def _of_zoo(name: str, folder: Path = shipped.FOLDER) -> TextImage:
    from n2vlib.text_image import training  # which imports what draws the world

    row, card = TEXT_IMAGE[name], shipped.card(name, folder)
    state, words = shipped.verified(name, folder), card["words"]
    towers = training.filled(row, words, state)
    network = shipped.load(row.network)[0]

    def images(batch: NDArray[np.uint8]) -> NDArray:
        with torch.inference_mode():
            return towers.of_images(training.features(cast(Any, network), batch, torch.channels_last)).numpy()

    def texts(asked: Sequence[str]) -> NDArray:
        with torch.inference_mode():
            return towers.of_texts(positions(asked, words)).numpy()

    mark = digest([card["sha256"], shipped.card(row.network)["sha256"], PREPROCESSING.as_json()])
    return TextImage(name, mark, images, texts, frozenset(words))


def _of_open_clip(text_image: str) -> TextImage:
    """ARCHITECTURE as open_clip lists it, with weights from a file: safetensors, or a torch file of tensors only."""
    architecture, at, file = text_image.removeprefix("open_clip:").partition("@")
    if not architecture or not at or not file:
        raise BadInput(
            f"TEXT_IMAGE {text_image!r}: say open_clip:ARCHITECTURE@FILE, for instance ViT-B-32@clip.safetensors"
        )
    try:
        import open_clip  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise BadInput(f"TEXT_IMAGE {text_image!r}: needs open_clip; run pip install -e '.[clip]'") from None
    if architecture not in open_clip.list_models():
        hint = near(architecture, open_clip.list_models())
        raise BadInput(f"TEXT_IMAGE {text_image!r}: open_clip has no {architecture!r}; {hint}")
    parts = open_clip.get_model_config(architecture) or {}
    if parts.get("text_cfg", {}).keys() & _FETCHED or parts.get("vision_cfg", {}).get("timm_model_pretrained"):
        raise BadInput(
            f"TEXT_IMAGE {text_image!r}: open_clip downloads parts of {architecture}; take one such as ViT-B-32"
        )
    module, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=None)
    try:
        fill(module, read_weights(resolve(file), module), file)
    except BadInput as error:
        raise BadInput(str(error).replace("WEIGHTS", "TEXT_IMAGE", 1)) from None
    tokens, module = open_clip.get_tokenizer(architecture), module.eval()
    mark = digest([architecture, [[name, _mark(values)] for name, values in module.state_dict().items()]])
    return TextImage(f"open_clip {architecture}", mark, _pictures(module, transform), _words(module, tokens))


def _mark(values: Tensor) -> str:
    return hashlib.sha256(values.detach().cpu().float().numpy().tobytes()).hexdigest()


def _pictures(module: Any, transform: Callable) -> Callable[[NDArray[np.uint8]], NDArray]:
    from PIL import Image

    def images(batch: NDArray[np.uint8]) -> NDArray:
        with torch.inference_mode():
            ready = torch.stack([cast(Tensor, transform(Image.fromarray(each))) for each in batch])
            return module.encode_image(ready).float().numpy()

    return images


def _words(module: Any, tokens: Callable) -> Callable[[Sequence[str]], NDArray]:
    def texts(asked: Sequence[str]) -> NDArray:
        with torch.inference_mode():
            parts = [module.encode_text(tokens(asked[at : at + BATCH])) for at in range(0, len(asked), BATCH)]
            return torch.cat(parts).float().numpy()

    return texts


def _of_function(text_image: str) -> TextImage:
    """A function without arguments that returns two functions: of images, and of texts."""
    function = function_named(text_image, "TEXT_IMAGE")
    try:
        made = function()
    except Exception as failure:  # it is the user's code
        raise BadInput(f"TEXT_IMAGE {text_image}: without arguments it fails ({one_line(failure)})") from failure
    if not (isinstance(made, tuple) and len(made) == 2 and all(map(callable, made))):
        raise BadInput(f"TEXT_IMAGE {text_image}: it must return two functions, of images and of texts, in a pair")
    path = resolve(text_image.rpartition(":")[0])
    code = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    noise = np.random.default_rng(0).integers(0, 256, (2, *PREPROCESSING.size, 3), dtype=np.uint8)
    mark = digest([text_image, code, _answer(made[0], noise), _answer(made[1], ["a", "red car"])])
    return TextImage(text_image.rpartition(":")[2], mark, *made)


def _answer(function: Callable, asked: Any) -> list | str:
    """What a side of the model says, rounded, of any scale: its weights may be read from files that we do not see."""
    try:
        vectors = np.asarray(function(asked), float)
    except Exception as failure:  # it is the user's code, and may know other texts only
        return type(failure).__name__
    largest = np.abs(vectors).max(initial=0)
    return (np.round(vectors / (largest or 1), 4) + 0).tolist()  # + 0: no -0
