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
# # Training conditions
#
# *Network Dissection, section 3.6.* Two networks of the same architecture, trained for the same task on the same
# images, still differ: in their random initial weights, in the regularisation (dropout, batch norm), and in the number
# of training steps.
#
# *Question.* Which of these change what the filters detect, and when do detectors appear during training?

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
NETWORKS: list = "zoo/conditions"  # trained in different ways; `repeat`: other seeds
ALONG: list = "zoo/along"  # snapshots, first to last; outside the zoo with `steps`
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > Three repeats from other random weights end with about the same number of detectors. Without dropout there are more
# > detectors of textures and fewer of objects. Batch norm lowers the number of unique detectors, although accuracy
# > rises. During training, unique detectors and accuracy grow together; detectors of objects and parts come late, from
# > about step 10,000 on {cite}`zhou2019interpreting`.
#
# The paper trained AlexNet on Places205. Our networks have its shape and learn the scenes and objects of the drawn
# world, in a few minutes each. They were trained with dropout before the last layer and without batch norm, except for
# the two whose labels say otherwise.
#
# ## The networks
#
# First the accuracies, since a network that learned its task less well could have fewer detectors for that reason
# alone. The paper's numbers:

# %%
from n2vlib import charts, published

claims = published.table("netdissect_quantitative_claims")
claims = claims.set_index("claim_id")["value"]
accuracy = claims[["nd_c15", "nd_c16", "nd_c17"]]
accuracy = accuracy.set_axis(["repeats (nearly)", "no dropout", "batch norm"])
accuracy = accuracy.rename_axis("network").rename("top-1 accuracy, %").reset_index()
charts.table(accuracy, "Published, on Places205", digits=1)

# %% [markdown]
# And ours, on images that they were not trained on. Our networks predict two things. *Scene accuracy* is the share of
# images whose scene is predicted; a network that always predicts the most frequent scene would reach *commonest scene*.
# *Object average precision* and *object balanced accuracy* are means over objects; random scores would reach about
# *object share*, the mean share of images that show an object, in the first and 0.5 in the second.

# %%
from n2vlib.analysis import detectors, history

scores = history.scoreboard(NETWORKS)
title = "On drawn images that no network was trained on"
charts.table(scores.reset_index(), title, digits=3)

# %% [markdown]
# ## Repeats, dropout, batch norm
#
# > Figure 17 shows the unique detectors and all detectors of the five networks {cite}`zhou2019interpreting`.
#
# First the unique detectors, which are the different concepts that a layer detects. Compare the repeats with each other
# before you compare them with the other networks: their differences are due to the random seed only.

# %%
probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
networks, ends = detectors.read(probe, NETWORKS, **options)
found = detectors.detectors(ends, probe, IOU_THRESHOLD)
counted = detectors.unique(found, probe)
totals = counted.groupby("label", sort=False)
totals = totals[["detectors", "unique_detectors"]].sum()
repeats = totals[totals.index.str.startswith("repeat")]["unique_detectors"]
title = "Unique detectors"
if len(repeats):
    title = f"Repeats have {repeats.min()} to {repeats.max()} unique detectors"
charts.unique_by(counted, "label", title)

# %% [markdown]
# Then all detectors. If a network has more of these but not more unique ones, more of its filters detect the same
# concepts.

# %%
charts.unique_by(counted, "label", "All detectors", value="detectors", axis="detectors")

# %% [markdown]
# By hand, for the first network: its dissection IoU is a table with a row for each filter and a column for each
# concept. A filter is a detector if the largest number of its row is above the IoU threshold, and the column of that
# number is its concept.

# %%
from n2vlib.methods import dissection

first = networks["label"].iloc[0]
iou = dissection.dissection_iou(ends[first], probe)
concepts = iou.argmax(1)[iou.max(1) > IOU_THRESHOLD]
assert (len(concepts), len(set(concepts))) == tuple(totals.loc[first])
print(f"{first}: {len(concepts)} of {len(iou)} filters are detectors,", end=" ")
print(f"of {len(set(concepts))} concepts")

# %% [markdown]
# A difference between two conditions means something only if it is larger than the difference between two repeats. The
# table gives the lowest and the highest number of the repeats, and beside them the numbers of the other networks. A
# number outside the range of the repeats is a candidate for an effect of the training condition. With so few repeats
# their range is a lower bound of what chance does.

# %%
import pandas as pd

kinds = counted.pivot(index="label", columns="category", values="unique_detectors")
kinds = kinds.reindex(totals.index)
kinds["unique"], kinds["detectors"] = totals["unique_detectors"], totals["detectors"]
is_repeat = kinds.index.str.startswith("repeat")
lowest, highest = kinds[is_repeat].min(), kinds[is_repeat].max()
chance = pd.DataFrame({"repeats, lowest": lowest, "repeats, highest": highest})
beside = chance.join(kinds[~is_repeat].T).rename_axis("quantity").reset_index()
title = "Unique detectors of each category, of all, and the number of detectors"
charts.table(beside, title, digits=0)

