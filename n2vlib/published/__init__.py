"""The papers' numbers as CSV files beside this module, copied as printed; nothing was read off a plot.

net2vec_table1_percent_better   share of concepts where the combination is at least as good, by task and layer
                                (Net2Vec, Table 1)
net2vec_table4_correlation      share of concepts whose weights correlate with single-filter set IoU (Net2Vec, 5.2)
net2vec_quantitative_claims     every number in the text of Net2Vec, with its section
net2vec_dataset_counts          concepts, categories and images of the probe set
net2vec_filter_subsets          the filter counts F tried (Net2Vec, 3.2.2)
net2vec_saturation_F            the F at which a category's mean peaks or saturates (Net2Vec, 4.1 and Figure 3)
net2vec_table2_nearest          the five nearest concepts of five concepts, both tasks (Net2Vec, Table 2)
net2vec_table3_arithmetic       the concepts nearest to four sums and differences (Net2Vec, Table 3)
net2vec_notebook_neighbours     share of the five nearest concepts that are of the concept's own category, from the
                                outputs of the released notebook (rebuttal.ipynb); not printed in the paper
net2vec_notebook_distances      mean D_c by category between two spaces, with the number of concepts, from the same
                                outputs; S segmentation, C classification; networks trained on ImageNet unless stated
netdissect_table1_broden        classes, sources and mean samples per class of Broden (Network Dissection, Table 1)
netdissect_table2_networks      the networks tested, with their training (Table 2)
netdissect_table3_human         interpretable filters and valid labels, as judged by people (Table 3)
netdissect_quantitative_claims  every number in the text of Network Dissection, with its section
netdissect_cvpr_release_detectors     detectors and unique detectors of 27 networks, from the authors' release
netdissect_released_unique_detectors  the same, counted again from their released files of units, by two rules
netdissect_unit_evolution       how units change in fine-tuning (Section 3.7)
bau2020_ablation                accuracy without units of VGG-16's conv5_3 (Bau et al. 2020, Figure 2 and its section)
compexp_formula_length          mean IoU by the longest formula allowed, and one unit's (Compositional Explanations,
                                Figures 3 and 4)
compexp_quantitative_claims     every number in the text of Compositional Explanations, with its section
compexp_figure5_units           eight units with formula and IoU (Figure 5)
compexp_nli_units               units of the sentence model with formula, IoU and weights (Figures 6 and 9)
compexp_nli_examples            answers before and after an edit, and activations, of their examples (Figures 6 and 9)
compexp_neuron_types            neurons that the authors found meaningful or polysemantic (Section 4)
compexp_figure8_vision_adversarial   four edits of pictures, and the answers of four networks before and after
                                (Figure 8)
compexp_released_pasted         answers to the pictures with pasted things in the authors' release, counted from its
                                results.csv: success (the class intended), failure (the original or the pasted thing's
                                class), partial (another), by scene and by size in pixels; not printed in the paper
neuralese_table1                accuracy in the reference games of colors and birds, by speaker, listener and
                                translation; R an agent, H a person, H* a model of people (Translating Neuralese,
                                Table 1)
neuralese_table2                reward and completion of the driving game, its R / H rows in the order of methods
                                (Table 2)
neuralese_table3                belief evaluation in the driving game (Table 3)
neuralese_translations          phrases that translate groups of messages (Figures 2, 7 and 8)
milan_slide_labels              the descriptions of units that the talk on MILAN shows, and the words it edits by
experiments                     everything that the papers compute, by id, with section and printed numbers
hyperparameters                 settings of Net2Vec, Network Dissection and the later papers
"""

from pathlib import Path

import pandas as pd

from n2vlib.errors import BadInput, near

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of all tables."""
    return sorted(file.stem for file in _FOLDER.glob("*.csv"))


def table(name: str) -> pd.DataFrame:
    """One published table, one row per printed number, in the printed order."""
    if name not in names():
        raise BadInput(f"published table {name!r}: there is none of this name; {near(name, names())}")
    return pd.read_csv(_FOLDER / f"{name}.csv")
