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
# # Networks side by side
#
# *Network Dissection, sections 3.3 and 3.4.* The [previous chapter](layers) counted the concepts that each layer of a
# network detects. The same count serves to compare networks: those with different architectures, and those that were
# trained for different tasks. Only the last convolutional layer of each is compared, as in the paper.
#
# *Question.* How do architecture and training task change how many concepts have a detector, and which ones?

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
NETWORKS: list = "zoo/architectures"  # compared with NETWORK; keys: network, layer, ...
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector
UNITS: str = None  # a released per-unit CSV of yours; null: one that is written here

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > Unique detectors are counted in the last convolutional layer. By architecture: ResNet > DenseNet > VGG > GoogLeNet >
# > AlexNet; by training data: Places > ImageNet. In unique detectors per filter, VGG comes first. In ResNet-152, the
# > number of filters that detect an object class is nearly uncorrelated with how well they do it. Self-supervised
# > networks have fewer unique detectors than supervised ones, many of them for textures; the one trained to color grey
# > images has almost no detectors of colors {cite}`zhou2019interpreting`.
#
# A *detector* is a filter whose best concept has a dissection IoU above 0.04. *Unique* detectors count the concepts
# that have a detector: ten filters for one concept count once.
#
# ## The networks
#
# The paper's networks, by training. *Hybrid* is ImageNet and Places365 together.

# %%
from n2vlib import charts, published

theirs = published.table("netdissect_table2_networks")
tasks = theirs.groupby(["training", "network"], sort=False)["dataset_or_task"]
tasks = tasks.agg(", ".join).reset_index()
charts.table(tasks, f"The {len(theirs)} networks of Table 2", rows=20)

# %% [markdown]
# The training sets of the supervised networks differ in the number of images and of classes. For the self-supervised
# networks, the text of the paper and its Table 2 do not give the same number.

# %%
import pandas as pd

claims = published.table("netdissect_quantitative_claims")
claims = claims.set_index("claim_id")["value"]
data = pd.DataFrame({"training set": ["ImageNet", "Places205", "Places365"]})
data["million images"] = claims[["nd_c44", "nd_c46", "nd_c48"]].to_numpy()
data["classes"] = claims[["nd_c45", "nd_c47", "nd_c49"]].astype(int).to_numpy()
listed = (theirs["training"] == "self").sum()
title = f"Self-supervised networks: {claims['nd_c13']:.0f} in the text,"
title += f" {listed} in Table 2"
charts.table(data, title, digits=1)

# %% [markdown]
# The weights of these networks are not here. We ask the same questions of small networks that we trained on drawn
# images. Some share an architecture and differ in the training task; some share the task and differ in the
# architecture; one is randomly initialised and was never trained. The table lists the last convolutional layer of each.
# *Task* is what the network was trained to predict, and *training* whether annotations were used for it.

# %%
from n2vlib.analysis import detectors

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
own = {"network": NETWORK, "layer": LAYERS[-1], "weights": WEIGHTS}
own["preprocessing"] = PREPROCESSING
rows = [own, *NETWORKS]
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
networks, ends = detectors.read(probe, rows, **options)
found = detectors.detectors(ends, probe, IOU_THRESHOLD)
counted = detectors.unique(found, probe)
charts.table(networks, rows=20)

# %% [markdown]
# The self-supervised networks were trained on pretext tasks, whose answers come from the image itself: by how many
# quarter turns it was rotated (*rotation*), which colors it has, seen in grey (*colorization*), in which order its four
# quarters were put together again (*patch order*), and what it looks like without added noise (*denoising*).
#
# ## By hand: two rules for one count
#
# Before counts are compared, one must know how they were made, because two rules are in use.
#
# - **Best label only**, the rule of the paper: a filter counts once, for the concept with the largest IoU of all.
# - **Every category**, the rule of the program that drew the paper's figures: a filter counts in each category in which
#   its best concept is above the IoU threshold, so one filter can count for a color and for an object. Unique detectors
#   are counted within each category and added up.
#
# By hand, for the first network, from the table of its dissection IoU (a row for each filter, a column for each
# concept):

# %%
import numpy as np

from n2vlib.methods import dissection

first = networks["label"].iloc[0]
category = probe.concepts["category"].to_numpy()


def detected(iou):
    """The columns that are the best of a row and above the IoU threshold."""
    return set(iou.argmax(1)[iou.max(1) > IOU_THRESHOLD])