# %% [markdown]
# The share of filters that are detectors, with an interval from drawing the filters again. This interval covers the
# choice of filters in one network; the repeats above cover another training run, which it does not.

# %%
shares = detectors.shares(found, ends, SEED)
title = "Share of detectors among all filters,"
title += " with its 95% bootstrap interval over filters"
charts.table(shares, title, digits=3)

# %% [markdown]
# The authors released counts for a network without batch norm and for one with it. They follow a rule by which a filter
# can count in [several categories](networks), so compare the two columns with each other and not with our counts.

# %%
theirs = published.table("netdissect_cvpr_release_detectors")
two = ["AlexNet-Places205", "AlexNet-Places205-BatchNorm"]
pair, values = theirs[theirs["network_printed"].isin(two)], "num_unique_detectors"
pair = pair.pivot(index="category", columns="network_printed", values=values)
charts.table(pair.reset_index(), "Published, unique detectors")

# %% [markdown]
# ## During training
#
# > Figure 18 plots unique detectors and accuracy against the training step {cite}`zhou2019interpreting`.
#
# The weights of the first network above were saved at several steps of its training. Each snapshot is dissected like a
# network of its own. Above, the unique detectors of each category; below, the accuracies on new images. Do the two rise
# together, and which categories come first?

# %%
passed, along = detectors.read(probe, ALONG, **options)
steps = passed.merge(history.steps(ALONG), on="label")
growing = detectors.unique(detectors.detectors(along, probe, IOU_THRESHOLD), probe)
growing = growing.merge(steps[["label", "steps"]])
learned = history.scores(ALONG)
other = ["object share", "commonest scene", "objects measured"]
learned = learned[~learned["score"].isin(other)]
sums = growing.groupby("steps")["unique_detectors"].sum()
title = f"From {sums.iloc[0]} unique detectors after {sums.index[0]} steps"
title += f" to {sums.iloc[-1]} after {sums.index[-1]}"
charts.along_training(growing, learned, title, "Steps are not to scale.")

# %% [markdown]
# The paper says that objects and parts come late. To compare categories of different size, we ask for each one at which
# snapshot it first has at least half of the unique detectors that it has at the end.

# %%
by_kind = growing.pivot(index="steps", columns="category", values="unique_detectors")
by_kind = by_kind.sort_index()
at_end = by_kind.iloc[-1]
reached = [(by_kind[kind] >= at_end[kind] / 2).idxmax() for kind in by_kind]
half = pd.DataFrame({"category": by_kind.columns})
half["unique detectors at the end"] = at_end.to_numpy()
reached = pd.Series(reached, dtype="Int64").where(at_end.to_numpy() > 0)
half["half of them from step"] = reached
charts.table(half)

# %% [markdown]
# A later step in the last column means that the category comes later. The answer is only as fine as the snapshots are.
#
# ## Single filters during training
#
# > Figure 19 follows filters through the training: one detects snowy mountains from step 2,446 on, one changes from
# > roads to cars, another from roads to airplanes {cite}`zhou2019interpreting`.
#
# The changes of labels that the paper prints:

# %%
evolution = published.table("netdissect_unit_evolution")
evolution = evolution[evolution["figure"] == "Fig. 19"]
charts.table(evolution.drop(columns="figure"), "Published", digits=0)

# %% [markdown]
# Ours. Of the filters that are detectors at the end, we take those that detected the most different concepts at the
# snapshots. A row shows the best concept of a filter at each snapshot.

# %%
every = history.names(along, probe, IOU_THRESHOLD)
last = list(along)[-1]
at_last = set(every.query("label == @last and detector")["filter"])
chosen = [k for k in history.concepts_detected(every).index if k in at_last][:6]
labels_of = every[every["filter"].isin(chosen)].merge(steps[["label", "steps"]])
bracketed = "(" + labels_of["name"] + ")"
labels_of["name"] = labels_of["name"].where(labels_of["detector"], bracketed)
timeline = labels_of.pivot(index="filter", columns="steps", values="name")
timeline = timeline.reindex(chosen).reset_index()
title = "Labels by training step; in brackets where the filter is not a detector"
charts.table(timeline, title)

# %% [markdown]
# The image that activates each of these filters most, at each snapshot, with the mask of the filter:

# %%
from n2vlib.analysis import top_images
from n2vlib.display import gallery

strips, seen = [], []


# %%
for k in chosen[:4]:
    images, captions, masks = [], [], []
    for row in steps.itertuples():
        image, mask = top_images.top_mask(along[row.label], probe, k)
        best = every.query("label == @row.label and filter == @k").iloc[0]
        caption = f"{row.steps} steps: {best['name']}"
        captions.append(gallery.caption(caption, float(best["dissection_iou"])))
        images.append(probe.image(image))
        masks.append(mask)
        seen.append((k, image, best["name"]))
    shown = {"columns": 6, "heading": f"filter {k}"}
    strips.append(gallery.show(images, captions, predicted=masks, **shown))

# %%
gallery.stack(*strips)

