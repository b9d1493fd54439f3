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
# # How it was trained
#
# *Network Dissection, section 3.6.* Two networks of one body, taught the same task from the same images, still differ: by
# the random numbers they started from, by what was done against overfitting, by how long they were taught.
#
# *Question.* Which of these change what the filters detect, and when do detectors appear?

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
NETWORKS: list = [{"network": "small-alexnet-repeat-1", "layer": "conv5", "label": "repeat 1"}, {"network": "small-alexnet-repeat-2", "layer": "conv5", "label": "repeat 2"}, {"network": "small-alexnet-repeat-3", "layer": "conv5", "label": "repeat 3"}, {"network": "small-alexnet-no-dropout", "layer": "conv5", "label": "no dropout"}, {"network": "small-alexnet-batch-norm", "layer": "conv5", "label": "batch norm"}]  # trained in different ways; labels that start with "repeat" differ by chance alone  # fmt: skip
ALONG: list = [{"network": "small-alexnet-repeat-1@10", "layer": "conv5"}, {"network": "small-alexnet-repeat-1@30", "layer": "conv5"}, {"network": "small-alexnet-repeat-1@93", "layer": "conv5"}, {"network": "small-alexnet-repeat-1@186", "layer": "conv5"}, {"network": "small-alexnet-repeat-1@372", "layer": "conv5"}, {"network": "small-alexnet-repeat-1", "layer": "conv5"}]  # one network while it was trained, first to last; `steps` where it is not of the zoo  # fmt: skip
CUT: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > Three repeats from other random weights end with about the same number of detectors. Without dropout there are more
# > detectors of textures and fewer of objects. Batch norm lowers the number of unique detectors, though accuracy rises.
# > While a network is trained, unique detectors and accuracy grow together; detectors of objects and parts come late,
# > from about step 10,000 on {cite}`zhou2019interpreting`.
#
# The paper trained AlexNet on Places205. Our networks have its shape and learn the scenes and objects of the drawn world,
# each in a few minutes: with dropout before the last layer and without batch norm, but for the two whose names say otherwise.
#
# ## The networks

# %%
from n2vlib import charts, published
from n2vlib.analysis import detecting, history

claims = published.table("netdissect_quantitative_claims").set_index("claim_id")["value"]
for words, claim in (("repeats (nearly)", "nd_c15"), ("no dropout", "nd_c16"), ("batch norm", "nd_c17")):
    print(f"published, {words}: top-1 accuracy {claims[claim]:.1f}%")
wide = history.scoreboard(NETWORKS)
charts.table(wide.reset_index(), "On drawn images that no network was trained on", digits=3)

# %% [markdown]
# *Object share* is what average precision would be by chance, and *commonest scene* what accuracy would be.
#
# ## Repeats, dropout, batch norm
#
# > Figure 17: unique and all detectors of the five networks {cite}`zhou2019interpreting`.

# %%
probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
networks, ends = detecting.read(probe, NETWORKS, **options)
found = detecting.detectors(ends, probe, CUT)
counted = detecting.unique(found, probe)
totals = counted.groupby("label", sort=False)[["detectors", "unique_detectors"]].sum()
repeats = totals[totals.index.str.startswith("repeat")]["unique_detectors"]
title = f"Repeats have {repeats.min()} to {repeats.max()} unique detectors" if len(repeats) else "Unique detectors"
charts.unique_by(counted, "label", title)

# %%
charts.unique_by(counted, "label", "All detectors", value="detectors", axis="detectors")

# %% [markdown]
# By hand, for the first of them: a row of its dissection IoU for each filter, and what is above the cut.

# %%
from n2vlib.methods import dissection

first = networks["label"].iloc[0]
iou = dissection.dissection_iou(ends[first], probe)
detects = iou.max(1) > CUT
assert detects.sum() == totals.loc[first, "detectors"]
assert len(set(iou.argmax(1)[detects])) == totals.loc[first, "unique_detectors"]
print(f"{first}: {detects.sum()} of {len(iou)} filters, {len(set(iou.argmax(1)[detects]))} concepts")

# %% [markdown]
# A difference between two conditions means something if it is larger than the difference between two repeats. There are as
# many repeats as could be trained; their range is a lower bound of what chance does.

