"""Concept spaces against loops over pairs, planted answers and all permutations of a few concepts."""

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from measured import measure, probe_in
from scipy import stats

from n2vlib.analysis import embeddings, expressions, grouping, rsa
from n2vlib.errors import BadInput
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.methods.alignment import unit

CONCEPTS = pd.DataFrame(
    {
        "name": ["grass", "blue-c", "green-c", "traffic light", "street-s", "blue"],
        "category": ["object", "color", "color", "object", "scene", "material"],
    },
    index=[3, 5, 8, 11, 20, 21],
)


def space(seed: int, concepts: int = 7, dimensions: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.arange(2, 2 + 3 * concepts // 2))[:concepts]
    return unit(pd.DataFrame(rng.normal(size=(concepts, dimensions)), index=numbers))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(x * y for x, y in zip(a, b, strict=True)))


# --- one space


def test_unit_rows_have_length_one_and_rows_of_zeros_are_left_out():
    made = unit(pd.DataFrame([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [0.0, -2.0]], index=[1, 2, 3, 4]))
    assert made.to_dict("index") == {1: {0: 0.6, 1: 0.8}, 4: {0: 0.0, 1: -1.0}}


def test_neighbours_are_the_largest_cosines_of_a_loop_over_pairs():
    made = space(0)
    found = embeddings.neighbours(made, n=3)
    assert len(found) == 3 * len(made)
    for concept, rows in found.groupby("concept"):
        slow = {o: cosine(made.loc[concept], made.loc[o]) for o in made.index if o != concept}
        best = sorted(slow, key=lambda o: -slow[o])[:3]
        assert list(rows["neighbour"]) == best and list(rows["rank"]) == [1, 2, 3]
        assert list(rows["cosine"]) == pytest.approx([slow[o] for o in best])


def test_there_are_no_more_neighbours_than_other_concepts():
    assert len(embeddings.neighbours(space(0, concepts=3), n=5)) == 3 * 2


def test_the_relation_to_neighbours_is_their_mean_and_unknown_concepts_do_not_count():
    made = space(1)
    found = embeddings.neighbours(made, n=4)
    kept = made.index[1:]
    relation = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 6)), index=kept, columns=kept)
    means = embeddings.of_neighbours(found, relation)
    for concept in made.index:
        known = [o for o in found.loc[found["concept"] == concept, "neighbour"] if o in kept]
        slow = np.mean([relation.loc[concept, o] for o in known]) if concept in kept else np.nan
        assert means[concept] == pytest.approx(slow, nan_ok=True)


def test_the_relation_to_any_concept_leaves_the_concept_itself_out():
    relation = embeddings.same(pd.Series(["a", "a", "b"], index=[1, 2, 3]))
    assert embeddings.of_any(relation).to_dict() == {1: 0.5, 2: 0.5, 3: 0.0}


@pytest.mark.parametrize("method", [segmentation, classification])
def test_where_learning_cannot_move_the_weights_are_the_start(tmp_path, method):
    probe, layers = measure(tmp_path)
    still = method.align(layers["1"], probe, epochs=1, rate=1e-12, seed=3)
    assert still.start.to_numpy() == pytest.approx(still.weights.to_numpy(), abs=1e-6)
    moved = method.align(layers["1"], probe, epochs=1, seed=3)
    learned = (moved.weights - still.weights).loc[3].to_numpy()
    away = embeddings.without_start(moved).loc[3].to_numpy()
    assert away == pytest.approx(learned / np.linalg.norm(learned), abs=1e-6)
    few = method.align(layers["1"], probe, epochs=1, rate=1e-12, n_filters=2)
    assert few.start.to_numpy() == pytest.approx(few.weights.to_numpy(), abs=1e-6)
    with pytest.raises(BadInput, match="nothing was learned"):
        embeddings.without_start(single_filter.align(layers["1"], probe))


@pytest.mark.parametrize("method", [segmentation, classification])
def test_two_layers_and_two_tasks_begin_apart_and_the_same_weights_begin_alike(tmp_path, method):
    probe, layers = measure(tmp_path)
    here = layers["1"]
    first = method.align(here, probe, epochs=1).start
    renamed = replace(here, name="another name", network="the same weights", fingerprint="again")
    pd.testing.assert_frame_equal(method.align(renamed, probe, epochs=1).start, first)
    others = [
        replace(here, module="features.9", fingerprint="b"),
        replace(here, network_fingerprint="0f", fingerprint="c"),
    ]
    task = classification if method is segmentation else segmentation
    apart = [method.align(other, probe, epochs=1).start for other in others] + [task.align(here, probe, epochs=1).start]
    for other in apart:
        both = first.index.intersection(other.index)
        assert len(both) and not np.isin(first.loc[both], other.loc[both]).any()


