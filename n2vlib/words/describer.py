"""A trained describer, and descriptions of a layer's filters.

describer.load().describe(exemplars)        index unit: description, likelihood, prior, score
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.store import Store, digest
from n2vlib.words import decoding, phrases
from n2vlib.words.decoding import BEAM, WEIGHT
from n2vlib.words.exemplars import TAU, Exemplars, of_layer
from n2vlib.words.features import Encoder, encoder
from n2vlib.words.model import Decoder, LanguageModel, Sizes, likelihood, numbers
from n2vlib.words.phrases import Language
from n2vlib.zoo import shipped

NAME = "small-describer"
MODULES = ["n2vlib.words.describer"]


@dataclass(frozen=True, eq=False)
class Describer:
    """A decoder and a language model, trained on features of one encoder.

    words         what they say, SPECIAL first      card   what describes the training: sizes, curve, accuracy, ...
    language      of the images it was trained on
    """

    name: str
    words: list[str] = field(repr=False)
    decoder: Decoder = field(repr=False)
    model: LanguageModel = field(repr=False)
    encoder: Encoder = field(repr=False)
    card: dict[str, Any] = field(default_factory=dict, repr=False)
    language: Language = field(default_factory=phrases.drawn, repr=False)

    @property
    def fingerprint(self) -> str:
        """Which weights these are."""
        return self.card["sha256"]

    @cached_property
    def key(self) -> str:
        """All that what it says depends on, for the store: weights, words, language, and the network it sees with."""
        eyes, known = self.encoder.network, sorted({*self.language.members, *self.language.unlabelled})
        reads = [eyes.fingerprint, eyes.code, eyes.preprocessing.as_json(), [*self.encoder.layers]]
        return digest([self.fingerprint, self.words, known, reads])

    def features(self, exemplars: Exemplars) -> NDArray[np.float32]:
        """What the describer sees: (unit, exemplar, feature). BadInput where the encoder is not the one it knows."""
        found, wanted = self.encoder.of(exemplars), len(self.decoder.mean)
        if found.shape[2] != wanted:
            layers = ", ".join(self.encoder.layers)
            raise BadInput(
                f"describer {self.name}: {self.encoder.network.name} has {found.shape[2]} features ({layers}), it was "
                f"trained on {wanted}; give the encoder it was trained with, or train one with `words.training`"
            )
        return found

    def candidates(self, exemplars: Exemplars, beam: int = BEAM) -> pd.DataFrame:
        """The likeliest descriptions of every unit: unit, description, likelihood, prior, fluent."""
        table = self.decoded(self.features(exemplars), beam)
        return table.assign(unit=exemplars.units[table["unit"].to_numpy(np.int64)])

    def decoded(self, features: NDArray[np.float32], beam: int = BEAM) -> pd.DataFrame:
        """`candidates` of features, (unit, exemplar, feature); units by their rows."""
        table = decoding.candidates(self.decoder, self.model, self.words, features, beam)
        well = {text: self.language.well_formed(text) for text in table["description"].unique()}
        return table.assign(fluent=[well[text] for text in table["description"]])

    def describe(self, exemplars: Exemplars, weight: float = WEIGHT, beam: int = BEAM) -> pd.DataFrame:
        """The description of every unit: index unit; description, likelihood (log p(d|E)), prior (log p(d)), score.

        weight   of the prior in the score; the paper's 0.2      beam   descriptions that are compared
        """
        return decoding.reranked(self.candidates(exemplars, beam), weight)

    @torch.inference_mode()
    def likelihood(self, exemplars: Exemplars, texts: Sequence[str]) -> NDArray[np.float64]:
        """log p(d|E) of one description for each unit: float64, (unit,)."""
        said = numbers(texts, self.words)
        log_p, _ = self.decoder(torch.from_numpy(self.features(exemplars)), said[:, :-1])
        return likelihood(log_p, said[:, 1:]).numpy().astype(np.float64)

    def prior(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """log p(d) of descriptions: float64, (text,)."""
        return decoding.prior(self.model, self.words, [*texts])


def load(name: str = NAME, folder: Path = shipped.FOLDER) -> Describer:
    """A describer of the zoo; BadInput where a file is missing or damaged."""
    state, card = shipped.verified(name, folder), shipped.card(name, folder)
    reads = _encoder(card["recipe"]["network"], tuple(card["recipe"]["layers"]))
    return filled(name, card, {key: values.float() for key, values in state.items()}, reads)


@cache
def _encoder(network: str, layers: tuple[str, ...]) -> Encoder:
    return encoder(network, layers)


def filled(
    name: str, card: dict[str, Any], state: dict[str, Tensor], reads: Encoder, language: Language | None = None
) -> Describer:
    """The describer of these weights; card: words, sizes and sha256; language: of its words, that of drawn scenes."""
    sizes, words = Sizes(**card["sizes"]), card["words"]
    decoder, model = Decoder(len(words), sizes), LanguageModel(len(words), sizes)
    for module, prefix in ((decoder, "decoder."), (model, "model.")):
        module.load_state_dict({key.removeprefix(prefix): of for key, of in state.items() if key.startswith(prefix)})
    return Describer(name, words, decoder.eval(), model.eval(), reads, card, language or phrases.drawn())


def described(
    layer: Layer,
    probe: ProbeSet,
    store: Store,
    describer: Describer | None = None,
    *,
    units: Sequence[int] | None = None,
    images: Sequence[int] | None = None,
    weight: float = WEIGHT,
    beam: int = BEAM,
) -> pd.DataFrame:
    """The descriptions of a layer's filters, kept in the store: index unit; description, likelihood, prior, score.

    layer   read with tau or tau_max of 0.01
    units   the filters asked for, all by default      images   which may be exemplars, all by default
    """
    table = kept(layer, probe, store, describer or load(), units=units, images=images, beam=beam)
    return decoding.reranked(table, weight)


def kept(
    layer: Layer,
    probe: ProbeSet,
    store: Store,
    describer: Describer,
    *,
    units: Sequence[int] | None = None,
    images: Sequence[int] | None = None,
    beam: int = BEAM,
) -> pd.DataFrame:
    """All candidates of a layer's filters, kept in the store: unit, description, likelihood, prior, fluent."""
    chosen = [*range(layer.n_filters)] if units is None else [int(unit) for unit in units]
    among = None if images is None else [int(image) for image in images]
    inputs = {"layer": layer.at(TAU).fingerprint, "probe": probe.fingerprint, "units": chosen, "images": among}
    inputs |= {"beam": beam, "describer": describer.key}

    def make() -> pd.DataFrame:
        return describer.candidates(of_layer(layer, probe, chosen, images=among), beam)

    return store.table("descriptions", inputs, MODULES, make)


def of_exemplars(exemplars: Exemplars, store: Store, describer: Describer, beam: int = BEAM) -> pd.DataFrame:
    """`Describer.candidates` of exemplars that are of no stored layer, kept in the store by what is in them.

    Returns   unit, description, likelihood, prior, fluent; `decoding.reranked` takes the best of every unit
    """
    arrays = (exemplars.pictures, exemplars.at, exemplars.masks, exemplars.units)
    shown = [sha256(np.ascontiguousarray(each).tobytes()).hexdigest() for each in arrays]
    inputs = {"exemplars": shown, "describer": describer.key, "beam": beam}
    return store.table("descriptions-of-images", inputs, MODULES, lambda: describer.candidates(exemplars, beam))