# %%
iou = dissection.dissection_iou(ends[first], probe)
best_label = len(detected(iou))
every_category = sum(len(detected(iou[:, category == c])) for c in set(category))

# %% [markdown]
# The authors released result files of single filters, which have a line for each filter and, in it, the best concept of
# every category. Both rules can be counted from such files. We write one for each of our networks into a temporary
# folder, read it back, and let the library count. For the first network this must give the numbers by hand, and for all
# networks the first rule must give the counts of this chapter.

# %%
import tempfile
from pathlib import Path

from n2vlib import released_units

by_network = {}
with tempfile.TemporaryDirectory() as folder:
    for label, layer in ends.items():
        file = Path(folder) / f"{len(by_network)}.csv"
        released_units.write(file, layer, probe)
        units = released_units.read(file)
        by_network[label] = released_units.counts(units, IOU_THRESHOLD)

# %%
ours = pd.concat(by_network, names=["label"]).reset_index("label")
total = ours.query("category == 'total'").set_index("label").drop(columns="category")
both = ["unique_detectors", "unique_detectors_any_category"]
assert (best_label, every_category) == tuple(total.loc[first, both])
by_label = counted.groupby("label")["unique_detectors"].sum()
assert total["unique_detectors"].to_dict() == by_label.to_dict()
words = ["detectors", "unique, best label only", "unique, every category"]
rules = total[["detectors", *both]].set_axis(words, axis=1)
charts.table(rules.reset_index(), "This run by both rules", rows=20)

# %% [markdown]
# How much do the rules differ for the paper's networks? Here are the 13 layers whose files were released with the code
# or by others. The upper chart shows the rule of the paper, the lower one the rule of the program.

# %%
released = published.table("netdissect_released_unique_detectors")
short = {"unique_concepts": "best label only"}
short["unique_concepts_any_category"] = "every category"
names = released["network"] + " " + released["dataset"] + ", " + released["layer"]
released = released.rename(columns=short).assign(layer=names)
both = released.query("category == 'total'")
more = both["every category"] / both["best label only"] - 1
long = released.melt(
    ["layer", "category"], list(short.values()), "rule", "unique_detectors"
)
title = f"Published: the second rule adds {more.min():.0%} to {more.max():.0%}"
charts.unique_by(long, "layer", title, by="rule")

# %% [markdown]
# All other counts of this chapter follow the rule of the paper, except where they stand beside the authors' own counts.
#
# ## Different architectures, one training task
#
# > Figure 9: ResNet > DenseNet > VGG > GoogLeNet > AlexNet in unique detectors; VGG leads in unique detectors per
# > filter {cite}`zhou2019interpreting`.
#
# To compare architectures, the training task must be the same. These networks share the task of the first one.

# %%
same_task = networks[networks["task"] == networks["task"].iloc[0]]["label"]
architectures = counted[counted["label"].isin(same_task)]
sums = architectures.groupby("label")["unique_detectors"].sum()
sums = sums.sort_values(ascending=False, kind="stable")
of_networks = ", ".join(f"{label} {number}" for label, number in sums.items())
in_order = architectures.set_index("label").loc[list(sums.index)].reset_index()
title = f"Unique detectors by architecture: {of_networks}"
charts.unique_by(in_order, "label", title)

# %% [markdown]
# The same networks in the order of unique detectors per filter. Where all layers have the same number of filters, as in
# the default run, this order is the one of the chart.

# %%
per_network = detectors.shares(found, ends, SEED).merge(networks[["label", "training"]])
by_rate = per_network[per_network["label"].isin(same_task)].drop(columns="training")
by_rate = by_rate.sort_values("unique_per_filter", ascending=False, kind="stable")
title = "Share of detectors among all filters,"
title += " with its 95% bootstrap interval over filters"
charts.table(by_rate, title)

# %% [markdown]
# ### The two best filters of each network
#
# > Figure 11 shows the two best filters of a concept for every architecture; for the best networks those of *bus* and
# > *airplane* exceed an IoU of 0.25 {cite}`zhou2019interpreting`.
#
# We choose the two objects or parts that all these networks detect best: those whose best IoU is largest in the network
# where it is smallest. Each picture shows a filter on the image that activates it most, with its mask as a dashed line.
# Compare the networks: do their filters mark the same part of the object, and how closely?

# %%
from n2vlib.analysis import top_images
from n2vlib.display import gallery


