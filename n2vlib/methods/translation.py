"""Translate messages by what a listener comes to believe (Andreas et al. 2017, sections 3 to 5).

Two messages mean the same where a listener comes to believe the same of what the speaker saw. So a translation is the
candidate whose beliefs are nearest, averaged over states. The direct baseline asks instead which candidate is used in
the states in which the message is used.

All arithmetic is float64. No tensor (message, candidate, state) is built: every distance is a product of matrices.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from n2vlib.errors import BadInput, near

METHODS = ("belief", "forward", "direct", "pmi", "random")
WEIGHTS = ("either", "both", "source", "candidate", "equal")
_LEAST = 1e-150  # a state's weight for a message; the product of two is still a number

LogP = Callable[[Tensor], Tensor]  # messages -> (message, state, option), over the states that it was made for


@dataclass(frozen=True)
class Meaning:
    """What messages say of what the speaker saw: log p(message | seen).

    log_p   (message, state, option): for each state, what the speaker may have seen as far as the listener knows.
            Option 0 is what it did see. A constant that is the same for all options of a message changes no belief.
    """

    log_p: Tensor

    def __post_init__(self) -> None:
        if self.log_p.dim() != 3:
            raise BadInput(f"log p has shape {tuple(self.log_p.shape)}; it needs (message, state, option)")
        if 0 in self.log_p.shape[1:]:
            raise BadInput("log p has no state or no option; give what a speaker may have seen")
        if not (finite := self.log_p.isfinite()).all():
            row = int((~finite).flatten(1).any(1).nonzero()[0])
            raise BadInput(
                f"message {row}: log p is infinite or not a number; give messages and states that are finite"
            )

    @cached_property
    def log_beliefs(self) -> Tensor:
        """log b, (message, state, option): b_o = p(message | o) / sum over options, all equally likely before."""
        return self.log_p.double().log_softmax(2)

    @cached_property
    def beliefs(self) -> Tensor:
        """b, (message, state, option); rows have the sum 1."""
        return self.log_beliefs.exp()

    @cached_property
    def negative_entropy(self) -> Tensor:
        """Sum of b log b over options, (message, state)."""
        return (self.beliefs * self.log_beliefs).sum(2)

    @cached_property
    def log_true(self) -> Tensor:
        """log p(message | what the speaker saw), (message, state)."""
        return self.log_p[:, :, 0].double()

    @cached_property
    def log_uses(self) -> Tensor:
        """How often a message is used, up to a constant: the logarithm of the sum of its p over states, (message,)."""
        return self.log_true.logsumexp(1)

    @cached_property
    def states(self) -> Tensor:
        """In which states a message is used: p(state | message), all states equally likely before, (message, state)."""
        return self.log_true.softmax(1).clamp(min=_LEAST)


def distances(
    source: Meaning, candidates: Meaning, method: str, draws: torch.Generator | None = None, weights: str = "either"
) -> Tensor:
    """How far each message is from each candidate, (source, candidate), float64; smaller is nearer.

    belief    mean over states of KL(belief of the candidate || belief of the message), as released ("rkl")
    forward   mean over states of KL(belief of the message || belief of the candidate)
    direct    - log of the sum over states of p(message | state) p(candidate | state): how often both are used at once
    pmi       direct, less how often each of them is used
    random    drawn from `draws`

    weights   of states in the mean, for belief and forward: `either`, as released, is p(message | state) +
              p(candidate | state), normalised; `both` their product; `source` or `candidate` one of them; `equal` none
    """
    _check(source, candidates, method, weights)
    if method == "random":
        return torch.rand(len(source.log_p), len(candidates.log_p), generator=draws, dtype=torch.float64)
    if method == "belief":
        return divergence(candidates, source, _swapped(weights)).T
    if method == "forward":
        return divergence(source, candidates, weights)
    apart = -(source.states @ candidates.states.T).log()
    return apart if method == "pmi" else apart - source.log_uses[:, None] - candidates.log_uses


def divergence(first: Meaning, second: Meaning, weights: str) -> Tensor:
    """Mean over states of KL(belief of first || belief of second), (first, second); `source` is the first here."""
    one, other = first.states, second.states
    if weights == "either":
        # p + q, normalised, is a mixture of both posteriors; the message that is more used has more weight in it.
        share = (first.log_uses[:, None] - second.log_uses).sigmoid()
        return share * divergence(first, second, "source") + (1 - share) * divergence(first, second, "candidate")
    if weights in ("candidate", "equal"):
        one = torch.ones_like(one)
    if weights in ("source", "equal"):
        other = torch.ones_like(other)
    return _mean_divergence(first, second, one, other)


def _mean_divergence(first: Meaning, second: Meaning, one: Tensor, other: Tensor) -> Tensor:
    """KL averaged with weights one (first, state) times other (second, state)."""
    left = (one[..., None] * first.beliefs).flatten(1)
    right = (other[..., None] * second.log_beliefs).flatten(1)
    total = (one * first.negative_entropy) @ other.T - left @ right.T
    return (total / (one @ other.T)).clamp(min=0)  # below 0 by rounding only


def _swapped(weights: str) -> str:
    return {"source": "candidate", "candidate": "source"}.get(weights, weights)


def _check(source: Meaning, candidates: Meaning, method: str, weights: str) -> None:
    if method not in METHODS:
        raise BadInput(f"method {method!r} is none of {', '.join(METHODS)}; {near(method, list(METHODS))}")
    if weights not in WEIGHTS:
        raise BadInput(f"weights {weights!r} are none of {', '.join(WEIGHTS)}; {near(weights, list(WEIGHTS))}")
    if not len(candidates.log_p):
        raise BadInput("there is no candidate to translate into; give at least one message or word")
    if (one := source.log_p.shape[1:]) != (other := candidates.log_p.shape[1:]):
        raise BadInput(
            f"messages have (state, option) {tuple(one)}, candidates {tuple(other)}; give both the same states"
        )
    if method in ("belief", "forward") and one[1] < 2:
        raise BadInput("a belief needs two options at least: what the speaker saw, and what it may have seen instead")


@dataclass(frozen=True)
class Translator:
    """Translates codes of agents into words of people, and back.

    seen         (state, option, F): what a speaker saw, option 0, and what it may have seen instead
    codes        (k, M): the candidates among codes, as they arrived;  words: entries of the lexicon, all candidates
    code_log_p   log p of messages (n, M), and word_log_p of bags of words (n, words), over `seen`
    method, weights   of `distances`;  draws: for random choices
    """

    seen: Tensor
    codes: Tensor
    words: int
    code_log_p: LogP
    word_log_p: LogP
    method: str
    draws: torch.Generator
    weights: str = "either"

    @cached_property
    def of_codes(self) -> Meaning:
        """Of the candidates among codes."""
        return Meaning(self.code_log_p(self.codes))

    @cached_property
    def of_words(self) -> Meaning:
        """Of each entry of the lexicon, alone."""
        return Meaning(self.word_log_p(torch.eye(self.words)))

    @torch.no_grad()
    def nearest(self, codes: Tensor, top: int = 1) -> Tensor:
        """Entries of the lexicon nearest to each code (n, M): (n, top), nearest first; of equals the earlier entry."""
        return self._nearest(Meaning(self.code_log_p(codes)), self.of_words, top)

    @torch.no_grad()
    def nearest_codes(self, bags: Tensor, top: int = 1) -> Tensor:
        """Rows of `codes` nearest to each bag of words (n, words): (n, top)."""
        if top > 0 and self.method != "random" and bool((bags.amax(1) == 1).all()):
            return self._of_entries[bags.argmax(1), :top]
        return self._nearest(Meaning(self.word_log_p(bags)), self.of_codes, top)

    @cached_property
    @torch.no_grad()
    def _of_entries(self) -> Tensor:
        # People who say whole messages say the same ones in every turn; (entry, code), nearest first.
        return self._nearest(self.of_words, self.of_codes, len(self.codes))

    def to_words(self, codes: Tensor, top: int = 5) -> Tensor:
        """A bag of the `top` nearest words for each code, with equal weights, (n, words). Zeros stay zeros."""
        entries = self.nearest(codes, top)
        bags = torch.zeros(len(codes), self.words).scatter_(1, entries, 1 / max(entries.shape[1], 1))
        return bags * codes.any(1, keepdim=True)

    def to_codes(self, bags: Tensor, top: int = 1) -> Tensor:
        """A code for each bag of words, (n, M): a random one of the `top` nearest. A bag without words gives zeros."""
        rows = self.nearest_codes(bags, top)
        picked = torch.randint(rows.shape[1], (len(bags), 1), generator=self.draws)
        return self.codes[rows.gather(1, picked)[:, 0]] * bags.any(1, keepdim=True)

    def _nearest(self, source: Meaning, candidates: Meaning, top: int) -> Tensor:
        if top < 1:
            raise BadInput(f"top is {top}; translate into one candidate at least")
        far = distances(source, candidates, self.method, self.draws, self.weights)
        # Rounded, so that equal candidates stay equal whatever row of a product of matrices they come from.
        return far.round(decimals=10).sort(dim=1, stable=True).indices[:, :top]
