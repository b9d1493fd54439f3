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
# *Network Dissection, section 3.8.* If a layer had three times as many filters, would it detect three times as many
# concepts?
#
# *Question.* What do more filters detect: more concepts, or the same ones more often?

# %% tags=["parameters", "hide-input"]
PROBE: str = "world"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # network: zoo or torchvision name, package.module:function, path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std and range of the input; null where the network brings them
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # layers, by the papers' names or dotted module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu or cuda
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store
NETWORKS: list = [{"network": "small-alexnet-repeat-1", "layer": "conv5", "label": "128 filters"}, {"network": "small-alexnet-repeat-2", "layer": "conv5", "label": "128 filters, repeat 2"}, {"network": "small-alexnet-repeat-3", "layer": "conv5", "label": "128 filters, repeat 3"}, {"network": "small-alexnet-wide", "layer": "conv5", "label": "384 filters"}, {"network": "small-alexnet-wide-all", "layer": "conv5", "label": "384 filters, all layers wider"}]  # of one body and task, in different widths, a narrow one first; others of its width are repeats  # fmt: skip
CUT: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > An AlexNet whose conv5 has 768 filters instead of 256, with average pooling in place of the fully connected layers, is about as
# > accurate and has many more unique detectors, more of them for high-level concepts. Widening to 1,024 or 2,048 filters
# > adds little {cite}`zhou2019interpreting`.
#
# Our networks pool anyway. The narrow one has the width of the other chapters, and was trained more than once, from
# other random weights. One has a conv5 three times as wide, and in one the layers below are wider too. All were
# trained alike.

# %%
from n2vlib import charts, published
from n2vlib.analysis import detecting, history

claims = published.table("netdissect_quantitative_claims").set_index("claim_id")["value"]
print(f"published: {claims['nd_c33']:.0f} and {claims['nd_c34']:.0f} filters,", end=" ")
print(f"accuracy within about {claims['nd_c37']} percentage points")
wide = history.scoreboard(NETWORKS)
charts.table(wide.reset_index(), "On drawn images that no network was trained on", digits=3)

# %% [markdown]
# ## More filters, more concepts?
#
# > Figure 24: unique detectors and their ratio to the filters {cite}`zhou2019interpreting`.

# %%
probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
networks, ends = detecting.read(probe, NETWORKS, tau=TAU, seed=SEED, device=DEVICE, store=store)
found = detecting.detectors(ends, probe, CUT)
counted = detecting.unique(found, probe)
shares = detecting.shares(found, ends, SEED)
base, widest = shares.iloc[0], shares.loc[shares["filters"].idxmax()]
narrow = shares[shares["filters"] == base["filters"]].set_index("label")["unique_detectors"]
times = widest["unique_detectors"] / narrow.clip(lower=1)
gain = " to ".join(dict.fromkeys(f"{value:.2f}" for value in (times.min(), times.max())))
title = f"{widest['filters'] / base['filters']:g} times the filters, {gain} times the unique detectors"
charts.unique_by(counted, "label", title)

# %%
charts.table(shares, "Detectors in all filters; the share with its 95% bootstrap interval over filters", digits=3)

# %% [markdown]
# Is the narrow one that the others are set beside a usual one? The same network from other random weights:

# %%
others = ", ".join(f"{n} ({widest['unique_detectors'] / max(n, 1):.2f})" for n in narrow.iloc[1:])
print(f"{base['label']}: {narrow.iloc[0]} unique detectors; {widest['label']} has {times.iloc[0]:.2f} times as many")
print(f"repeats of the narrow one, and how many times as many: {others or 'none read'}")

# %% [markdown]
# By hand, for the first network: the largest number of each row of its dissection IoU, the cut, and the distinct concepts.

# %%
from n2vlib.methods import dissection

iou = dissection.dissection_iou(ends[base["label"]], probe)
concepts = iou.argmax(1)[iou.max(1) > CUT]
assert (len(concepts), len(set(concepts))) == (base["detectors"], base["unique_detectors"])
print(f"{base['label']}: {len(concepts)} detectors of {len(set(concepts))} concepts")

