"""Claims of Compositional Explanations: effects on planted tables whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from n2vlib import claims, published
from n2vlib.claims import claim, formulas
from n2vlib.claims.formulas import Explained

TABLE = claims.table("compositional").set_index("id")
UNITS = np.arange(40)


def lengths(**iou: float) -> pd.DataFrame:
    """Every unit has the IoU given for each length, plus a hundredth of its number."""
    rows = [(unit, int(n.lstrip("n")), value + unit / 100) for n, value in iou.items() for unit in UNITS]
    return pd.DataFrame(rows, columns=["unit", "allowed", "iou"])


def halves(searched: dict[int, float], other: dict[int, float]) -> pd.DataFrame:
    """Two splits of every unit; the second is higher by a tenth in both columns."""
    rows = [
        (split, unit, n, searched[n] + split / 10, other[n] + split / 10)
        for split in (0, 1)
        for unit in UNITS
        for n in searched
    ]
    return pd.DataFrame(rows, columns=["split", "unit", "allowed", "iou", "held_out"])


def test_every_claim_has_a_measure_and_every_measure_a_claim():
    assert sorted(TABLE.index) == sorted(formulas.MEASURES) and TABLE.index.is_unique
    assert set(TABLE["side"]) <= {"above", "below"} and set(TABLE["unit"]) <= set(claim.UNITS)
    assert (TABLE["doubt"] != "").all() and TABLE["criterion"].notna().all()
    assert set(TABLE["experiment"]) <= set(published.table("experiments")["id"])


def test_published_numbers_are_those_of_the_tables():
    mean = published.table("compexp_formula_length").query("scope == 'all neurons'")
    iou = mean.set_index("max_formula_length")["iou"]
    stated = published.table("compexp_quantitative_claims").set_index("claim_id")["value"]
    assert TABLE.loc["iou-accuracy", "published"] == float(stated["ce_c4"])
    assert TABLE.loc["sentences-iou-accuracy", "published"] == float(stated["ce_c6"])
    assert TABLE.loc["longer-better", "published"] == pytest.approx(iou[10] / iou[1], abs=0.005)


def test_growth_is_a_ratio_of_means_and_what_is_left_a_share_of_the_gain():
    grown = Explained(lengths(n1=0.1, n10=0.2, n20=0.21))
    mean = UNITS.mean() / 100
    effect = formulas.longer_better(grown)
    assert effect.value == pytest.approx((0.2 + mean) / (0.1 + mean)) and effect.low < effect.value < effect.high
    assert formulas.hardly_longer(grown).value == pytest.approx(100 * 0.01 / (0.2 + mean))
    kept = Explained(halves=halves({1: 0.1, 10: 0.3}, {1: 0.1, 10: 0.15}), dealt=lengths(n1=0.02, n10=0.05))
    assert formulas.left_elsewhere(kept).value == pytest.approx(25)
    assert formulas.above_chance(kept).value == pytest.approx(0.05 / 0.03)


def test_nothing_gained_is_nothing_to_compare_with():
    flat = Explained(
        lengths(n1=0.1, n10=0.1, n20=0.1), halves({1: 0.1, 10: 0.1}, {1: 0.1, 10: 0.2}), lengths(n1=0.1, n10=0.1)
    )
    for measure in (formulas.left_elsewhere, formulas.above_chance):
        assert claim.holds(measure(flat), "above", 0) == claim.NOT_MEASURED


def test_correlations_are_those_of_the_filters_that_fire():
    rng = np.random.default_rng(0)
    rate, right, noise, short = rng.random((4, len(UNITS)))
    long = rate + right + noise
    columns = {"unit": UNITS, "rate": rate, "accuracy": np.where(UNITS == 3, np.nan, right)}
    both = [pd.DataFrame({**columns, "allowed": n, "iou": iou}) for n, iou in ((10, long), (1, short))]
    e, alive = Explained(explained=pd.concat(both)), UNITS != 3
    r = [stats.pearsonr(iou[alive], right[alive]).statistic for iou in (long, short)]
    assert formulas.iou_accuracy(e).value == pytest.approx(r[0])
    assert formulas.higher_when_longer(e).value == pytest.approx(r[0] - r[1])
    of_sentences = Explained(sentences=both[0].assign(allowed=3, iou=-long))
    assert formulas.in_sentences(of_sentences).value == pytest.approx(-r[0])
    known = np.column_stack([np.ones(alive.sum()), rate[alive]])
    left = [y[alive] - known @ np.linalg.lstsq(known, y[alive])[0] for y in (long, right)]
    assert formulas.MEASURES["iou-accuracy-rate"](e).value == pytest.approx(stats.pearsonr(*left).statistic)


def moves(named: list[float], others: list[float]) -> pd.DataFrame:
    """Pictures with two edits of each kind for one class; the shares that move it most."""
    rows = [
        (original, "beach", kind, edit < 2 * share)
        for original, shares in enumerate(zip(named, others, strict=True))
        for kind, share in zip((True, False), shares, strict=True)
        for edit in range(2)
    ]
    return pd.DataFrame(rows, columns=["original", "class", "named", "most"])


def test_edits_are_compared_within_pictures_and_networks_are_averaged():
    first, second = moves([1, 1, 0.5], [0, 0.5, 0.5]), moves([0, 0, 0], [0.5, 0, 1])
    e = Explained(moves={"mine": first, "other": second, "again": first})
    assert formulas.edits_move(e).value == pytest.approx(100 * (1 + 0.5 + 0) / 3)
    assert formulas.edits_transfer(e).value == pytest.approx(100 * ((1 + 0.5 + 0) + (-0.5 + 0 - 1)) / 6)
    assert formulas.edits_transfer(Explained(moves={"mine": first})) is None


def test_what_was_not_measured_is_said_to_be_so():
    found = claims.check(Explained())
    assert list(found["id"]) == list(TABLE.index) and (found["holds"] == claims.NOT_MEASURED).all()
    short = claims.check(Explained(lengths(n1=0.1, n10=0.2))).set_index("id")["holds"]
    assert short["hardly-longer"] == claims.NOT_MEASURED and short["longer-better"] == claims.YES
