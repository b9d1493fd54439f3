"""Train the network on pairs of sentences: ours, as it ships with the zoo, or the user's, kept in the store."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.progress import bar
from n2vlib.sentences import pairs as drawn_pairs
from n2vlib.sentences.language import CLASSES
from n2vlib.sentences.model import PADDING, UNKNOWN, EntailmentNetwork, Reader, indices
from n2vlib.spaces import word2vec as word_vectors
from n2vlib.store import Store, digest
from n2vlib.zoo import shipped
from n2vlib.zoo.others import SENTENCES, SentencePairs

MODULES = ["n2vlib.sentences.training"]
DRAWN = "drawn"
HELD_OUT = 4_000  # drawn pairs
TESTED = 0.2  # share of the premises of the user's pairs that are not trained on
# For the user's pairs, which are few: the paper's form, smaller, and more dropout.
OF_PEOPLE = SentencePairs("", pairs=0, embedding=50, hidden=128, units=1024, epochs=8, batch=64, rate=5e-3, dropout=0.3)


def train(name: str, device: str = "cpu", out: Path | None = None) -> dict[str, Any]:
    """Train the network `name` of the zoo, write <name>.safetensors and <name>.json into `out`, return the JSON.

    device   not read: so small a network is trained on the CPU      out   folder; None: where the zoo ships from
    """
    from safetensors.torch import save

    row, started = SENTENCES[name], time.monotonic()
    learn = drawn_pairs.drawn(row.pairs, drawn_pairs.TRAIN_SEED)
    reader = fit(row, learn)
    weights = save(_half(reader.module.state_dict()))
    held_out = drawn_pairs.drawn(HELD_OUT, drawn_pairs.HELD_OUT_SEED)
    card = {
        "name": name,
        "recipe": asdict(row),
        "data": {"train": {"seed": drawn_pairs.TRAIN_SEED, "pairs": row.pairs, "first_sha256": first_sha256(learn)},
                 "held_out": {"seed": drawn_pairs.HELD_OUT_SEED, "pairs": HELD_OUT}},
        "seconds": round(time.monotonic() - started),
        "device": "cpu",
        "accuracy": {"held_out": round(accuracy(_reader(row, reader.words, weights), held_out), 4)},
        "outputs": {"classes": list(CLASSES)},
        "words": list(reader.words),
        "weights": sum(values.numel() for values in reader.module.parameters()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": str(torch.__version__),
    }  # fmt: skip
    shipped.write(out or shipped.FOLDER, name, weights, card)
    return card


def first_sha256(pairs: pd.DataFrame) -> str:
    """A digest of the first 500 pairs: it says whether the same pairs are drawn today."""
    text = pairs.head(500)[["premise", "hypothesis", "gold"]].to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def load(name: str, folder: Path = shipped.FOLDER) -> Reader:
    """A network of the zoo, float32 in evaluation mode; BadInput where a file is missing or damaged."""
    state, card = shipped.verified(name, folder), shipped.card(name, folder)
    return replace(_filled(SENTENCES[name], card["words"], state), name=name)


def of_people(
    pairs: pd.DataFrame, store: Store, seed: int = 0, vectors: pd.DataFrame | None = None
) -> tuple[Reader, NDArray[np.bool_]]:
    """A network trained on the user's pairs, kept in the store; and which pairs it was not trained on, (pair,).

    A premise with all of its hypotheses is either trained on or held out.
    vectors   (word, dimension): where the words' own vectors begin; None: at random, as in the paper
    """
    held_out = split(pairs, seed)
    size = OF_PEOPLE.embedding if vectors is None else vectors.shape[1]
    row = replace(OF_PEOPLE, seed=seed, embedding=size)
    begin = None if vectors is None else digest([list(vectors.index), vectors.to_numpy(float).round(6).tolist()])
    inputs = {"pairs": digest(pairs.to_dict("list")), "recipe": asdict(row), "vectors": begin}

    def make(folder: Path) -> None:
        from safetensors.torch import save

        reader = fit(row, pairs.loc[~held_out], vectors)
        weights = save({name: values.contiguous() for name, values in reader.module.state_dict().items()})
        shipped.write(folder, "network", weights, {"words": list(reader.words)})

    folder = store.entry("sentences", inputs, MODULES, make)
    words = json.loads((folder / "network.json").read_text(encoding="utf-8"))["words"]
    return _reader(row, words, (folder / "network.safetensors").read_bytes()), held_out


def split(pairs: pd.DataFrame, seed: int) -> NDArray[np.bool_]:
    """Which pairs are held out, (pair,): those of a share of the premises, drawn at random."""
    premises = sorted(pairs["premise"].unique())
    if len(premises) < 2:
        raise BadInput("SENTENCES: all pairs have one premise; some premises are held out, so two are needed")
    tested = Random(seed).sample(premises, max(1, round(TESTED * len(premises))))
    return pairs["premise"].isin(tested).to_numpy()


def vocabulary(pairs: pd.DataFrame, most: int | None = None) -> list[str]:
    """PADDING, UNKNOWN and the words of the pairs, the most frequent first."""
    counts = Counter(word for name in ("premise", "hypothesis") for text in pairs[name] for word in text.split())
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return [PADDING, UNKNOWN, *ordered[:most]]


def fit(row: SentencePairs, pairs: pd.DataFrame, vectors: pd.DataFrame | None = None) -> Reader:
    """A network trained by Adam on pairs (premise, hypothesis, gold), from random weights.

    vectors   (word, dimension), unit rows: where the vectors of these words begin, as long as random ones are
    """
    torch.manual_seed(row.seed)
    words, draws = vocabulary(pairs), torch.Generator().manual_seed(row.seed)
    module = EntailmentNetwork(len(words), row.embedding, row.hidden, row.units, row.dropout).train()
    if vectors is not None:
        there = [word for word in words if word in vectors.index]
        begin = torch.tensor(vectors.loc[there].to_numpy(np.float32)) * row.embedding**0.5
        module.embedding.weight.data[[words.index(word) for word in there]] = begin
    sides = [indices(pairs[name], words) for name in ("premise", "hypothesis")]
    target = torch.tensor([CLASSES.index(gold) for gold in pairs["gold"]])
    optimizer = torch.optim.Adam(module.parameters(), row.rate)
    steps = row.epochs * max(1, len(target) // row.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=steps + 1, pct_start=0.1)
    for _ in bar(range(row.epochs), "training on sentences", row.epochs):
        for chosen in torch.randperm(len(target), generator=draws).split(row.batch)[: steps // row.epochs]:
            optimizer.zero_grad()
            F.cross_entropy(module(*(_trimmed(side[chosen]) for side in sides)), target[chosen]).backward()
            optimizer.step()
            schedule.step()
    return Reader(module.eval(), words)


def accuracy(reader: Reader, pairs: pd.DataFrame) -> float:
    """Share of pairs that are answered rightly."""
    return float((reader.read(pairs).answers == pairs["gold"].to_numpy()).mean())


def _trimmed(batch: Tensor) -> Tensor:
    """Without the columns that are behind the last word of every sentence."""
    return batch[:, : int((batch != 0).sum(1).max())]


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As it ships: float16, without the number of batches, which nothing reads."""
    return {name: values.half().contiguous() for name, values in state.items() if values.is_floating_point()}