def picture(label, k, name, iou):
    """Image, caption and mask of a filter, for the image that activates it most."""
    image, mask = top_images.top_mask(ends[label], probe, k)
    return probe.image(image), gallery.caption(f"{label} {k}: {name}", float(iou)), mask


def pictures(cells, columns):
    """A grid of such pictures."""
    images, captions, masks = zip(*cells, strict=True) if cells else ([], [], [])
    shown = {"columns": columns, "nothing": "no filter to show"}
    return gallery.show(images, captions, predicted=masks, **shown)


# %%
ious = {label: dissection.dissection_iou(ends[label], probe) for label in same_task}
weakest = np.min([each.max(0) for each in ious.values()], axis=0)
things = np.isin(category, ["object", "part"])
shown = np.where(things, weakest, -1).argsort()[::-1][: min(2, things.sum())]
cells = []
for c in shown:
    name = probe.concepts["name"].iloc[c]
    for label, each in ious.items():
        two = each[:, c].argsort()[::-1][:2]
        cells += [picture(label, int(k), name, each[k, c]) for k in two]
pictures(cells, 2 * min(2, len(ious)))

# %% [markdown]
# ## Different training tasks, one architecture
#
# > Figure 12: the training task matters; Places gives more unique detectors than ImageNet, and self-supervision fewer
# > than either. Figure 14 shows the same for AlexNets alone {cite}`zhou2019interpreting`.
#
# To compare tasks, the architecture must be the same: these networks have the one of the first network. Some pretext
# tasks need another input layer (for grey images or for tiles), which we count as the same architecture.

# %%
same = networks["architecture"].str.startswith(networks["architecture"].iloc[0])
same_architecture = networks[same]
by_task = counted.merge(same_architecture[["label", "task"]])
by_task["task"] = (by_task["label"] + ": " + by_task["task"]).str.removesuffix(": ")
sums = by_task.groupby("task", sort=False)["unique_detectors"].sum()
title = f"Most unique detectors: {sums.idxmax()}, {sums.max()}"
charts.unique_by(by_task, "task", title)

# %% [markdown]
# All networks, whatever their architecture, by kind of training. *Share* is the part of the filters that are detectors.

# %%
kinds = per_network.groupby("training", sort=False)[["unique_detectors", "share"]]
kinds = kinds.agg(["min", "mean", "max"])
kinds.columns = [f"{name.replace('_', ' ')}, {what}" for name, what in kinds.columns]
charts.table(kinds.reset_index(), "Networks by kind of training", digits=2)

# %% [markdown]
# Compare both halves of the row of the random network with those of trained networks. A high share with few unique
# detectors means that many filters respond to the same few concepts.
#
# > Section 3.4: the network that was trained to color grey images has almost no color detectors, and self-supervised
# > networks have many texture detectors {cite}`zhou2019interpreting`.
#
# The paper explains the first by the input of that network: its images have no colors. The table counts the detectors
# of colors and of textures in each of our networks.

# %%
all_of = detectors.wide(counted, "detectors")
asked = networks[["label", "training", "task"]]
asked = asked.assign(detectors=all_of.sum(axis=1).to_numpy())
for kind in ("color", "texture"):
    asked[f"{kind} detectors"] = all_of[kind].to_numpy() if kind in all_of else 0
found_any = asked["detectors"].where(asked["detectors"] > 0)
asked["texture, share of detectors"] = asked["texture detectors"] / found_any
charts.table(asked, digits=2, rows=20)

# %% [markdown]
# If one of our networks was trained to color grey images: the colors that its filters detect, how many filters detect
# each, and their mean dissection IoU.

# %%
grey = asked[asked["task"] == "colorization"]["label"]
of_grey = pd.concat([found[label] for label in grey] or [found[first].head(0)])
colors = detectors.by_concept(of_grey, "color")[["name", "detectors", "dissection_iou"]]
listed = ", ".join(grey) or "no such network here"
charts.table(colors, f"Color detectors after colorization: {listed}")

# %% [markdown]
# ### The best detectors of self-supervised networks
#
# > Figure 15 shows the best concepts of four self-supervised networks {cite}`zhou2019interpreting`.
#
# For each of our self-supervised networks, the three best detectors of different concepts.

# %%
self_supervised = networks.loc[networks["training"] == "self-supervised", "label"]
cells = []
for label in self_supervised:
    for row in found[label].drop_duplicates("concept").head(3).itertuples():
        cells.append(picture(label, row.filter, row.name, row.dissection_iou))
