"""Train a describer: ours, as it ships with the zoo, or one on any labelled probe set, kept in the store.

As in MILAN (appendix): the loss is the mean negative log-likelihood of a word, plus mean_i (1 - sum_t attention_ti)^2,
which asks the decoder to look at every exemplar; the language model learns the same descriptions. Training stops when
held-out images no longer improve, and the weights that did best there are kept: a copy of them. (The released program
keeps references to the weights in training, so what it restores is the last ones.)
"""

import copy
import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput, near
from n2vlib.files.output import writing_into
from n2vlib.networks.load import Network
from n2vlib.paths import data_root
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.progress import bar
from n2vlib.sources import sources_digest
from n2vlib.store import Store
from n2vlib.words import held_out, phrases
from n2vlib.words.describer import Describer, filled, load
from n2vlib.words.features import Encoder, encoder
from n2vlib.words.model import PAD, Decoder, LanguageModel, Sizes, numbers, vocabulary
from n2vlib.words.phrases import Language
from n2vlib.words.regions import Bank, Units
from n2vlib.zoo import data, shipped
from n2vlib.zoo.others import DESCRIBERS
from n2vlib.zoo.others import Describer as Recipe

MODULES = ["n2vlib.words.training"]
OWN = "own"
HELD_OUT_IMAGES, CHECKED = 800, 384  # images, and units of them, that decide which weights are kept
ATTENTION = 1.0  # weight of the penalty


def drawn(n_images: int, seed: int) -> ProbeSet:
    """Drawn images with their labels: the first `n_images` of a seed of the world, some with writing on them."""
    from n2vlib.words import written

    folder = data_root() / f"writing-{n_images}-seed{seed}-{sources_digest(['n2vlib.words.written'])[:8]}"
    with writing_into(folder.parent, "N2V_DATA"), filelock.FileLock(f"{folder}.lock"):
        if not folder.exists():
            written.draw(folder, n_images, seed)
    return load_probe(folder)


def train(name: str, device: str = "cpu", out: Path | None = None) -> dict[str, Any]:
    """Train the describer `name` of the zoo, write <name>.safetensors and <name>.json into `out`, return the JSON.

    device   not read: so small a network is trained on the CPU      out   folder; None: where the zoo ships from
    """
    row, started = DESCRIBERS[name], time.monotonic()
    reads = encoder(row.network, row.layers)
    learn = Bank.of(drawn(row.images, data.TRAIN_SEED), reads, row.seed)
    other = Bank.of(drawn(HELD_OUT_IMAGES, data.HELD_OUT_SEED), reads, row.seed + 1)
    weights, card = fit(row, learn, other)
    found = filled(name, card, _floats(weights), reads, learn.language)
    card = {
        "name": name,
        "recipe": asdict(row),
        "network_sha256": shipped.card(row.network)["sha256"],
        "data": {"world_sources": data.world_digest(), "train": {"seed": data.TRAIN_SEED, "images": row.images},
                 "held_out": {"seed": data.HELD_OUT_SEED, "images": HELD_OUT_IMAGES}},
        "seconds": round(time.monotonic() - started),
        "device": "cpu",
        "accuracy": held_out.measured(found, learn, other, row.seed),
        **card,
        "torch": str(torch.__version__),
    }  # fmt: skip
    shipped.write(out or shipped.FOLDER, name, weights, card)
    return card


