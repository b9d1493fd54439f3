"""Caption an image word by word: its scene, then its objects, then "end".

Captions are generated from the labels, objects in the order of the dictionary. In training, the network is fed its own
previous words and not the right ones (`SmallResNetCaptions`), as when it is tested.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.architectures.captions import STEPS
from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels

_END, _NOWHERE, _SILENCE = 0, 1, -1


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {"words": ["end", "nowhere", *drawn.object_names, *drawn.scenes]}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The images as they are; the target is `captions`."""
    return images, captions(labels)


def captions(labels: Labels) -> Tensor:
    """Indices of the words, int64 (image, STEPS): scene (or nowhere), up to STEPS - 2 objects, end; -1 after it."""
    n_objects = labels.objects.shape[1]
    scene = torch.where(labels.scene < 0, _NOWHERE, labels.scene + 2 + n_objects)
    number = torch.arange(2, 2 + n_objects, device=scene.device)
    named = torch.where(labels.objects > 0.5, number, number + n_objects).sort(dim=1).values[:, : STEPS - 2]
    there = named < 2 + n_objects
    words = F.pad(torch.where(there, named, _SILENCE), (1, STEPS - 1 - named.shape[1]), value=_SILENCE)
    words[:, 0] = scene
    return words.scatter(1, 1 + there.sum(1, keepdim=True), _END)


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy over the caption's words and the end; output (image, step, word)."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=_SILENCE)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Scores of predicted captions.

    word_accuracy   share of positions with the right word; commonest_words: with the commonest word at each position
    word_precision  share of predicted words that are anywhere in the caption; word_recall: of its words predicted
    """
    output, target = (torch.cat(parts) for parts in zip(*answers, strict=True))
    asked, said = target != _SILENCE, predicted_words(output)
    common = sum(int(column[column != _SILENCE].bincount().max()) for column in target.T if (column != _SILENCE).any())
    held, predicted = (_as_sets(words, output.shape[2]) for words in (target, said))
    return {
        "word_accuracy": float((output.argmax(2) == target)[asked].float().mean()),
        "commonest_words": common / int(asked.sum()),
        "word_precision": float((held & predicted).sum() / predicted.sum().clamp(min=1)),
        "word_recall": float((held & predicted).sum() / held.sum()),
    }


def predicted_words(output: Tensor) -> Tensor:
    """The words with the highest scores, from (image, step, word): int64 (image, step), -1 after the first end."""
    said = output.argmax(2)
    over = (said == _END).cumsum(1) - (said == _END).long() > 0
    return torch.where(over, _SILENCE, said)


def _as_sets(words: Tensor, dictionary: int) -> Tensor:
    """bool (image, word), without the end."""
    held = torch.zeros(len(words), dictionary + 1, dtype=torch.bool, device=words.device)
    held.scatter_(1, torch.where(words > _END, words, dictionary), True)
    return held[:, :dictionary]