pictures(cells, 6 if len(self_supervised) > 1 else 3)

# %% [markdown]
# ## Number of detectors against their IoU
#
# > Figure 10: for the object classes of ResNet-152, the number of detectors of a class and their mean IoU are nearly
# > uncorrelated, $r = 0.08$ {cite}`zhou2019interpreting`.
#
# A network might spend more filters on a concept in order to detect it better. Then the number of detectors of a
# concept and their mean IoU would rise together. We take the network with the most object detectors; each point is an
# object.

# %%
from n2vlib.display import style

objects = {name: detectors.by_concept(each, "object") for name, each in found.items()}
richest = max(objects, key=lambda name: objects[name]["detectors"].sum())
of_richest = objects[richest]
correlation = detectors.correlation(of_richest, SEED)
r, low, high = (style.formatted(number) for number in correlation)
title = f"{richest}: r = {r} ({low} to {high}) over {len(of_richest)} objects;"
title += f" the paper has {claims['nd_c11']}"
note = "In brackets: 95% bootstrap interval over objects."
charts.iou_by_detectors(of_richest, title, note)

# %% [markdown]
# Most of these means are over very few detectors, and all of them are above the IoU threshold. So look at the interval
# first: if it is wide, this number of objects cannot decide the question.
#
# ## Released counts of 27 networks
#
# The authors released the counts of 27 networks with the code of the conference paper, made by the rule *every
# category*. The upper chart shows them, the lower one our networks by the same rule. The axes differ, since Broden has
# 1,197 concepts and the drawn images have far fewer.

# %%
printed = published.table("netdissect_cvpr_release_detectors")
names = {"network_printed": "label", "num_unique_detectors": "unique"}
printed = printed.rename(columns=names)
here = ours.rename(columns={"unique_detectors_any_category": "unique"})
groups = {"published, on Broden": printed, "this run": here.reset_index(drop=True)}
most = []
for whose, counts in groups.items():
    row = counts.loc[counts["unique"].idxmax()]
    most.append(f"{row['label']} {row['unique']} ({whose})")
title = "Most unique detectors: " + "; ".join(most)
every = pd.concat([counts.assign(whose=whose) for whose, counts in groups.items()])
charts.unique_by(every, "label", title, value="unique", by="whose")

# %% [markdown]
# Do the authors' own counts agree with the sentences of the paper? They come from the release of the conference paper,
# which has no DenseNet, so not every sentence can be checked. First the architectures and training sets: the paper says
# that the unique detectors fall from row to row, that VGG leads per filter, and that Places is above ImageNet.

# %%
their = printed.pivot(index="label", columns="category", values="unique")
all_theirs = printed.query("category == 'total'").set_index("label")
per_filter = their["total"] * all_theirs["ratio_detectors"]
per_filter = per_filter / all_theirs["num_detectors"]
names = ["ResNet152", "VGG", "GoogLeNet", "AlexNet"]
order = pd.DataFrame({"network": names})
for training_set in ("Places365", "ImageNet"):
    of_set = [f"{name}-{training_set}" for name in names]
    order[training_set] = their["total"][of_set].to_numpy()
of_places = [f"{name}-Places365" for name in names]
order["Places365, per filter"] = per_filter[of_places].to_numpy()
charts.table(order, "Published: unique detectors by training set", digits=2)

# %% [markdown]
# Then the kinds of training. The column of textures should be larger for self-supervised networks, and the network that
# was trained to color grey images should have almost no colors.

# %%
supervised = [name for name in their.index if "-" in name]
groups = {"supervised": [name for name in supervised if name != "AlexNet-random"]}
groups["self-supervised"] = [name for name in their.index if "-" not in name]
groups |= {"colorization": ["colorization"], "random": ["AlexNet-random"]}

# %%
kinds = []
for kind, names in groups.items():
    rows = their.loc[names]
    total, colors = rows["total"], rows["color"].sum()
    textures = rows["texture"].sum() / total.sum()
    kinds.append((kind, len(names), total.min(), total.max(), textures, colors))
columns = ["networks", "how many", "fewest unique", "most unique"]
columns += ["share for textures", "colors"]
title = "Published: unique detectors by kind of training"
charts.table(pd.DataFrame(kinds, columns=columns), title, digits=2)

# %% [markdown]
# ## A result file of yours
#
# `UNITS` names a result file of Network Dissection, from any release that writes the columns below. It is read, checked
# and counted here. Without one, the chapter takes the file of its own first network. The authors' original files are
# not part of this project: our reader follows their description and is tested on files that we wrote.