def of_probe(
    probe: ProbeSet, network: Network, layers: list[str], store: Store, seed: int = 0, **sizes: Any
) -> Describer:
    """A describer trained on any labelled probe set, kept in the store: a fifth of its images decides when to stop.

    network, layers   the frozen network to see with      sizes   fields of `others.Describer` to change (steps, batch)
    """
    reads = Encoder(network, tuple(layers))
    row = replace(DESCRIBERS["small-describer"], network=network.name, layers=tuple(layers), seed=seed, **sizes)
    inputs = {"probe": probe.fingerprint, "network": network.fingerprint, "layers": layers, "recipe": asdict(row)}
    shown = {"preprocessing": network.preprocessing.as_json(), "code": network.code}

    def make(folder: Path) -> None:
        order = np.random.default_rng(seed).permutation(len(probe))
        other, learn = np.split(order, [max(len(order) // 5, 1)])
        one, two = (Bank.of(probe.subset(np.sort(rows)), reads, seed + i) for i, rows in enumerate((learn, other)))
        weights, card = fit(row, one, two)
        rates = held_out.measured(filled(probe.name, card, _floats(weights), reads, one.language), one, two, seed)
        shipped.write(folder, "describer", weights, {"name": probe.name, "accuracy": rates, **card})

    folder = store.entry("describers", inputs | shown, MODULES, make)
    card = json.loads((folder / "describer.json").read_text(encoding="utf-8"))
    weights = (folder / "describer.safetensors").read_bytes()
    return filled(f"own of {probe.name}", card, _floats(weights), reads, phrases.language(probe))


def of_name(name: str, probe: ProbeSet, network: Network, layers: list[str], store: Store, seed: int = 0) -> Describer:
    """The describer of the DESCRIBER parameter: one of the zoo by its name, or OWN, trained on the probe set."""
    if name == OWN:
        return of_probe(probe, network, layers, store, seed)
    if name not in DESCRIBERS:
        raise BadInput(f"DESCRIBER {name!r}: no such describer; {near(name, [*DESCRIBERS, OWN])}")
    return load(name)


def _floats(weights: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return {name: values.float() for name, values in load(weights).items()}


@dataclass(frozen=True, eq=False)
class Batch:
    """features (unit, exemplar, feature), and one description of each unit, words int64 (unit, position)."""

    features: Tensor
    words: Tensor


def fit(row: Recipe, learn: Bank, other: Bank) -> tuple[bytes, dict[str, Any]]:
    """Weights of the best decoder and language model, and what describes them: words, sizes, curve, sha256.

    learn   regions that are learned from      other   of held-out images, which decide which weights are kept
    """
    from safetensors.torch import save

    torch.manual_seed(row.seed)
    draws, units, words = np.random.default_rng(row.seed), Units(learn), vocabulary(_texts(learn.language))
    sizes = Sizes(learn.features.shape[1])
    both = _new(len(words), sizes, learn)
    optimizer = torch.optim.AdamW(both.parameters(), row.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=row.steps + 1, pct_start=0.1)
    looks = Looks(_batch(other, Units(other), CHECKED, words, np.random.default_rng(row.seed + 1)), row.patience)
    for step in bar(range(1, row.steps + 1), "training the describer", row.steps):
        said, language, attention = losses(both.train(), _batch(learn, units, row.batch, words, draws))
        optimizer.zero_grad()
        (said + language + ATTENTION * attention).backward()
        optimizer.step()
        schedule.step()
        if step % row.check == 0 and looks.enough(both, step, said.item()):
            break
    weights = save({name: values.half().contiguous() for name, values in looks.best.items()})
    card = {"words": words, "sizes": asdict(sizes), "curve": looks.curve, "sha256": hashlib.sha256(weights).hexdigest(),
            "weights": sum(values.numel() for values in looks.best.values())}  # fmt: skip
    return weights, card


def _new(n_words: int, sizes: Sizes, learn: Bank) -> nn.ModuleDict:
    """A decoder and a language model with random weights; the decoder knows the features' mean and deviation."""
    decoder, model = Decoder(n_words, sizes), LanguageModel(n_words, sizes)
    some = torch.from_numpy(learn.features[:: max(1, len(learn.features) // 20_000)]).float()
    decoder.mean.copy_(some.mean(0))
    decoder.deviation.copy_(some.std(0).clamp(min=1e-3))
    return nn.ModuleDict({"decoder": decoder, "model": model})


class Looks:
    """Looks at held-out images while a describer is trained, and a copy of the weights that did best there."""

    def __init__(self, batch: Batch, patience: int):
        self.batch, self.patience, self.since, self.lowest = batch, patience, 0, np.inf
        self.best: dict[str, Tensor] = {}
        self.curve: list[dict[str, float]] = []

    def enough(self, both: nn.ModuleDict, step: int, train: float) -> bool:
        """Whether training should stop, after one more look."""
        with torch.inference_mode():
            said, language, _ = losses(both.eval(), self.batch)
        row = {"step": step, "train": train, "held_out": float(said), "language_model": float(language)}
        self.curve.append({name: round(value, 4) for name, value in row.items()})
        self.since += 1
        if float(said) < self.lowest:
            self.lowest, self.since, self.best = float(said), 0, copy.deepcopy(both.state_dict())
        return self.since >= self.patience


def losses(both: nn.ModuleDict, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Mean negative log-likelihood of a word by the decoder and by the language model, and the attention penalty."""
    before, after = batch.words[:, :-1], batch.words[:, 1:]
    log_p, attention = both["decoder"](batch.features, before)
    words = after != PAD
    seen = (attention * words[..., None]).sum(1)
    penalty = (1 - seen).square().mean()
    by = [F.nll_loss(each.flatten(0, 1), after.flatten(), ignore_index=PAD) for each in (log_p, both["model"](before))]
    return by[0], by[1], penalty


def _batch(bank: Bank, units: Units, size: int, words: list[str], draws: np.random.Generator) -> Batch:
    drawn_units = [units.draw(draws) for _ in range(size)]
    shown = bank.features[np.array([unit.rows for unit in drawn_units])]
    texts = [unit.described(draws) for unit in drawn_units]
    return Batch(torch.from_numpy(shown).float(), numbers(texts, words))


def _texts(language: Language) -> list[str]:
    """Texts with every word that can be said."""
    alone = [frozenset([each]) for each in language.members]
    thing, part = ([each for each in language.members if each[0] == of][:1] for of in ("object", "part"))
    meanings = [frozenset(), *alone, frozenset(thing + part)]
    texts = [phrases.text([meaning], style) for meaning in meanings for style in range(phrases.STYLES)]
    return [*texts, *(f"an {text}" for text in texts), "a or b"]