# %%
kinds = counted.pivot(index="label", columns="category", values="unique_detectors").reindex(totals.index)
kinds["unique"], kinds["detectors"] = totals["unique_detectors"], totals["detectors"]
ours = kinds.index.str.startswith("repeat")
low, high = kinds[ours].min(), kinds[ours].max()
for label, row in kinds[~ours].iterrows():
    above = [
        f"{name} {row[name]:.0f} ({low[name]:.0f} to {high[name]:.0f})" for name in kinds if row[name] > high[name]
    ]
    below = [f"{name} {row[name]:.0f} ({low[name]:.0f} to {high[name]:.0f})" for name in kinds if row[name] < low[name]]
    print(f"{label}: more than any repeat in {', '.join(above) or 'nothing'}; fewer in {', '.join(below) or 'nothing'}")

# %%
shares = detecting.shares(found, ends, SEED)
charts.table(shares, "The share of filters that detect, with its 95% bootstrap interval over filters", digits=3)

# %% [markdown]
# The authors released counts for a plain network and for one with batch norm, by the rule that counts a filter in every
# category:

# %%
theirs = published.table("netdissect_cvpr_release_detectors")
pair = theirs[theirs["network_printed"].isin(["AlexNet-Places205", "AlexNet-Places205-BatchNorm"])]
pair = pair.pivot(index="category", columns="network_printed", values="num_unique_detectors")
charts.table(pair.reset_index(), "Published, unique detectors")

# %% [markdown]
# ## While it learns
#
# > Figure 18: unique detectors and accuracy against the training step {cite}`zhou2019interpreting`.
#
# The first of the networks above was kept at several steps of its training.

# %%
passed, along = detecting.read(probe, ALONG, **options)
steps = passed.merge(history.steps(ALONG), on="label")
growing = detecting.unique(detecting.detectors(along, probe, CUT), probe).merge(steps[["label", "steps"]])
learned = history.told(ALONG)
by_chance = ["object share", "commonest scene", "objects measured"]
sums = growing.groupby("steps")["unique_detectors"].sum()
title = f"From {sums.iloc[0]} unique detectors after {sums.index[0]} steps to {sums.iloc[-1]} after {sums.index[-1]}"
charts.along_training(growing, learned[~learned["score"].isin(by_chance)], title, "Steps are not to scale.")

# %% [markdown]
# When does each kind of concept get half of the unique detectors that it has in the end?

# %%
by_kind = growing.pivot(index="steps", columns="category", values="unique_detectors").sort_index()
half = {kind: by_kind.index[(column >= column.iloc[-1] / 2).to_numpy().argmax()] for kind, column in by_kind.items()}
for kind, step in half.items():
    print(f"{kind}: {by_kind[kind].iloc[-1]} in the end; half of that from step {step}" if by_kind[kind].iloc[-1]
          else f"{kind}: none in the end")  # fmt: skip

# %% [markdown]
# ## Filters followed
#
# > Figure 19 follows filters through the training: one detects snowy mountains from step 2,446 on, one turns from roads
# > to cars, another from roads to airplanes {cite}`zhou2019interpreting`.
#
# The published changes of names, and ours. Of the filters that detect in the end, those that detected the most different
# concepts on the way:

# %%
evolution = published.table("netdissect_unit_evolution")
charts.table(evolution[evolution["figure"] == "Fig. 19"].drop(columns="figure"), "Published", digits=0)

# %%
every = history.names(along, probe, CUT)
last = list(along)[-1]
settled = every.query("label == @last and detector").sort_values("dissection_iou", ascending=False)["filter"]
chosen = [k for k in history.restless(every).index if k in set(settled)][:6]
told = every[every["filter"].isin(chosen)].merge(steps[["label", "steps"]])
told["name"] = told["name"].where(told["detector"], "(" + told["name"] + ")")
timeline = told.pivot(index="filter", columns="steps", values="name").reindex(chosen)
charts.table(timeline.reset_index(), "Names by training step; in brackets where the filter is no detector")

# %% [markdown]
# The image on which each of them is highest, at each step, with the filter's mask:

# %%
from n2vlib import gallery
from n2vlib.analysis import maximal

strips, seen = [], []
for k in chosen[:4]:
    pictures = []
    for row in steps.itertuples():
        network = n2vlib.load_network(ALONG[row.Index]["network"], seed=SEED)
        image, mask = maximal.top_mask(network, along[row.label], probe, k)
        said = every.query("label == @row.label and filter == @k").iloc[0]
        caption = gallery.caption(f"{row.steps} steps: {said['name']}", float(said["dissection_iou"]))
        pictures.append((probe.image(image), caption, mask))
        seen.append((k, image, said["name"]))
    images, captions, masks = (list(each) for each in zip(*pictures, strict=True))
    strips.append(gallery.show(images, captions, predicted=masks, columns=6, heading=f"filter {k}"))