def _reader(row: SentencePairs, words: Sequence[str], weights: bytes) -> Reader:
    from safetensors.torch import load as loaded

    return _filled(row, words, loaded(weights))


def _filled(row: SentencePairs, words: Sequence[str], state: dict[str, Tensor]) -> Reader:
    module = EntailmentNetwork(len(words), row.embedding, row.hidden, row.units)
    module.load_state_dict(module.state_dict() | {name: values.float() for name, values in state.items()})
    return Reader(module.eval(), words)


def reader_of(
    sentences: str, n_pairs: int, store: Store, seed: int = 0, word2vec: str | None = None
) -> tuple[Reader, pd.DataFrame, NDArray[np.bool_]]:
    """A trained network, pairs to explain it on, and which of these it was not trained on, (pair,).

    sentences   "drawn": the zoo's network, and n_pairs that it was not trained on; else a folder, see `pairs.load`
    word2vec    file of word vectors, where a network trained on the user's pairs begins
    """
    if sentences == DRAWN:
        pairs = drawn_pairs.drawn(n_pairs, drawn_pairs.HELD_OUT_SEED)
        return load(next(iter(SENTENCES))), pairs, np.ones(len(pairs), bool)
    pairs = drawn_pairs.load(sentences)
    vectors = None if word2vec is None else word_vectors.of_words(vocabulary(pairs)[2:], word2vec)
    reader, held_out = of_people(pairs, store, seed, vectors)
    return reader, pairs, held_out
