"""Distances of messages against slow loops and scipy, planted meanings, bags of words, and bad input."""

import math
from functools import partial

import pytest
import torch
from scipy.special import rel_entr
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.methods.translation import METHODS, WEIGHTS, Meaning, Translator, distances


def drawn(messages: int, states: int = 7, options: int = 3, seed: int = 0, scale: float = 3.0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return scale * torch.randn(messages, states, options, generator=draws, dtype=torch.float64)


def slow_belief(log_p: Tensor, message: int, state: int) -> list[float]:
    p = [math.exp(float(each)) for each in log_p[message, state]]
    return [each / sum(p) for each in p]


def slow_weights(one: Tensor, m: int, other: Tensor, k: int, weights: str) -> list[float]:
    every = []
    for i in range(one.shape[1]):
        p, q = math.exp(float(one[m, i, 0])), math.exp(float(other[k, i, 0]))
        every.append({"either": p + q, "both": p * q, "source": p, "candidate": q, "equal": 1.0}[weights])
    return [each / sum(every) for each in every]


def slow(one: Tensor, other: Tensor, method: str, weights: str) -> Tensor:
    """Loops over messages, candidates, states and options."""
    found = torch.zeros(len(one), len(other), dtype=torch.float64)
    for m in range(len(one)):
        for k in range(len(other)):
            pairs = [(math.exp(float(one[m, i, 0])), math.exp(float(other[k, i, 0]))) for i in range(one.shape[1])]
            if method in ("direct", "pmi"):
                value = -math.log(sum(p * q for p, q in pairs))
                if method == "pmi":
                    value += math.log(sum(p for p, _ in pairs)) + math.log(sum(q for _, q in pairs))
            else:
                w, value = slow_weights(one, m, other, k, weights), 0.0
                for i in range(one.shape[1]):
                    heard, answer = slow_belief(one, m, i), slow_belief(other, k, i)
                    p, q = (answer, heard) if method == "belief" else (heard, answer)
                    value += w[i] * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
            found[m, k] = value
    return found


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("method", ["belief", "forward", "direct", "pmi"])
def test_every_distance_is_what_slow_loops_find(method, weights):
    one, other = drawn(4), drawn(5, seed=1)
    found = distances(Meaning(one), Meaning(other), method, weights=weights)
    assert found.dtype == torch.float64
    assert torch.allclose(found, slow(one, other, method, weights), rtol=1e-10, atol=1e-10)


def test_belief_is_a_mean_of_relative_entropies_and_forward_has_its_sides_exchanged():
    one, other = Meaning(drawn(3)), Meaning(drawn(2, seed=1))
    entropies = rel_entr(other.beliefs[None].numpy(), one.beliefs[:, None].numpy()).sum(3).mean(2)
    assert distances(one, other, "belief", weights="equal").numpy() == pytest.approx(entropies)
    assert torch.allclose(distances(one, other, "belief"), distances(other, one, "forward").T)


def test_pmi_is_direct_without_how_often_each_is_used_so_it_ranks_otherwise_only_by_that():
    one, other = drawn(3), drawn(4, seed=1)
    louder = other + torch.tensor([0.0, 5.0, 0.0, 0.0])[:, None, None]  # p times exp(5), whatever was seen
    assert torch.allclose(
        distances(Meaning(one), Meaning(louder), "pmi"), distances(Meaning(one), Meaning(other), "pmi")
    )
    moved = distances(Meaning(one), Meaning(other), "direct") - distances(Meaning(one), Meaning(louder), "direct")
    assert torch.allclose(moved, torch.tensor([[0.0, 5, 0, 0]]).expand(3, 4).double())


def test_a_constant_of_all_options_changes_no_belief():
    one = drawn(3)
    constant = torch.randn(3, 7, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.allclose(Meaning(one).beliefs, Meaning(one + constant).beliefs)


def test_a_planted_meaning_is_found_and_its_distance_is_zero():
    words = drawn(20, states=16, options=2)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    codes = words[order] - 40  # the same beliefs, all of it very improbable
    for method in ("belief", "forward"):
        far = distances(Meaning(codes), Meaning(words), method)
        assert far.argmin(1).tolist() == order.tolist() and far.amin(1).max() < 1e-12 and (far >= 0).all()


def test_float32_with_messages_far_from_every_state_stays_a_number():
    codes = torch.full((2, 5, 2), -2000.0) + drawn(2, 5, 2).float()
    words = drawn(3, 5, 2, seed=1).float()
    words[0, 0, 0] = -900  # next to never used there
    for method in METHODS:
        far = distances(Meaning(codes), Meaning(words), method, torch.Generator().manual_seed(0))
        assert far.shape == (2, 3) and far.isfinite().all()


def test_random_is_drawn_from_its_generator():
    one, other = Meaning(drawn(50)), Meaning(drawn(4, seed=1))
    far = [distances(one, other, "random", torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*far) and far[0].argmin(1).unique().tolist() == [0, 1, 2, 3]


def test_one_state_has_all_the_weight():
    one, other = drawn(3, states=1), drawn(2, states=1, seed=1)
    values = [distances(Meaning(one), Meaning(other), "belief", weights=each) for each in WEIGHTS]
    assert all(torch.allclose(values[0], each) for each in values)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Meaning(torch.zeros(2, 3)), r"has shape \(2, 3\)"),
        (lambda: Meaning(torch.zeros(2, 0, 3)), "no state or no option"),
        (lambda: Meaning(torch.tensor([[[0.0, 1]], [[float("nan"), 1]]])), "^message 1: log p is infinite"),
        (lambda: Meaning(torch.tensor([[[-torch.inf, 1]]])), "^message 0: log p is infinite"),
        (lambda: distances(Meaning(drawn(2)), Meaning(drawn(0)), "belief"), "no candidate"),
        (lambda: distances(Meaning(drawn(2)), Meaning(drawn(2, states=6)), "direct"), r"\(7, 3\).*\(6, 3\)"),
        (lambda: distances(Meaning(drawn(2, options=1)), Meaning(drawn(2, options=1)), "belief"), "two options"),
        (lambda: distances(Meaning(drawn(2)), Meaning(drawn(2)), "beliefs"), "near matches: belief"),
        (lambda: distances(Meaning(drawn(2)), Meaning(drawn(2)), "belief", weights="any"), "either"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, says):
    with pytest.raises(BadInput, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_single_option_has_no_belief_but_a_use():
    one, other = drawn(2, options=1), drawn(3, options=1, seed=1)
    assert torch.allclose(distances(Meaning(one), Meaning(other), "direct"), slow(one, other, "direct", "either"))


MEANS = torch.eye(4)  # what is seen is a number of four; code and word of each are its own
SEEN = torch.tensor([[[a], [b]] for a in range(4) for b in range(4) if a != b])


def code_log_p(codes: Tensor, seen: Tensor) -> Tensor:
    return -(MEANS[seen[..., 0]][None] - codes[:, None, None]).square().sum(3)


def word_log_p(bags: Tensor, seen: Tensor) -> Tensor:
    log_p = torch.tensor([[0.7 if a == b else 0.1 for b in range(4)] for a in range(4)]).log()
    return torch.einsum("kl,sol->kso", bags, log_p[seen[..., 0]])


def translator(method: str = "belief", codes: Tensor = MEANS) -> Translator:
    log_p = partial(code_log_p, seen=SEEN), partial(word_log_p, seen=SEEN)
    return Translator(SEEN, codes, 4, *log_p, method, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", ["belief", "forward", "direct", "pmi"])
def test_codes_become_words_and_words_codes(method):
    order = torch.tensor([2, 0, 3, 1])
    assert translator(method).nearest(MEANS[order])[:, 0].tolist() == order.tolist()
    assert torch.equal(translator(method).to_words(MEANS[order], top=1), torch.eye(4)[order])
    assert torch.equal(translator(method).to_codes(torch.eye(4)[order]), MEANS[order])


def test_a_bag_holds_the_nearest_words_with_equal_weights_and_silence_stays_silence():
    codes = torch.cat([MEANS[:2], torch.zeros(1, 4)])
    bags = translator().to_words(codes, top=3)
    assert bags[:2].sum(1).tolist() == pytest.approx([1, 1]) and set(bags[:2].unique().tolist()) == {
        0,
        bags.max().item(),
    }
    assert bags[0, 0] > 0 and bags[1, 1] > 0 and not bags[2].any()
    assert torch.equal(
        translator().to_words(codes[:1], top=9), torch.full((1, 4), 0.25)
    )  # no more words than there are
    back = translator().to_codes(torch.cat([torch.eye(4)[:1], torch.zeros(1, 4)]))
    assert torch.equal(back[0], MEANS[0]) and not back[1].any()


@pytest.mark.parametrize("method", ["belief", "direct", "pmi"])
def test_whole_messages_are_translated_as_bags_are(method):
    entries = torch.eye(4)[[2, 0, 3]]
    among_bags = translator(method).nearest_codes(torch.cat([entries, torch.full((1, 4), 0.25)]), top=3)
    assert torch.equal(translator(method).nearest_codes(entries, top=3), among_bags[:3])


def test_of_equals_the_earlier_is_taken_and_one_of_the_top_at_random():
    twice = MEANS[[0, 0, 1, 1, 2, 3]]
    bags = torch.eye(4)[[1]].expand(200, 4)
    assert translator(codes=twice).nearest_codes(bags[:1], top=2).tolist() == [[2, 3]]
    assert translator(codes=twice).to_codes(bags).eq(MEANS[1]).all()
    picked = translator().to_codes(bags, top=2).argmax(1)
    assert picked.unique().tolist() == sorted(translator().nearest_codes(bags[:1], top=2)[0].tolist())
    with pytest.raises(BadInput, match="top is 0"):
        translator().to_words(MEANS, top=0)
