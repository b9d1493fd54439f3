"""The papers' numbers as CSV files beside this module, copied as printed; nothing was read off a plot.

net2vec_table1_percent_better   share of concepts where the combination is at least as good, by task and layer
                                (Net2Vec, Table 1)
net2vec_quantitative_claims     every number in the text of Net2Vec, with its section
net2vec_dataset_counts          concepts, categories and images of the probe set
net2vec_filter_subsets          the filter counts F tried (Net2Vec, 3.2.2)
hyperparameters                 settings of Net2Vec, Network Dissection and the later papers
"""

from pathlib import Path

import pandas as pd

from n2vlib.errors import BadInput, near

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The tables there are."""
    return sorted(file.stem for file in _FOLDER.glob("*.csv"))


def table(name: str) -> pd.DataFrame:
    """One published table, one row per printed number, in the printed order."""
    if name not in names():
        raise BadInput(f"published table {name!r}: there is none of this name; {near(name, names())}")
    return pd.read_csv(_FOLDER / f"{name}.csv")
