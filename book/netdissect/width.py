# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A wider layer
#
# *Network Dissection, section 3.8.* A layer with more filters could detect more concepts, or it could detect the same
# concepts with more filters each.
#
# *Question.* If a layer has three times as many filters, how many more concepts does it detect?

# %% tags=["parameters", "hide-input"]
PROBE: str = "world"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # name, package.module:function or path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std, range of input; null: the network's own
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # papers' or module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu, cuda, cuda:1 or mps
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store
NETWORKS: list = "zoo/widths"  # by width, a narrow one first; others as wide: repeats
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > An AlexNet whose conv5 has 768 filters instead of 256, with average pooling in place of the fully connected layers,
# > is about as accurate and has many more unique detectors, more of them for high-level concepts. Widening to 1,024 or
# > 2,048 filters adds little {cite}`zhou2019interpreting`.
#
# Our networks have average pooling anyway. The narrow one has the width of the other chapters and was trained three
# times from different random weights; we call the second and third training *repeats*. One network has a conv5 three
# times as wide, and in another one the layers below conv5 are wider too. All were trained in the same way.
#
# First their accuracies: if the wide networks were much better at their task, they could have more detectors for that
# reason and not because of the width. *Object share* and *commonest scene* are what chance would reach (explained in
# [Training conditions](training-conditions)).

# %%
import pandas as pd

from n2vlib import charts, published
from n2vlib.analysis import detectors, history

claims = published.table("netdissect_quantitative_claims")
claims = claims.set_index("claim_id")["value"]
title = f"On new drawn images; the paper: {claims['nd_c33']:.0f} and"
title += f" {claims['nd_c34']:.0f} filters, accuracies within about"
title += f" {claims['nd_c37']} percentage points"
charts.table(history.scoreboard(NETWORKS).reset_index(), title, digits=3)

# %% [markdown]
# ## More filters, more concepts?
#
# > Figure 24 shows unique detectors and their ratio to the filters {cite}`zhou2019interpreting`.
#
# Each bar is a network, and its length is the number of concepts that its conv5 detects. The title compares the widest
# network with every training of the narrow one, so it gives a range.

# %%
probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
networks, ends = detectors.read(probe, NETWORKS, **options)
found = detectors.detectors(ends, probe, IOU_THRESHOLD)
counted = detectors.unique(found, probe)
shares = detectors.shares(found, ends, SEED)
base, widest = shares.iloc[0], shares.loc[shares["filters"].idxmax()]
narrow = shares[shares["filters"] == base["filters"]]
narrow = narrow.set_index("label")["unique_detectors"]
times = widest["unique_detectors"] / narrow.clip(lower=1)
gain = [f"{value:.2f}" for value in (times.min(), times.max())]
gain = " to ".join(dict.fromkeys(gain))
title = f"{widest['filters'] / base['filters']:g} times the filters,"
title += f" {gain} times the unique detectors"
charts.unique_by(counted, "label", title)

# %% [markdown]
# The same per filter. *Unique per filter* falls if a wide layer uses several filters for one concept; *share* is the
# part of the filters that are detectors at all.

# %%
title = "Share of detectors among all filters,"
title += " with its 95% bootstrap interval over filters"
charts.table(shares, title, digits=3)

# %% [markdown]
# Is the first training of the narrow network a typical one? Its repeats show how much the comparison depends on it.

# %%
typical = pd.DataFrame({"unique detectors": narrow})
typical[f"times as many in {widest['label']}"] = times
title = f"Trainings of the network with {base['filters']} filters"
charts.table(typical.reset_index(), title, digits=2)

# %% [markdown]
# By hand, for the first network: the largest number in each row of its dissection IoU (filter, concept), the IoU
# threshold, and the different concepts among the filters above it.

# %%
from n2vlib.methods import dissection

iou = dissection.dissection_iou(ends[base["label"]], probe)
concepts = iou.argmax(1)[iou.max(1) > IOU_THRESHOLD]
assert len(concepts) == base["detectors"]
assert len(set(concepts)) == base["unique_detectors"]
print(f"{base['label']}: {len(concepts)} detectors of {len(set(concepts))} concepts")

# %% [markdown]
# ## At equal numbers of filters
#
# A wide layer has more filters, and every filter is another chance to detect a new concept. To separate this effect
# from a better choice of concepts, we ask how many concepts a random part of a layer detects. For each layer we draw 8,
# 16, 32 and so on of its filters without replacement, 200 times each, and count the unique detectors of each draw.

# %%
import numpy as np