# %%
with tempfile.TemporaryDirectory() as folder:
    file = UNITS or str(Path(folder) / "units.csv")
    if not UNITS:
        released_units.write(file, ends[first], probe)
    units = released_units.read(file)
columns = ["unit", "category", "label", "truth"]
columns += ["activation", "intersect", "iou", "best_label"]
shown = units[columns].astype(dict.fromkeys(["truth", "activation", "intersect"], int))
charts.table(shown, f"{UNITS or first}: a row for each unit and category", rows=6)

# %% [markdown]
# *Truth*, *activation* and *intersect* are the pixels of the concept, of the filter, and of both; *iou* is computed
# from them. Units (filters) are numbered from 0 here and from 1 in the file. If the numbers of a line contradict each
# other, the reader refuses the file and names the line.

# %%
note = "any category: a filter can count in several;"
note += " the total of its detectors counts filters"
counts = released_units.counts(units, IOU_THRESHOLD)
charts.table(counts, f"{UNITS or first}, IoU above {IOU_THRESHOLD}; {note}")

# %% [markdown]
# ## What we see
#
# The texture detectors of all networks of one kind together. The table of single networks above gives each network its
# own share; here a network with many detectors weighs more.

# %%
textures = asked.groupby("training", sort=False)
textures = textures[["detectors", "texture detectors"]].sum()
found_any = textures["detectors"].where(lambda n: n > 0)
textures["texture, share of detectors"] = textures["texture detectors"] / found_any
charts.table(textures.reset_index(), "Detectors of all networks of a kind", digits=2)

# %% [markdown]
# - **Detectors and unique detectors** measure different things. If many filters respond to the same few concepts, as in
#   the randomly initialised network, the share of detectors can be high while the number of concepts is small.
# - **Color detectors without colors.** In the default run the colorization network, whose input is grey, has color
#   detectors, while the one of the authors has none. Black can be seen in a grey image. Another color may be found by
#   the objects that have it: a label says what the mask of a filter agrees with, not which property of the image the
#   filter responds to.
#
# ## Where we differ
#
# - **Small networks.** Ours were trained for minutes on drawn images, and we have neither a DenseNet nor one trained on
#   Places. The paper's order of architectures holds for networks up to 152 layers deep.
# - **Unequal training.** small-alexnet was trained on more images than the other networks, which favours it in the
#   comparison of architectures and in that of training tasks.
# - **One network of each kind**, mostly in the paper too. Another training run of the same network would give another
#   count, and no interval here covers that.
# - **The last convolutional layer** is not equally deep in all networks, and its map is not equally large. The paper
#   compares there too.
# - **Widths.** In the default run all last layers have the same number of filters, so the unique detectors and their
#   number per filter order the networks alike. In the paper widths range from 256 to 2,048, and the two orders differ.
# - **Figure 10** groups by object class; whether it counts classes without a detector is not stated. Ours are those
#   with at least one.
# - **Pretext tasks.** Ours can be made from one still image. Some of the paper's eleven networks learned from video or
#   sound.
#
# ## Exercises
#
# 1. Raise `IOU_THRESHOLD` to 0.1. Does the order of the networks stay the same?
# 2. Count unique detectors in random halves of a layer. How would the count grow with the width?
# 3. List the labels of the color detectors of the colorization network, and the objects that have that color.

# %% tags=["solution", "hide-input"]
for factor in (0.5, 2.5):
    at_factor = detectors.detectors(ends, probe, IOU_THRESHOLD * factor)
    again = detectors.unique(at_factor, probe)
    number = again.groupby("label")["unique_detectors"].sum().nlargest(5)
    words = ", ".join(f"{label} {n}" for label, n in number.items())
    print(f"IoU above {IOU_THRESHOLD * factor:.2f}:", words)

# %% [markdown]
# ## Take-away
#
# - A count of detectors needs its rule and its IoU threshold beside it.
# - Architectures are compared at one training task, and training tasks at one architecture; the charts above show which
#   of them changes the count more.
# - The released counts are the only place here where the paper's own networks can be checked.
#
# Every count in this chapter depends on two numbers that were chosen: how often a filter fires, and the IoU threshold.
# A [later chapter](threshold) varies them. The [next one](transformer) looks at a network without convolutions.

# %%
n2vlib.provenance(probe=probe, layers=ends, seed=SEED)