# %% [markdown]
# Follow one row from left to right. The label can change while the image stays the same: an object, its color, its
# parts and the scene around it overlap, so their IoUs can be nearly equal, and a small change of the filter decides
# which one is the largest. How often do label and image change together in these rows?

# %%
pairs = zip(seen, seen[1:], strict=False)
turns = [(a, b) for a, b in pairs if a[0] == b[0] and a[2] != b[2]]
both = sum(one[1] != other[1] for one, other in turns)
print(f"{len(turns)} changes of label; in {both} of them the image", end=" ")
print("with the highest activation changed too")

# %% [markdown]
# These filters were chosen for their many labels, so they exaggerate. For all filters: how many that are detectors at
# one snapshot and at the next have the same concept at both?

# %%
rows, labels, at = [], list(along), steps.set_index("label")["steps"]
for before, after in zip(labels, labels[1:], strict=False):
    changes = history.changes(every, before, after)
    kept = history.kept(changes, SEED).set_index("filters")
    both = kept.loc["detectors before and after"]
    counts = int(both["of"]), int(both["kept"]), both["share"], kept.at["all", "share"]
    rows.append((f"{at[before]} to {at[after]}", *counts))
columns = ["steps", "detectors at both", "keep their concept"]
columns += ["share", "share of all filters"]
title = "Filters that keep their concept"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=2)

# %% [markdown]
# ## What we see
#
# The paper's sentences about dropout and batch norm, each with our number and the range of our repeats. Within that
# range a sentence is neither confirmed nor refuted.

# %%
says = [("no dropout", "texture", 1), ("no dropout", "object", -1)]
says += [("batch norm", "unique", -1), ("batch norm", "scene accuracy", 1)]
kinds["scene accuracy"] = scores.get("scene accuracy", kinds["unique"] * float("nan"))
known = kinds.dropna(axis=1) if is_repeat.any() else kinds.head(0)
rows = []

# %%
for label, what, sign in says:
    if label not in known.index or what not in known:
        continue
    value, of_repeats = kinds.loc[label, what], kinds.loc[is_repeat, what]
    lowest, highest = of_repeats.min(), of_repeats.max()
    side = int(value > highest) - int(value < lowest)
    answers = {sign: "as the paper says", -sign: "the other way", 0: "within the range"}
    paper = "higher" if sign > 0 else "lower"
    numbers = f"{value:.3g}", f"{lowest:.3g} to {highest:.3g}"
    rows.append((label, what, paper, *numbers, answers[side]))
columns = ["network", "quantity", "paper", "this run", "repeats", "answer"]
title = "Training conditions against the range of the repeats"
charts.table(pd.DataFrame(rows, columns=columns), title)

# %% [markdown]
# And the sentence that unique detectors and accuracy grow together: at how many snapshots is each higher than at the
# snapshot before?

# %%
grew = {"unique detectors": sums}
for name, each in learned.groupby("score"):
    grew[name] = each.set_index("steps")["value"].sort_index()
rows = []
for name, values in grew.items():
    first_last = f"{values.iloc[0]:.3g}", f"{values.iloc[-1]:.3g}"
    rows.append((name, *first_last, int((values.diff() > 0).sum()), len(values) - 1))
columns = ["quantity", "first snapshot", "last snapshot", "rises", "of"]
title = f"From step {sums.index[0]} to step {sums.index[-1]}"
charts.table(pd.DataFrame(rows, columns=columns), title)

# %% [markdown]
# ## Where we differ
#
# - **Length of training.** Ours has hundreds of steps, the paper's up to 3,000,000. Our snapshots are few.
# - **Accuracy.** Ours is that of two tasks at once, measured on drawn images; the paper's is the top-1 accuracy on
#   Places205.
# - **Dropout** acts on the pooled filters before the single linear layer. AlexNet has two wide layers there, which our
#   networks do not have.
# - **Batch norm** is folded into the convolutions when the weights are saved. What is dissected is the same function.
# - **Learning rate.** Ours falls with time, which can look like learning that slows down. The paper's networks have
#   that too.
#
# ## Exercises
#
# 1. Count at `IOU_THRESHOLD=0.08`. Is the spread between the repeats smaller?
# 2. Train a fourth repeat: one row in `n2vlib/zoo/recipes.py`, then `python -m n2vlib zoo NAME`.
# 3. How similar are the repeats? Which concepts do all of them detect?

# %% tags=["solution", "hide-input"]
sets = [set(found[label]["name"]) for label in repeats.index]
if sets:
    common, any_of = set.intersection(*sets), set.union(*sets)
    print(f"All repeats detect {len(common)} of the {len(any_of)} concepts", end=" ")
    print("that at least one of them detects.")

# %% [markdown]
# ## Take-away
#
# - A difference between two training conditions is compared with the range of repeats before it is interpreted.
# - Detectors and accuracy are measured separately; the last table says at how many snapshots each of them rose.
# - The label of a filter can change during training. The final label describes the last snapshot only.
#
# A network can also be trained for a new task after it has learned another. The [next chapter](transfer) follows its
# filters.

# %%
n2vlib.provenance(probe=probe, layers={**ends, **along}, seed=SEED)