gallery.stack(*strips)

# %% [markdown]
# Follow one row. A name can change while the picture stays: the concepts around a thing (its color, its part, the scene) are
# neighbours, and the IoU decides between them by a hair. In these rows, how often does the picture change with the
# name?

# %%
turns = [(one, other) for one, other in zip(seen, seen[1:], strict=False) if one[0] == other[0] and one[2] != other[2]]
both = sum(one[1] != other[1] for one, other in turns)
print(f"{len(turns)} changes of name; with {both} of them the strongest image changed too")

# %% [markdown]
# These rows were chosen for their many names. How often does a name stay? Of all filters that detect at two following
# steps:

# %%
labels, at = list(along), steps.set_index("label")["steps"]
for before, after in zip(labels, labels[1:], strict=False):
    rows = history.kept(history.changes(every, before, after), SEED).set_index("filters")
    row = rows.loc["detectors before and after"]
    print(f"step {at[before]} to {at[after]}: {row['kept']:.0f} of {row['of']:.0f} detectors", end=" ")
    print(f"keep their concept; of all filters {rows.loc['all', 'share']:.0%}")

# %% [markdown]
# ## What we see
#
# Each condition beside the range of the repeats and the paper's direction. Within that range, the paper's sentence is
# neither confirmed nor refuted:

# %%
says = [("no dropout", "texture", 1), ("no dropout", "object", -1), ("batch norm", "unique", -1)]
kinds["scene accuracy"] = wide.get("scene accuracy", kinds["unique"] * float("nan"))
for label, what, sign in [*says, ("batch norm", "scene accuracy", 1)]:
    if label not in kinds.index or what not in kinds or not ours.any() or kinds[what].isna().any():
        continue
    value, lowest, highest = kinds.loc[label, what], kinds.loc[ours, what].min(), kinds.loc[ours, what].max()
    side = int(value > highest) - int(value < lowest)
    answer = {sign: "as the paper says", -sign: "the other way", 0: "within the range of the repeats"}[side]
    print(f"{label}, {what}: {value:.3g}, repeats {lowest:.3g} to {highest:.3g}; the paper:", end=" ")
    print(f"{'higher' if sign > 0 else 'lower'}; here {answer}")

# %%
grew = {"unique detectors": sums}
grew |= {name: rows.set_index("steps")["value"] for name, rows in learned.groupby("score") if name not in by_chance}
for name, values in grew.items():
    values = values.sort_index()
    first, last = values.index[[0, -1]]
    print(f"{name}: {values[first]:.3g} after {first} steps, {values[last]:.3g} after {last};", end=" ")
    print(f"higher than before at {(values.diff().dropna() > 0).sum()} of {len(values) - 1} snapshots")

# %% [markdown]
# ## Where we differ
#
# - **Minutes, not days.** Our training has hundreds of steps, the paper's up to 3,000,000. Snapshots are few and not to scale.
# - **Accuracy** is that of two tasks at once, measured on drawn images; the paper's is top-1 on Places205.
# - **Dropout** acts on the pooled filters before the one linear layer; AlexNet has two wide layers there, which we do not have.
# - **Batch norm** is folded into the convolutions when the network is shipped. What is dissected is the same function.
# - **A learning rate that falls** with time can look like learning that slows. The paper's networks have that too.
#
# ## Exercises
#
# 1. Count at `CUT=0.08`. Is the spread between repeats smaller?
# 2. Train a fourth repeat: one row in `n2vlib/zoo/recipes.py`, then `python -m n2vlib zoo NAME`.
# 3. How alike are two repeats? Which concepts do all three detect?

# %% tags=["solution", "hide-input"]
sets = [set(found[label]["name"]) for label in repeats.index]
if sets:
    print(
        f"All repeats detect {len(set.intersection(*sets))} of the {len(set.union(*sets))} concepts that any of them does."
    )

# %% [markdown]
# ## Take-away
#
# - A difference between two trainings is read beside the range of repeats, or not at all.
# - Detectors and accuracy are measured apart; the lines above say at how many snapshots each has grown.
# - A filter's name has a history. What it says in the end is one frame of it.
#
# A network can also be taught something new after it has learned. The [next chapter](transfer) follows its filters.

# %%
n2vlib.provenance(probe=probe, layers={**ends, **along}, seed=SEED)
