"""Are the parts of an OR of one kind? How near they are in a tree of hypernyms, which nobody has to rate.

    similar = similarity.of_concepts(similarity.hypernyms(probe), counts.concepts)
    similarity.alternatives(parse("(car OR bus) AND NOT road"))      # [("bus", "car")]

Only alternatives are compared: concepts of which the formula asks for one or the other. *Car* and *road* above are
none, since the formula says what cars it means.
"""

from itertools import product

import numpy as np
import pandas as pd

from n2vlib.compositional.formula import Formula
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.spaces import drawn, wordnet

KIN = 0.5  # similarity above which two concepts are kin: more than half of the two lines to the root are common
FEWEST = 10  # concepts in the tree


def hypernyms(probe: ProbeSet, wordnet_folder: str | None = None) -> pd.DataFrame:
    """The hypernyms of a probe set's concepts, (concept number, node): of our tree, or of the user's WordNet.

    BadInput where the tree has fewer than ten of the concepts: too few to compare.
    """
    tree = "our tree" if wordnet_folder is None else "WordNet"
    concepts = probe.concepts
    found = drawn.hypernyms(concepts) if wordnet_folder is None else wordnet.hypernyms(concepts, wordnet_folder)
    if len(found) < FEWEST:
        raise BadInput(
            f"probe set {probe.name}: {tree} of hypernyms has {len(found)} of its {len(concepts)} concepts; at least"
            f" {FEWEST} are needed to say how near concepts are" + "; try WORDNET=FOLDER" * (wordnet_folder is None)
        )
    return found


def wu_palmer(hypernyms: pd.DataFrame) -> pd.DataFrame:
    """Wu and Palmer's similarity of concepts, 2 depth(a and b) / (depth(a) + depth(b)): (concept, concept), 0 to 1.

    hypernyms   (concept, node), above 0 at a concept and everything above it, as `spaces` has them
    The depth of a concept is the number of nodes from the root down to it, both counted; that of a pair is the depth of
    the lowest hypernym of both (Wu and Palmer 1994, section 4). In a tree these are the numbers of nodes on their
    lines, and of nodes on both, which is what is counted here. WordNet has synsets with several parents, where counting
    differs from a walk along one line.
    """
    held = (hypernyms.to_numpy() > 0).astype(float)
    depth = held.sum(1)
    both = depth[:, None] + depth
    found = np.divide(2 * held @ held.T, both, out=np.zeros(both.shape), where=both > 0)
    return pd.DataFrame(found, index=hypernyms.index, columns=list(hypernyms.index))


def of_concepts(hypernyms: pd.DataFrame, concepts: pd.DataFrame) -> pd.DataFrame:
    """The similarity of the concepts of formulas by name, (concept, concept); those that the tree lacks are left out.

    hypernyms   (concept number, node)      concepts   index concept number; name (`atoms.Counts.concepts`)
    """
    known = hypernyms.loc[hypernyms.index.isin(concepts.index)]
    names = concepts.loc[known.index, "name"].to_numpy()
    return wu_palmer(known).set_axis(names).set_axis(names, axis="columns")


def alternatives(formula: Formula) -> list[tuple[str, str]]:
    """The pairs of different concepts of which a formula asks for one or the other, each once, in alphabetical order.

    They stand on two sides of an OR, and neither is among what must not hold. NOT turns AND into OR:
    `a AND NOT (b AND NOT c)` holds for a without b, or with c.
    """
    pairs = _alternatives(formula, True)[1]
    return sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})


def _alternatives(formula: Formula, holds: bool) -> tuple[list[str], list[tuple[str, str]]]:
    """The concepts that must hold in a formula (or in its negation), and the pairs of alternatives among them."""
    if formula.concept:
        return [formula.concept] if holds else [], []
    left, right = formula.parts
    one, pairs = _alternatives(left, holds)
    other, more = _alternatives(right, holds != (formula.operator == "AND NOT"))
    either = (formula.operator == "OR") == holds
    return one + other, pairs + more + (list(product(one, other)) if either else [])


def of_formulas(found: pd.DataFrame, similar: pd.DataFrame) -> pd.DataFrame:
    """The formulas with what the tree says of their alternatives.

    found     a column formula, None where there is none
    similar   similarity of concepts, by name; NaN for a pair that is not judged, as are concepts that are not there
    Returns   the same rows with pairs (alternatives), judged (pairs in the tree), similarity (their mean, NaN without)
              and kin (1 where it is above KIN, else 0; NaN without)
    """
    at, values = {name: row for row, name in enumerate(similar.index)}, similar.to_numpy()
    rows = []
    for formula in found["formula"]:
        pairs = [] if formula is None else alternatives(formula)
        near = np.array([values[at[a], at[b]] for a, b in pairs if a in at and b in at])
        near = near[~np.isnan(near)]
        mean = near.mean() if len(near) else np.nan
        rows.append((len(pairs), len(near), mean, float(mean > KIN) if len(near) else np.nan))
    columns = ["pairs", "judged", "similarity", "kin"]
    return pd.concat([found, pd.DataFrame(rows, columns=columns, index=found.index)], axis=1)