# --- two spaces


def test_the_distance_is_the_sum_over_all_pairs_of_common_concepts_of_squared_differences_of_cosines():
    one, other = space(0, 9, 5), space(3, 9, 4)
    shared = sorted(set(one.index) & set(other.index))
    assert 3 <= len(shared) < 9 and list(embeddings.common({"one": one, "other": other})) == shared
    by_concept = {
        i: sum((cosine(one.loc[i], one.loc[j]) - cosine(other.loc[i], other.loc[j])) ** 2 for j in shared)
        for i in shared
    }
    assert embeddings.distance(one, other) == pytest.approx(sum(by_concept.values()))
    assert embeddings.distance_by_concept(one, other).to_dict() == pytest.approx(by_concept)


def test_turning_a_space_or_the_order_of_its_concepts_does_not_move_it():
    made = space(4)
    turned, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    again = pd.DataFrame(made.to_numpy() @ turned, index=made.index).sample(frac=1, random_state=0)
    assert embeddings.distance(made, again) == pytest.approx(0, abs=1e-20)


def test_the_distance_if_shuffled_is_the_mean_over_every_permutation():
    one = space(5, 5, 3)
    other = pd.DataFrame(space(6, 5, 4).to_numpy(), index=one.index)
    shuffled = [
        embeddings.distance(one, pd.DataFrame(other.to_numpy()[list(order)], index=one.index))
        for order in permutations(range(5))
    ]
    assert rsa.if_shuffled(one, other) == pytest.approx(np.mean(shuffled))


def test_the_correlation_is_pearsons_over_pairs_of_concepts():
    one = space(7, 6, 3)
    other = pd.DataFrame(space(8, 6, 3).to_numpy(), index=one.index)
    pairs = list(combinations(one.index, 2))
    a, b = ([cosine(s.loc[i], s.loc[j]) for i, j in pairs] for s in (one, other))
    assert rsa.correlation(one, other) == pytest.approx(stats.pearsonr(a, b)[0])


def test_a_table_of_distances_uses_the_concepts_that_all_spaces_have():
    one, other, third = space(0, 9), space(3, 9), space(9, 12)
    shared = sorted(set(one.index) & set(other.index) & set(third.index))
    table = rsa.distances({"a": one, "b": other, "c": third})
    assert (table["concepts"] == len(shared)).all() and len(shared) >= 3 and len(table) == 9
    row = table.query("one == 'a' and other == 'b'").iloc[0]
    squared = embeddings.distance(one.loc[shared], other.loc[shared])
    assert row["distance"] == pytest.approx(squared)
    assert row["typical"] == pytest.approx(np.sqrt(squared / (len(shared) * (len(shared) - 1))))
    assert (table.query("one == other")["distance"] < 1e-20).all()


def test_of_two_spaces_the_nearer_is_the_one_whose_concepts_differ_less():
    made = {name: pd.DataFrame(space(seed, 8, 4).to_numpy(), index=range(8)) for name, seed in (("a", 1), ("b", 2))}
    target = unit(made["b"] + 0.1)
    row = rsa.nearer(made["a"], made["b"], {"target": target}).iloc[0]
    gap = embeddings.distance_by_concept(made["a"], target) - embeddings.distance_by_concept(made["b"], target)
    assert row["gap"] == pytest.approx(gap.mean()) and row["low"] <= row["gap"] <= row["high"]
    assert row["gap"] > 0 and row["correlation, second"] > row["correlation, first"]


def test_a_space_learned_twice_is_compared_axis_by_axis_and_by_its_neighbours():
    one = pd.DataFrame(space(1, 6, 3).to_numpy(), index=range(6))
    other = unit(one + 0.3 * space(2, 6, 3).to_numpy())
    found = rsa.repeated(one, other, n=2)
    assert found["itself"] == pytest.approx(np.median([cosine(one.loc[c], other.loc[c]) for c in range(6)]))
    sets = [embeddings.neighbours(s, 2).groupby("concept")["neighbour"].agg(set) for s in (one, other)]
    assert found["neighbours"] == pytest.approx(sum(len(a & b) for a, b in zip(*sets, strict=True)) / 12)
    assert rsa.repeated(one, one) == {"itself": pytest.approx(1), "neighbours": 1}


def test_the_typical_cosine_is_the_root_of_the_mean_square_over_pairs():
    made = space(1, 6, 3)
    slow = [cosine(made.loc[i], made.loc[j]) ** 2 for i, j in combinations(made.index, 2)]
    assert rsa.typical_cosine(made) == pytest.approx(np.sqrt(np.mean(slow)))


