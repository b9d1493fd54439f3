"""Claims of the part about words: effects on planted tables whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from n2vlib import claims, published
from n2vlib.claims import claim, worded
from n2vlib.claims.worded import Worded
from n2vlib.generator.control import CUT, RAISED
from n2vlib.local import compared

TABLE = claims.table("words").set_index("id")
FILTERS = np.arange(40)


def test_every_claim_has_a_measure_and_every_measure_a_claim():
    assert sorted(TABLE.index) == sorted(worded.MEASURES) and TABLE.index.is_unique
    assert set(TABLE["side"]) <= {"above", "below"} and set(TABLE["unit"]) <= set(claim.UNITS)
    assert (TABLE["doubt"] != "").all() and TABLE["criterion"].notna().all()
    assert set(TABLE["experiment"]) <= set(published.table("experiments")["id"])


def test_nothing_is_measured_without_tables():
    found = claims.check(Worded())
    assert set(found["holds"]) == {claims.NOT_MEASURED} and len(found) == len(TABLE)


def test_descriptions_are_compared_with_those_of_other_filters():
    truths = pd.DataFrame({"iou": 0.1 + FILTERS / 100, "by_chance": 0.02})
    effect = worded.above_chance(Worded(truths=truths))
    assert (
        effect.value == pytest.approx((0.1 + FILTERS.mean() / 100) / 0.02) and effect.low < effect.value < effect.high
    )


def test_uses_and_edits_are_in_points():
    steered = pd.DataFrame({"way": [CUT, RAISED], "extra": [0.1, -0.02], "low": [0.05, -0.04], "high": [0.2, 0.01]})
    w = Worded(uses={"us-edit": (0.1, -0.05, 0.2)}, steered=steered)
    found = claims.check(w).set_index("id")
    numbers = found[["value", "low", "high"]]
    assert numbers.loc["described-edit"].tolist() == pytest.approx([10, -5, 20])
    assert numbers.loc["words-cut"].tolist() == pytest.approx([10, 5, 20])
    assert numbers.loc["words-raised"].tolist() == pytest.approx([-2, -4, 1])
    assert found["holds"].loc[["described-edit", "words-cut", "words-raised"]].tolist() == [
        "undecided",
        "yes",
        "undecided",
    ]


def test_explanations_are_compared_filter_by_filter():
    columns = {"filter": FILTERS, "iou": 0.1, "precision": 0.1, "recall": 0.1, "r": 0.1}
    own = {"formula": (0.2, 0.01), "description": (0.1, 0.01), "formula and description": (0.3, 0.04)}
    parts = [pd.DataFrame({**columns, "image": a, "mask": b}).assign(explanation=name) for name, (a, b) in own.items()]
    w = Worded(shares=pd.concat(parts), maxims=pd.DataFrame({"gain": [0.2, np.nan, 0.4, 0.3]}))
    found = claims.check(w).set_index("id")["value"]
    assert found["forms-not-enough"] == pytest.approx(-0.1) and found["description-adds"] == pytest.approx(0.03)
    assert found["no-idle-words"] == pytest.approx(0.3)


def test_methods_beside_the_truth_are_compared_by_rank_correlation():
    rng = np.random.default_rng(0)
    truth, noise = rng.random((2, 120))
    lime, area = truth + 0.1 * noise, noise
    columns = {compared.LIME: lime, compared.AREA: area, compared.FILLED: -truth, compared.BEST: area}
    columns[compared.REMOVED.format("classification")] = truth
    effects = pd.DataFrame({"scene": np.arange(120) // 4, "truth": truth, **columns})
    found = claims.check(Worded(effects=effects)).set_index("id")
    r = [stats.spearmanr(truth, each).statistic for each in (lime, area)]
    assert found.loc["lime-above-area", "value"] == pytest.approx(r[0] - r[1])
    assert found.loc["direction-above-filter", "value"] == pytest.approx(1 - r[1])
    assert found.loc["filled-is-gone", "value"] == pytest.approx(-1)
    assert found["holds"].loc[["lime-above-area", "filled-is-gone"]].tolist() == ["yes", "no"]