rng, rows = np.random.default_rng(SEED), []
sizes = sorted({*(2**n for n in range(3, 12)), *shares["filters"]})


def unique_of(concept_of, size):
    """Unique detectors among `size` filters, drawn two hundred times."""
    n, counts = len(concept_of), []
    for _ in range(200 if size < n else 1):
        drawn = concept_of[rng.choice(n, size, replace=False)]
        counts.append(len(set(drawn[drawn >= 0])))
    return counts


# %%
for label, each in found.items():
    concept_of = np.full(ends[label].n_filters, -1)
    concept_of[each["filter"]] = each["concept"]
    for size in (size for size in sizes if size <= len(concept_of)):
        counts = unique_of(concept_of, size)
        interval = np.quantile(counts, [0.025, 0.975])
        rows.append((label, size, np.mean(counts), *interval))
columns = ["network", "filters", "unique detectors", "low", "high"]
grown = pd.DataFrame(rows, columns=columns)

# %%
at = grown[grown["filters"] == base["filters"]]
at = at.set_index("network")["unique detectors"]
own = [f"{value:.0f}" for value in at[narrow.index].agg(["min", "max"])]
own = " to ".join(dict.fromkeys(own))
wider = at.drop(narrow.index).items()
wider = "".join(f", {value:.0f} in {label}" for label, value in wider)
title = f"With {base['filters']} filters each: {own} unique detectors"
title += f" in the narrow layer{wider}"
axes = "filters drawn", "unique detectors"
charts.lines(
    grown, "filters", "unique detectors", title, axes, series="network", log=True
)

# %% [markdown]
# The bands hold the middle 95% of the draws. Where a line still rises at its end, the layer would detect more concepts
# if it had more filters of the same kind. Where the line of a wide layer lies on that of the narrow one, its additional
# concepts come from the number of filters alone. Where it lies above, its filters are also spread better over concepts.
#
# ## Better detectors
#
# A wide layer can also detect the same concepts better. For every concept that some filter of any of these networks
# matches above the IoU threshold, whether or not it is the best concept of that filter, we take the best dissection IoU
# in each network and compare it with that in the first one. The repeats show what another training alone changes.

# %%
best = {label: dissection.dissection_iou(layer, probe) for label, layer in ends.items()}
best = pd.DataFrame({label: iou.max(0) for label, iou in best.items()})
best = best[(best > IOU_THRESHOLD).any(axis=1)]
gains = best.drop(columns=base["label"]).sub(best[base["label"]], axis=0)
shares_of = {"larger IoU, share of concepts": (gains > 0).mean()}
gains = pd.DataFrame({**shares_of, "mean difference": gains.mean()})
title = f"{len(best)} concepts, against {base['label']}"
charts.table(gains.rename_axis("network").reset_index(), title, digits=3)

# %% [markdown]
# Compare the wide networks with the repeats, and not with a share of one half and a difference of zero.
#
# ## Where we differ
#
# - **384 filters are our widest layer.** The paper also tried 1,024 and 2,048, and says that they add little.
# - **One training of each wide network, and a low one of the narrow.** The narrow network that the others are compared
#   with, here and in the verdict, is the first of its [repeats](training-conditions). In the default run it has the
#   fewest unique detectors of them, so the gain against any other is smaller. The table of its trainings shows by how
#   much.
# - **The pooling is in all of our networks.** In the paper the narrow AlexNet has fully connected layers instead, so
#   two things change at once.
#
# ## Exercises
#
# 1. Count at `IOU_THRESHOLD=0.08`: does the wide layer still detect more?
# 2. Which concepts does the widest network detect and the narrowest not?
# 3. Train one of twice the width: one row in `n2vlib/zoo/recipes.py`.

# %% tags=["solution", "hide-input"]
few, most = (set(found[row["label"]]["name"]) for row in (base, widest))
name = zip(networks["label"], NETWORKS, strict=True)
name = {label: row["network"] for label, row in name}
print(f"Detected by the layer of {widest['filters']} filters", end=" ")
print(f"of {name[widest['label']]} and not by that of {base['filters']}", end=" ")
print(f"of {name[base['label']]}: {', '.join(sorted(most - few)) or 'none'}.")

# %% [markdown]
# ## Take-away
#
# - Compare the unique detectors of layers of different widths at equal numbers of filters too, and with more than one
#   training of the narrow layer.
# - The curve over drawn filters shows whether a wider layer would detect more.
#
# So far we asked which concepts a network detects. The [next chapter](discrimination) asks what its features are good
# for.

# %%
n2vlib.provenance(probe=probe, layers=ends, seed=SEED)