def test_kinship_is_the_mean_relation_of_neighbours_and_its_interval_is_over_concepts():
    one, other = (pd.DataFrame(space(seed, 8, 4).to_numpy(), index=range(8)) for seed in (1, 2))
    found = {"one": embeddings.neighbours(one, 2), "other": embeddings.neighbours(other, 2)}
    groups = pd.Series(list("aabbccdd"))
    row = embeddings.relatedness(found, {"same": embeddings.same(groups)}).iloc[0]
    for name, rows in found.items():
        slow = np.mean([groups[a] == groups[b] for a, b in zip(rows["concept"], rows["neighbour"], strict=True)])
        assert row[name] == pytest.approx(slow)
    assert row["any two"] == pytest.approx(1 / 7) and row["difference"] == pytest.approx(row["one"] - row["other"])
    assert row["low"] <= row["difference"] <= row["high"] and row["concepts"] == 8


def test_neighbours_of_the_own_category_are_counted_beside_those_by_chance():
    made = space(3, 6, 4)
    categories = pd.Series(list("xxxxyy"), index=made.index)
    found = embeddings.neighbours(made, 2)
    table = embeddings.own_category(found, categories).set_index("category")
    own = found[found["concept"].map(categories) == "y"]
    assert table.loc["y", "this run"] == pytest.approx((own["neighbour"].map(categories) == "y").mean())
    assert table["any two"].to_dict() == pytest.approx({"x": 3 / 5, "y": 1 / 5})
    assert table["concepts"].to_dict() == {"x": 4, "y": 2}


def test_neighbours_stand_beside_the_papers_rank_by_rank():
    found = {
        "segmentation": pd.DataFrame({"concept": [3, 3], "rank": [1, 2], "neighbour": [5, 8], "cosine": [0.5, 0.25]})
    }
    paper = pd.DataFrame(
        [["grass", "segmentation", 1, "sky", 0.17]], columns=["query_concept", "task", "rank", "neighbour", "cosine"]
    )
    table = embeddings.beside_published(found, paper, {"grass": 3}, CONCEPTS["name"].to_dict())
    assert table["segmentation, published"].tolist() == ["sky 0.17", ""]
    assert table["segmentation, this run"].tolist() == ["blue-c 0.50", "green-c 0.25"]


def test_too_few_common_concepts_are_refused_with_the_size_of_every_space():
    with pytest.raises(BadInput, match="a: 7, b: 2"):
        embeddings.common({"a": space(0), "b": space(0).iloc[:2]})


def test_the_distance_by_category_is_the_mean_over_its_concepts():
    one = space(5, 6, 3)
    other = pd.DataFrame(space(6, 6, 4).to_numpy(), index=one.index)
    categories = pd.Series(["part", "object"] * 3, index=one.index)
    table = rsa.distances_by_category({"a": one, "b": other}, [("a", "b")], categories)
    by_concept = embeddings.distance_by_concept(one, other)
    for _, row in table.iterrows():
        own = by_concept[categories == row["category"]]
        assert row["mean"] == pytest.approx(own.mean()) and row["concepts"] == 3
        assert row["typical"] == pytest.approx(np.sqrt(own.mean() / 5))


# --- expressions


def test_an_expression_is_names_between_spaced_signs():
    assert expressions.terms("grass + blue-c - green-c", CONCEPTS) == [(1, 3), (1, 5), (-1, 8)]
    assert expressions.terms("traffic light - green", CONCEPTS) == [(1, 11), (-1, 8)]
    assert expressions.terms("street", CONCEPTS) == [(1, 20)]
    assert expressions.terms("blue", CONCEPTS) == [(1, 21)], "an exact name goes before one with an ending"


def test_an_unknown_name_in_an_expression_is_refused_with_near_matches():
    with pytest.raises(BadInput, match=r"no concept 'gras' here; near matches: grass"):
        expressions.terms("gras - green", CONCEPTS)


def test_released_arithmetic_is_the_dot_product_with_the_mean_of_the_signed_vectors():
    made = pd.DataFrame(space(2, 6, 4).to_numpy(), index=CONCEPTS.index)
    added = [(1, 3), (1, 5), (-1, 8)]
    mean = sum(sign * made.loc[c] for sign, c in added) / 3
    slow = {c: cosine(made.loc[c], mean) for c in (11, 20, 21)}
    best = sorted(slow, key=lambda c: -slow[c])
    found = expressions.arithmetic(made, added, n=9)
    assert list(found["neighbour"]) == best, "the terms themselves are left out"
    assert list(found["score"]) == pytest.approx([slow[c] for c in best])
    scaled = expressions.arithmetic(made, added, n=9, measure="cosine")
    assert list(scaled["neighbour"]) == best
    assert list(scaled["score"]) == pytest.approx([slow[c] / np.linalg.norm(mean) for c in best])


