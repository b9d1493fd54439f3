"""Claims about translations: effects on planted tables whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest

from n2vlib import claims, published
from n2vlib.claims import claim, translated
from n2vlib.claims.translated import Translated
from n2vlib.errors import BadInput

TABLE = claims.table("neuralese").set_index("id")
SIDES = {"agent": ("H", "R"), "person": ("R", "H")}


def test_every_claim_has_a_measure_and_every_measure_a_claim():
    assert sorted(TABLE.index) == sorted(translated.MEASURES) and TABLE.index.is_unique
    assert set(TABLE["side"]) <= {"above", "below"} and set(TABLE["unit"]) <= set(claim.UNITS)
    assert (TABLE["doubt"] != "").all() and TABLE["criterion"].notna().all()
    assert set(TABLE["experiment"]) <= set(published.table("experiments")["id"])


def test_published_numbers_are_those_of_the_tables():
    keys = ["game", "speaker", "listener", "translation"]
    tables = [published.table(f"neuralese_table{k}") for k in (1, 3)]
    rows = pd.concat(tables).replace({"game": {"birds reference game": "creatures", "colors reference game": "colors"}})
    at = 100 * rows.assign(listener=rows["listener"].str.strip("*")).set_index(keys)["value"].astype(float)
    ours = TABLE["published"]
    for game in ("colors", "creatures", "driving"):
        for to, sides in SIDES.items():
            for end, other in (("", "direct"), ("-random", "random")):
                of = at[(game, *sides, "belief")] - at[(game, *sides, other)]
                assert ours[f"{game}-to-{to}{end}"] == pytest.approx(of)
    for game in ("colors", "creatures"):
        assert ours[f"{game}-agents"] == pytest.approx(at[(game, "R", "R", "none")])
        assert ours[f"{game}-native"] == pytest.approx(at[(game, "R", "H", "belief")] - at[(game, "H", "H", "none")])
    for to, sides in SIDES.items():
        for way in ("belief", "direct"):
            assert ours[f"driving-{way}-to-{to}"] == pytest.approx(at[("driving", *sides, way)])
    means = [np.mean([at[(game, *sides, "belief")] for sides in SIDES.values()]) for game in ("driving", "colors")]
    assert ours["driving-lower-translated"] == pytest.approx(means[0] - means[1])
    driven = published.table("neuralese_table2").set_index(["pair", "translation"])
    reward = driven.loc["R / H", "reward"].astype(float)
    assert ours["driving-reward"] == pytest.approx(reward["belief"] - reward["random"])
    assert ours["driving-reward-direct"] == pytest.approx(reward["belief"] - reward["direct"])
    done = 100 * driven["completion_rate"].astype(float)
    assert ours["driving-completion"] == pytest.approx(done[("R / H", "belief")] - done[("R / H", "random")])
    assert ours["driving-lower-agents"] == pytest.approx(done[("R / R", "none")] - at[("colors", "R", "R", "none")])


def test_nothing_is_measured_without_tables():
    found = claims.check(Translated())
    assert set(found["holds"]) == {claims.NOT_MEASURED} and len(found) == len(TABLE)


def rows(game, speaker, listener, translation, values, column="won"):
    """values: (team, episode)."""
    index = pd.MultiIndex.from_product([range(len(values)), range(len(values[0]))], names=["seed", "episode"])
    keys = {"game": game, "speaker": speaker, "listener": listener, "translation": translation}
    return pd.DataFrame({column: np.ravel(values)}, index).reset_index().assign(**keys)


def test_translations_are_compared_game_by_game_over_teams():
    rng = np.random.default_rng(0)
    hard = rng.random((3, 200))
    belief, direct = hard < 0.8, hard < 0.7
    played = [rows("colors", "R", "H", way, each) for way, each in (("belief", belief), ("direct", direct))]
    played += [rows("colors", "H", "H", "none", direct), rows("colors", "R", "R", "none", np.ones((3, 200)))]
    found = claims.check(Translated(played=pd.concat(played))).set_index("id")
    own, native = (found.loc[name] for name in ("colors-to-person", "colors-native"))
    assert own["value"] == native["value"] == pytest.approx(100 * (belief.mean() - direct.mean()))
    assert own["low"] > 0 and own["holds"] == "yes" and own["over"] == translated.TEAMS
    assert found.loc["colors-agents", "holds"] == "yes"
    missing = found.loc["colors-to-agent"]
    assert missing["holds"] == claims.NOT_MEASURED and "speaker H, listener R" in missing["note"]


def test_teams_that_differ_widen_the_interval():
    one = translated.over_teams(pd.DataFrame([[1, 0] * 100, [1, 1] * 100, [0, 0] * 100]))
    assert one.value == 0.5 and one.high - one.value == pytest.approx(4.3027 * 0.5 / np.sqrt(3), rel=1e-4)
    same = translated.over_teams(pd.DataFrame([[1, 0] * 100] * 3))
    assert same.high - same.value == pytest.approx(1.96 * 0.5 / np.sqrt(200), rel=0.1)
    alone = translated.over_teams(pd.DataFrame([[1, 0] * 100]))
    assert alone.over == translated.GAMES and alone.low < 0.5 < alone.high


def test_driving_is_compared_by_reward_completion_and_belief():
    steady = [[1.0, 0.0] * 50] * 2
    played = [rows("driving", "H", "R", way, steady).assign(reward=2 * k) for k, way in enumerate(("random", "belief"))]
    played += [rows("driving", "R", "R", "none", steady), rows("colors", "R", "R", "none", np.ones((2, 100)))]
    believed = [rows("driving", "H", "R", way, np.eye(2)[[0] * 50].T, "right") for way in ("belief", "direct")]
    found = claims.check(Translated(pd.concat(played), pd.concat(believed))).set_index("id")
    assert found.loc["driving-reward", ["value", "low", "holds"]].tolist() == [2, 2, "yes"]
    assert found.loc["driving-completion", ["value", "high", "holds"]].tolist() == [0, 0, "yes"]
    assert found.loc["driving-lower-agents", "value"] == -50 and found.loc["driving-lower-agents", "holds"] == "yes"
    assert found.loc["driving-to-agent", "value"] == 0 and found.loc["driving-direct-to-agent", "value"] == 50
    assert found.loc["driving-direct-to-agent", "holds"] == "undecided"


def test_differences_lose_their_sign_and_independent_ones_add_up():
    effect = claim.Effect(-1.0, -3.0, 2.0, "teams")
    assert translated.unsigned(effect)[:3] == (1.0, 0.0, 3.0)
    assert translated.unsigned(effect._replace(high=-0.5))[:3] == (1.0, 0.5, 3.0)
    far = translated.apart(claim.Effect(5, 2, 8, "teams"), claim.Effect(1, -3, 5, "teams"))
    assert far[:3] == pytest.approx((4, -1, 9))


def test_attributes_are_compared_with_chance_message_by_message():
    index = pd.MultiIndex.from_product([range(2), ["size", "ears"], range(30)], names=["seed", "attribute", "message"])
    kept = pd.DataFrame({"by_chance": 0.5}, index).reset_index()
    kept = kept.assign(coarse=kept["attribute"] == "size", kept=(kept["attribute"] == "size").astype(float))
    found = claims.check(Translated(kept=kept)).set_index("id")
    assert found.loc["coarse-kept", "value"] == 50 and found.loc["coarse-more-than-fine", "value"] == 100
    assert found.loc["coarse-kept", "holds"] == "yes"


def test_planted_codes_are_counted_over_noise_levels():
    index = pd.MultiIndex.from_product([range(3), [0.1, 0.9], range(8)], names=["seed", "noise", "message"])
    belief = pd.DataFrame({"right": True}, index).reset_index().assign(translation="belief")
    direct = belief.assign(translation="direct", right=belief["noise"] == 0.1)
    t = Translated(planted=pd.concat([belief, direct]))
    found = claims.check(t).set_index("id")
    assert found.loc["planted-belief", "value"] == 50 and found.loc["planted-belief", "over"] == "codes and messages"
    assert found.loc["planted-noise", "value"] == 0 and found.loc["planted-noise", "holds"] == "no"
    with pytest.raises(BadInput, match="no planted code"):
        translated.planted(Translated())


def test_every_game_is_measured_with_the_people_who_are_replayed_in_it(monkeypatch):
    asked = []

    def table(society, n, seed, recorded, store, count):
        asked.append((society, n, seed, recorded))
        return pd.DataFrame({"seed": range(2)})

    monkeypatch.setattr(translated.evaluation, "games", table)
    monkeypatch.setattr(translated.evaluation, "beliefs", table)
    found = translated.measured({"colors": ("a", None), "driving": ("b", "people")}, 5, 7, seed=1)
    assert asked == [("a", 5, 1, None), ("a", 7, 1, None), ("b", 5, 1, "people"), ("b", 7, 1, "people")]
    assert found.played["game"].tolist() == found.believed["game"].tolist() == ["colors"] * 2 + ["driving"] * 2