# %% [markdown]
# ## By chance alone
#
# More filters are more tickets. How many concepts would the wide layer detect with as many filters as the narrow one? We
# draw that many of its filters, many times.

# %%
import numpy as np
import pandas as pd

rng, rows = np.random.default_rng(SEED), []
sizes = sorted({*(2**n for n in range(3, 12)), *shares["filters"]})
for label, each in found.items():
    filters = ends[label].n_filters
    named = np.full(filters, -1)
    named[each["filter"]] = each["concept"]
    for size in (size for size in sizes if size <= filters):
        draws = [named[rng.choice(filters, size, replace=False)] for _ in range(200 if size < filters else 1)]
        counts = [len(set(drawn[drawn >= 0])) for drawn in draws]
        rows.append((label, size, np.mean(counts), *np.quantile(counts, [0.025, 0.975])))
grown = pd.DataFrame(rows, columns=["network", "filters", "unique detectors", "low", "high"])

# %%
at = grown[grown["filters"] == base["filters"]].set_index("network")["unique detectors"]
own = " to ".join(dict.fromkeys(f"{value:.0f}" for value in (at[narrow.index].min(), at[narrow.index].max())))
wider = "".join(f", {value:.0f} in {label}" for label, value in at.drop(narrow.index).items())
title = f"With {base['filters']} filters each: {own} unique detectors in the narrow layer{wider}"
charts.lines(
    grown, "filters", "unique detectors", title, ("filters drawn", "unique detectors"), series="network", log=True
)

# %% [markdown]
# Bands: the middle 95% of the draws. Where a line is still rising at its end, more filters of the same training would detect more
# concepts. Where the line of a wide layer lies on that of the narrow one, more concepts come from more filters alone;
# where it lies above, its filters are also better spread over concepts.
#
# ## How well
#
# A concept can gain a better detector, too. For every concept that some filter of any network matches above the cut,
# whether or not it is the name of that filter, the best dissection IoU in each. Repeats of the narrow network say what
# another training does by itself:

# %%
best = pd.DataFrame({label: dissection.dissection_iou(layer, probe).max(0) for label, layer in ends.items()})
best = best.set_index(probe.concepts.index)[(best > CUT).any(axis=1).to_numpy()]
for label in best.columns[1:]:
    gain = best[label] - best[base["label"]]
    print(f"{label}: better than {base['label']} for {(gain > 0).mean():.0%} of {len(best)} concepts,", end=" ")
    print(f"by {round(gain.mean(), 3) + 0:+.3f} on average")

# %% [markdown]
# ## Where we differ
#
# - **384 filters are our widest.** The paper also tried 1,024 and 2,048, and says that they add little.
# - **One training each, and a low one.** The wide networks were trained once. The narrow one that they are set beside,
#   here and in the verdict, is the first of its [repeats](training-conditions), in the default run the one with the
#   fewest unique detectors, so that the gain is smaller against any other. The lines above print it.
# - **The pooling is in all of ours**; in the paper the narrow AlexNet has fully connected layers instead, so two things change.
#
# ## Exercises
#
# 1. Count at `CUT=0.08`: does the wide layer still detect more?
# 2. Which concepts does the widest network detect and the narrowest not?
# 3. Train one of twice the width: one row in `n2vlib/zoo/recipes.py`.

# %% tags=["solution", "hide-input"]
few, most = (set(found[row["label"]]["name"]) for row in (base, widest))
name = {label: row["network"] for label, row in zip(networks["label"], NETWORKS, strict=True)}
print(f"Detected by the layer of {widest['filters']} filters of {name[widest['label']]} and not by that of", end=" ")
print(f"{base['filters']} of {name[base['label']]}: {', '.join(sorted(most - few)) or 'none'}.")

# %% [markdown]
# ## Take-away
#
# - Unique detectors of layers of different widths are compared at equal numbers of filters, too, and with more than one
#   training of the narrow layer.
# - The curve over drawn filters says whether a wider layer would help.
#
# So far a network was asked what it detects. The [next chapter](discrimination) asks what these features are good for.

# %%
n2vlib.provenance(probe=probe, layers=ends, seed=SEED)