def test_of_three_orthogonal_terms_one_scores_a_third_and_none_more_than_the_length_of_their_mean():
    rows = [*np.eye(4)[[0, 1, 2, 0]], np.array([1, 1, -1, 0]) / np.sqrt(3)]
    found = expressions.arithmetic(pd.DataFrame(rows, index=[3, 5, 8, 11, 20]), [(1, 3), (1, 5), (-1, 8)])
    assert found["neighbour"].tolist() == [20, 11]
    assert found["score"].tolist() == pytest.approx([1 / np.sqrt(3), 1 / 3])


def test_expressions_stand_beside_the_papers_rank_by_rank():
    made = pd.DataFrame(space(2, 6, 4).to_numpy(), index=CONCEPTS.index)
    paper = pd.DataFrame([["grass - green", 1, "earth"]], columns=["expression", "rank", "neighbour"])
    table = expressions.beside_published(["grass - green"], made, CONCEPTS, paper, n=2)
    best = expressions.arithmetic(made, [(1, 3), (-1, 8)], n=2)
    assert table["published"].tolist() == ["earth", ""]
    assert table["this run"].tolist() == [CONCEPTS.loc[c, "name"] for c in best["neighbour"]]
    assert table["score"].tolist() == best["score"].tolist()


def test_only_expressions_whose_words_all_have_vectors_are_usable():
    made = pd.DataFrame(np.eye(4), index=[3, 5, 8, 20])
    wanted = ["grass + blue-c - green", "grass - traffic light", "grass - wood"]
    assert expressions.usable(wanted, CONCEPTS, made) == ["grass + blue-c - green"]
    assert expressions.known(["green", "wood", "street"], CONCEPTS) == [8, 20]


def test_the_color_of_an_object_is_the_one_that_covers_most_of_it_if_it_covers_enough():
    shares = pd.DataFrame([[0.2, 0.7], [0.25, 0.1]], index=[3, 11], columns=[5, 8])
    assert expressions.most_cover(shares, CONCEPTS, "color").to_dict() == {3: 8}
    assert expressions.most_cover(shares, CONCEPTS, "material").empty


def test_a_term_without_a_vector_is_refused():
    with pytest.raises(BadInput, match="concept 99 has no vector"):
        expressions.arithmetic(space(0), [(1, 99)])


def test_what_covers_a_concept_is_counted_pixel_by_pixel(tmp_path):
    probe = probe_in(tmp_path)
    concepts, others = [3, 4], [1, 2, 5, 10]
    found = expressions.cover(probe, concepts, others, images=6)
    for concept in concepts:
        masks = [(probe.annotated(concept, i), i) for i in probe.images_with(concept, "train")[:6]]
        area = sum(mask.sum() for mask, _ in masks)
        for other in others:
            both = sum((mask & probe.annotated(other, i)).sum() for mask, i in masks)
            assert found.loc[concept, other] == pytest.approx(both / area)
    assert found.loc[3, [1, 2]].sum() == pytest.approx(1), "every pixel of a cat is red or blue"


def test_expressions_are_composed_from_what_covers_an_object_most():
    concepts = pd.DataFrame(
        {
            "name": ["lawn", "sky", "hut", "man", "green-c", "blue-c", "wood", "torso"],
            "category": ["object"] * 4 + ["color", "color", "material", "part"],
        },
        index=range(1, 9),
    )
    shares = pd.DataFrame(
        [[0.9, 0.0, 0.0, 0.0], [0.0, 0.8, 0.0, 0.0], [0.1, 0.3, 0.7, 0.0], [0.2, 0.3, 0.0, 0.5]],
        index=[1, 2, 3, 4],
        columns=[5, 6, 7, 8],
    )
    composed = expressions.composed(shares, concepts)
    assert composed == ["lawn + blue-c - green-c", "sky - blue-c", "hut - wood", "man - torso"]
    assert expressions.composed(shares[[8]], concepts) == ["man - torso"], "no color, no pattern with a color"


def test_where_an_object_is_a_shape_plus_a_color_swapping_colors_leads_to_that_color():
    shapes, colors = np.random.default_rng(0).normal(size=(8, 30)) / 6, np.eye(30)[:2]
    color_of = pd.Series([101, 102] * 4, index=range(8))
    objects = [shapes[i] + colors[color_of[i] - 101] for i in range(8)]
    made = unit(pd.DataFrame([*objects, *colors], index=[*range(8), 101, 102]))
    found = expressions.swaps(made, color_of)
    assert len(found) == 8 and (found["after"] == 1).all() and (found["before"] < 0.5).all()
    assert expressions.swaps(made.drop(102), color_of).empty  # nothing left to swap with


# --- groups and planes


def planted(groups: int = 3, each: int = 8, noise: float = 0.1) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    centre = np.repeat(np.eye(10)[:groups], each, axis=0)
    made = unit(pd.DataFrame(centre + noise * rng.normal(size=centre.shape)))
    return made, pd.Series(np.repeat(list("abc")[:groups], each), index=made.index)


def test_k_means_finds_planted_groups_the_same_way_every_time():
    made, groups = planted()
    found = grouping.clusters(made, k=3, seed=0)
    assert grouping.rand_index(found, groups) == 1 and set(found) == {1, 2, 3}
    assert found.equals(grouping.clusters(made, k=3, seed=0))
    assert grouping.purity(found, groups)["share"].tolist() == [1, 1, 1]


def test_clusters_are_numbered_by_size():
    made, _ = planted()
    counts = grouping.clusters(made.iloc[4:], k=3, seed=0).value_counts()
    assert counts[1] >= counts[2] >= counts[3]


def test_the_rand_index_counts_pairs_and_corrects_for_chance():
    found, groups = pd.Series([1, 1, 1, 2, 2, 2]), pd.Series(["a", "a", "b", "b", "b", "b"])
    assert grouping.rand_index(found, groups) == pytest.approx(rand_by_pairs(list(found), list(groups)))


def rand_by_pairs(found: list, groups: list) -> float:
    """The adjusted Rand index by its definition, pair by pair."""
    pairs = list(combinations(range(len(found)), 2))
    both = sum(found[i] == found[j] and groups[i] == groups[j] for i, j in pairs)
    first, second = (sum(s[i] == s[j] for i, j in pairs) for s in (found, groups))
    expected, most = first * second / len(pairs), (first + second) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)  # one group, or groups of one, twice


@pytest.mark.parametrize("concepts", [3, 40])
def test_the_range_of_shuffled_groups_is_that_of_an_index_counted_pair_by_pair(concepts):
    rng = np.random.default_rng(concepts)
    found, groups = pd.Series(rng.integers(1, 6, concepts)), pd.Series(rng.choice(["a", "b", "c c"], concepts))
    groups[1] = np.nan
    both, shuffled = groups.dropna().index, np.random.default_rng(7)
    slow = [rand_by_pairs(list(found[both]), list(shuffled.permutation(groups[both].to_numpy()))) for _ in range(50)]
    assert grouping.rand_index_if_shuffled(found, groups, 7, draws=50, confidence=1) == pytest.approx(
        (min(slow), max(slow)), abs=1e-12
    )


def test_groups_of_one_are_as_alike_when_they_are_shuffled():
    one = pd.Series(np.ones(9, int))
    assert grouping.rand_index_if_shuffled(one, one.astype(str), 0) == (1.0, 1.0)


def test_groups_permuted_at_random_agree_about_zero():
    made, groups = planted()
    low, high = grouping.rand_index_if_shuffled(grouping.clusters(made, 3, 0), groups, seed=0)
    assert low <= 0 <= high < 0.5


def test_agreement_has_a_row_for_each_clustering_and_each_grouping_it_shares_concepts_with():
    made, groups = planted()
    found = grouping.clusters(made, 3, 0)
    table = grouping.agreement({"a": found}, {"planted": groups, "none": pd.Series(dtype=object)}, seed=0)
    assert table[["task", "grouping", "adjusted Rand", "concepts"]].values.tolist() == [["a", "planted", 1.0, 24]]


def test_a_plane_keeps_neighbours_together_and_is_the_same_every_time():
    made, groups = planted()
    at = grouping.plane(made, seed=0, perplexity=5)
    assert at.equals(grouping.plane(made, seed=0, perplexity=5))
    apart = np.linalg.norm(at.to_numpy()[:, None] - at.to_numpy()[None], axis=2) + 1e9 * np.eye(len(at))
    assert (groups.to_numpy()[apart.argmin(axis=1)] == groups.to_numpy()).mean() > 0.9


def test_a_plane_of_three_concepts_is_still_a_plane():
    assert grouping.plane(space(0, concepts=3), seed=0).shape == (3, 2)
