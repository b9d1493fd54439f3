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
# # Layers, networks and teachers
#
# *Network Dissection, sections 3.3 and 3.4.* The [axes of a layer](axis-aligned) mean something, so its filters can be
# counted by what they detect. A count is a yardstick: it can be held to every layer of a network, and to networks that
# were built or taught in different ways.
#
# *Question.* How do depth, architecture and training change how many concepts have a filter of their own, and which?

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
NETWORKS: list = [{"network": "small-alexnet-scenes", "layer": "conv5"}, {"network": "small-alexnet-objects", "layer": "conv5"}, {"network": "small-vgg", "layer": "conv4_3"}, {"network": "small-googlenet", "layer": "inception_5b"}, {"network": "small-resnet", "layer": "conv4_x"}, {"network": "small-alexnet-rotation", "layer": "conv5"}, {"network": "small-alexnet-colorization", "layer": "conv5"}, {"network": "small-alexnet-patch-order", "layer": "conv5"}, {"network": "small-alexnet-denoising", "layer": "conv5"}, {"network": "small-alexnet-random", "layer": "conv5"}]  # set beside NETWORK: network, layer, and where wanted label, training, weights, preprocessing  # fmt: skip
BY_LAYER: list = [{"network": "small-vgg", "layer": "conv2_2"}, {"network": "small-vgg", "layer": "conv3_3"}, {"network": "small-vgg", "layer": "conv4_3"}, {"network": "small-googlenet", "layer": "inception_4a"}, {"network": "small-googlenet", "layer": "inception_4c"}, {"network": "small-googlenet", "layer": "inception_5b"}, {"network": "small-resnet", "layer": "conv2_x"}, {"network": "small-resnet", "layer": "conv3_x"}, {"network": "small-resnet", "layer": "conv4_x"}]  # layers of other networks, low to high, likewise  # fmt: skip
CUT: float = 0.04  # dissection IoU above which a filter is a detector
UNITS: str = None  # a released per-unit CSV of yours, to be counted; null: one that this chapter writes

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > Unique detectors are counted in the last convolutional layer. By architecture: ResNet > DenseNet > VGG > GoogLeNet >
# > AlexNet; by training data: Places > ImageNet. In unique detectors per filter, VGG comes first. In ResNet-152 how
# > many filters detect an object class has next to nothing to do with how well they do it. Along the layers, colors and
# > textures lead at the bottom, and parts, objects and scenes at the top. Networks that learned without labels have
# > fewer unique detectors than those that learned with them, many of them for textures; the one that learned to color
# > grey images has almost no detectors of colors {cite}`zhou2019interpreting`.
#
# A *detector* is a filter whose best concept has a dissection IoU above 0.04 (see [the method](framework)). *Unique*
# detectors count the concepts that have a detector, so ten filters for one concept count once.
#
# ## The networks
#
# The paper's networks, by training:

# %%
from n2vlib import charts, look, published

names = published.table("netdissect_table2_networks")
listed = names.groupby(["training", "network"], sort=False)["dataset_or_task"].agg(", ".join).reset_index()
charts.table(listed, f"The {len(names)} networks of Table 2", rows=20)

# %% [markdown]
# How many images taught them, and of how many classes. *Hybrid* is ImageNet and Places365 together.

# %%
claims = published.table("netdissect_quantitative_claims").set_index("claim_id")["value"]
for data, (images, classes) in {"ImageNet": (44, 45), "Places205": (46, 47), "Places365": (48, 49)}.items():
    print(f"{data}: {claims[f'nd_c{images}']} million images of {claims[f'nd_c{classes}']:.0f} classes")
alone = names[names["training"] == "self"]
print(f"Without labels: {claims['nd_c13']:.0f} networks in the text, {len(alone)} in its Table 2:", end=" ")
print(", ".join(alone["dataset_or_task"]))

# %% [markdown]
# Their weights are not here. The same questions are put to small networks of ours, trained on drawn images: some of one
# body and different teachers, some of one teacher and different bodies, and one that was taught nothing. The last
# convolutional layer of each:

# %%
from n2vlib.analysis import detecting

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
own = {"network": NETWORK, "weights": WEIGHTS, "preprocessing": PREPROCESSING}
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
networks, ends = detecting.read(probe, [{**own, "layer": LAYERS[-1]}, *NETWORKS], **options)
charts.table(networks, rows=20)

# %% [markdown]
# ## By hand: the detectors of one layer
#
# A layer's dissection IoU is a table, filters down and concepts across. The largest number of a row names the filter. If
# it is above the cut, the filter is a detector.

# %%
import numpy as np

from n2vlib.methods import dissection

first = networks["label"].iloc[0]
iou = dissection.dissection_iou(ends[first], probe)
is_detector = iou.max(1) > CUT
concepts = set(iou.argmax(1)[is_detector])
print(f"{first}, {ends[first].name}: {is_detector.sum()} of {len(iou)} filters are detectors,")
print(f"of {len(concepts)} concepts; the best reaches {iou.max():.2f}")

# %% [markdown]
# The library does the same for every network, and counts by category:

# %%
found = detecting.detectors(ends, probe, CUT)
counted = detecting.unique(found, probe)
mine = counted.query("label == @first")
assert mine["detectors"].sum() == is_detector.sum() and mine["unique_detectors"].sum() == len(concepts)
charts.table(mine.drop(columns="label"), f"{first}, {ends[first].name}")

# %% [markdown]
# ## From layer to layer
#
# > Figure 13: colors and textures lead in the low layers; parts, objects and scenes in the high ones, where there are
# > also more detectors in all {cite}`zhou2019interpreting`.
#
# Each layer of the chapter's own network, then some layers of others:

# %%
deep = [*({**own, "layer": layer} for layer in LAYERS), *BY_LAYER]
every, layers = detecting.read(probe, deep, **options, with_layer=True)
along = detecting.detectors(layers, probe, CUT)
by_layer = detecting.unique(along, probe)
totals = by_layer.groupby("label", sort=False)["unique_detectors"].sum()
charts.unique_by(by_layer, "label", f"{totals.idxmax()} detects the most concepts: {totals.max()}")

# %% [markdown]
# Watch the left end of the bars, where colors and textures are, against the right end. In numbers, from the first to the
# last layer of each network: the share of the unique detectors that are for a color or a texture, for a part, an object
# or a scene.

# %%
wide = detecting.wide(by_layer)
kinds = ["color", "texture"], ["part", "object", "scene"]
low, high = (wide.reindex(columns=kind, fill_value=0).sum(axis=1) for kind in kinds)
steps = every[["label", "layer"]].assign(unique=wide.sum(axis=1).to_numpy())
steps["color or texture"] = (low / wide.sum(axis=1)).to_numpy()
steps["part, object or scene"] = (high / wide.sum(axis=1)).to_numpy()
charts.table(steps.drop(columns="layer"), digits=2, rows=20)

# %% [markdown]
# A layer with twice the filters has more chances. So the paper also divides the unique detectors by the filters. Beside
# that, *share* is the part of the filters that detect anything:

# %%
shares = detecting.shares(along, layers, SEED)
charts.table(shares, "Detectors in all filters; the share with its 95% bootstrap interval over filters", rows=20)

# %% [markdown]
# The interval draws the layer's filters again, with replacement. It says how far the share hangs on the filters that
# training happened to end with, taken as independent. It does not cover other images, nor another training run.
#
# ## From body to body
#
# > Figure 9: ResNet > DenseNet > VGG > GoogLeNet > AlexNet in unique detectors; VGG leads in unique detectors per
# > filter {cite}`zhou2019interpreting`.
#
# Fair is only a comparison of networks with one teacher. These learned the same task, the one of the first network:

# %%
same = networks[networks["task"] == networks["task"].iloc[0]]
bodies = counted[counted["label"].isin(same["label"])]
order = bodies.groupby("label")["unique_detectors"].sum().sort_values(ascending=False, kind="stable")
charts.unique_by(
    bodies.set_index("label").loc[list(order.index)].reset_index(), "label",
    "Unique detectors by body: " + ", ".join(f"{label} {number}" for label, number in order.items()),
)  # fmt: skip

# %%
per_network = detecting.shares(found, ends, SEED).merge(networks[["label", "training"]])
by_body = per_network[per_network["label"].isin(same["label"])].drop(columns="training")
by_body = by_body.sort_values("unique_per_filter", ascending=False, kind="stable")
charts.table(by_body, "Detectors in all filters; the share with its 95% bootstrap interval over filters")

# %% [markdown]
# ### The best of each
#
# > Figure 11 shows for every architecture the two best filters of a concept; for the best networks those of *bus* and
# > *airplane* exceed an IoU of 0.25 {cite}`zhou2019interpreting`.
#
# Here are the two things that all these networks detect best, and of each network the two best filters, on the image where
# the filter is highest. Dashed is its mask.

# %%
from n2vlib import gallery
from n2vlib.analysis import maximal

given = dict(zip(networks["label"], [{**own, "layer": LAYERS[-1]}, *NETWORKS], strict=True))


def picture(label, k, name, iou):
    """A filter's mask on the image where it is highest: image, caption, mask."""
    row = given[label]
    network = n2vlib.load_network(row["network"], row.get("weights"), row.get("preprocessing"), SEED)
    image, mask = maximal.top_mask(network, ends[label], probe, k)
    return probe.image(image), gallery.caption(f"{label} {k}: {name}", float(iou)), mask


def pictures(cells, columns):
    """The grid of some such pictures."""
    if not cells:
        return "No filter to show."
    images, captions, masks = (list(each) for each in zip(*cells, strict=True))
    return gallery.show(images, captions, predicted=masks, columns=columns)


# %%
ious = {label: dissection.dissection_iou(ends[label], probe) for label in same["label"]}
weakest = np.min([each.max(0) for each in ious.values()], axis=0)
things = probe.concepts["category"].isin(["object", "part"]).to_numpy()
cells = [
    picture(label, int(k), probe.concepts["name"].iloc[c], each[k, c])
    for c in np.where(things, weakest, -1).argsort()[::-1][: min(2, things.sum())]
    for label, each in ious.items() for k in each[:, c].argsort()[::-1][:2]
]  # fmt: skip
pictures(cells, 2 * min(2, len(ious)))

# %% [markdown]
# ## From teacher to teacher
#
# > Figure 12: the training task matters; Places gives more unique detectors than ImageNet, and learning without labels
# > fewer than either. Figure 14 shows the same for AlexNets alone {cite}`zhou2019interpreting`.
#
# Networks of the first one's body, so that only the teaching differs. Some riddles need another input layer (grey images,
# tiles), and these bodies count as the same here.

# %%
body = networks["architecture"].iloc[0]
taught = networks[networks["architecture"].str.startswith(body)]
teachers = counted.merge(taught[["label", "training", "task"]])
teachers["teacher"] = (teachers["label"] + ": " + teachers["task"]).str.removesuffix(": ")
sums = teachers.groupby("teacher", sort=False)["unique_detectors"].sum()
charts.unique_by(teachers, "teacher", f"Most unique detectors: {sums.idxmax()}, {sums.max()}")

# %% [markdown]
# And all networks, whatever their body, by the kind of teaching:

# %%
kinds = per_network.groupby("training", sort=False)[["unique_detectors", "share"]].agg(["min", "mean", "max"])
kinds.columns = [f"{column.replace('_', ' ')}, {what}" for column, what in kinds.columns]
charts.table(kinds.reset_index(), "Networks of each kind", digits=2)

# %% [markdown]
# > Section 3.4: the network that learned to color grey images has almost no color detectors, and those that learned
# > without labels have many texture detectors {cite}`zhou2019interpreting`.
#
# The paper's explanation of the first is what that network was given to see: images without colors.

# %%
all_of = detecting.wide(counted, "detectors").reindex(columns=["color", "texture"], fill_value=0)
asked = networks[["label", "training", "task"]].assign(
    **{f"{kind} detectors": all_of[kind].to_numpy() for kind in all_of},
    detectors=detecting.wide(counted, "detectors").sum(axis=1).to_numpy(),
)
asked["texture, share of detectors"] = asked["texture detectors"] / asked["detectors"].where(asked["detectors"] > 0)
charts.table(asked, digits=2, rows=20)

# %% [markdown]
# ### Taught by riddles
#
# > Figure 15 shows the best concepts of four networks that learned without labels {cite}`zhou2019interpreting`.
#
# The best detectors of ours, of different concepts, three for each network:

# %%
riddles = networks.loc[networks["training"] == "self-supervised", "label"]
cells = [
    picture(label, row.filter, row.name, row.dissection_iou)
    for label in riddles for row in found[label].drop_duplicates("concept").head(3).itertuples(index=False)
]  # fmt: skip
pictures(cells, 6 if len(riddles) > 1 else 3)

# %% [markdown]
# ## How many, how good
#
# > Figure 10: for the object classes of ResNet-152, the number of detectors of a class and their mean IoU are all but
# > uncorrelated, $r = 0.08$ {cite}`zhou2019interpreting`.
#
# The network with the most object detectors, one point for each object that has one:

# %%
objects = {name: detecting.by_concept(each, "object") for name, each in found.items()}
richest = max(objects, key=lambda name: objects[name]["detectors"].sum())
r, low, high = (look.said(number) for number in detecting.correlation(objects[richest], SEED))
words = f"{richest}: r = {r} ({low} to {high}) over {len(objects[richest])} objects"
words += f"; the paper has {claims['nd_c11']}"
charts.iou_by_detectors(objects[richest], words, "In brackets: 95% bootstrap interval over objects.")

# %% [markdown]
# A mean over the detectors of a concept is a mean over very few of them, and all lie above the cut. Read the interval
# before the number.
#
# ## Two rules for one count
#
# The paper's rule: a filter counts once, for its single best label. The program that drew the figures counts otherwise:
# a filter counts in every category in which its best concept is above the cut, and unique detectors add up over the
# categories. The authors released files of single filters, from which both can be counted. Of 13 layers, what the second
# rule adds:

# %%
again = published.table("netdissect_released_unique_detectors")
again["label"] = again["network"] + " " + again["dataset"] + ", " + again["layer"]
shorter = {"unique_concepts": "best label only", "unique_concepts_any_category": "every category"}
renamed = again.rename(columns=shorter)
rules = renamed.melt(["label", "category"], list(shorter.values()), var_name="rule", value_name="unique_detectors")
both = renamed.query("category == 'total'").set_index("label")
more = both["every category"] / both["best label only"] - 1
title = f"Counting in every category adds {more.min():.0%} to {more.max():.0%}, published"
charts.unique_by(rules, "label", title, by="rule")

# %% [markdown]
# Our networks, written as such files into a temporary folder, read back, and counted by both rules. The first rule must
# give what was counted above.

# %%
import tempfile
from pathlib import Path

from n2vlib import released_units

counts = {}
with tempfile.TemporaryDirectory() as folder:
    for name, layer in ends.items():
        file = Path(folder) / f"{len(counts)}.csv"
        released_units.write(file, layer, probe)
        counts[name] = released_units.counts(released_units.read(file), CUT)

# %%
import pandas as pd

ours = pd.concat(counts, names=["label"]).reset_index("label")
ours_total = ours.query("category == 'total'").set_index("label")
assert ours_total["unique_detectors"].to_dict() == counted.groupby("label")["unique_detectors"].sum().to_dict()
by_rule = ours_total[["detectors", "unique_detectors", "unique_detectors_any_category"]]
names = {"unique_detectors": "unique, best label only", "unique_detectors_any_category": "unique, every category"}
charts.table(by_rule.rename(columns=names).reset_index(), "Both rules, this run", rows=20)

# %% [markdown]
# ## Beside the authors' counts
#
# With the code the authors released the counts of 27 networks, by the second rule. Below them ours, by the same rule.
# The two axes are different: Broden has 1,197 concepts, and the drawn images have fewer.

# %%
theirs = published.table("netdissect_cvpr_release_detectors")
columns = ["label", "category", "unique", "whose"]
printed = theirs.rename(columns={"network_printed": "label", "num_unique_detectors": "unique"})
printed["whose"] = "published, original networks on Broden"
ours_here = (
    ours.rename(columns={"unique_detectors_any_category": "unique"}).assign(whose="this run").reset_index(drop=True)
)
leads = [rows.loc[rows["unique"].idxmax()] for rows in (printed, ours_here)]
title = "; ".join(f"{row['whose']}: {row['label']} leads with {row['unique']}" for row in leads)
charts.unique_by(pd.concat([printed[columns], ours_here[columns]]), "label", title, value="unique", by="whose")

# %% [markdown]
# Do the authors' own counts bear out the sentences of the paper? They come from the conference's release and have no
# DenseNet, so not every sentence can be asked.

# %%
their = printed.pivot(index="label", columns="category", values="unique")
all_theirs = theirs.query("category == 'total'").set_index("network_printed")
per_filter = their["total"] * all_theirs["ratio_detectors"] / all_theirs["num_detectors"]
places = their["total"].filter(like="Places365").drop("AlexNet-Places365-GAP").sort_values(ascending=False)
short = {name: name.split("-")[0] for name in places.index}
print("On Places365:", ", ".join(f"{short[name]} {number}" for name, number in places.items()))
print("per filter:", ", ".join(f"{short[name]} {number:.2f}" for name, number in per_filter[places.index].items()))
for body in ("AlexNet", "VGG", "GoogLeNet", "ResNet152"):
    print(f"{body}: Places365 {their['total'][f'{body}-Places365']}, ImageNet {their['total'][f'{body}-ImageNet']}")

# %%
labels = {"with labels": [n for n in their.index if "-" in n and n != "AlexNet-random"]}
labels["without labels"] = [name for name in their.index if "-" not in name]
for kind, group in labels.items():
    sums = their.loc[group].sum()
    print(f"{kind}: {their.loc[group, 'total'].min()} to {their.loc[group, 'total'].max()} unique detectors,", end=" ")
    print(f"{sums['texture'] / sums['total']:.0%} of them for textures")
print(f"colorization: {their['color']['colorization']} colors among {their['total']['colorization']} unique detectors")
print(f"random: {their['total']['AlexNet-random']} unique detectors")

# %% [markdown]
# One of the released files' networks was dissected at every depth, so the sentence about layers can be asked too:

# %%
deep = renamed[renamed["network"].eq("ResNet-50")].pivot(index="layer", columns="category", values="best label only")
for layer, row in deep.drop("fc").iterrows():
    part = (row["color"] + row["texture"]) / row["total"]
    print(f"ResNet-50 {layer}: {row['total']} unique detectors, {part:.0%} of them for colors and textures")

# %% [markdown]
# ## A file of yours
#
# `UNITS` names a result file of Network Dissection, of any of its releases that write the columns below. It is read,
# checked and counted here. Without one, the chapter takes the file of its own first network. The original files are not
# part of this project: the reader follows their description and is tested on files that we wrote.

# %%
with tempfile.TemporaryDirectory() as folder:
    file = UNITS or str(Path(folder) / "units.csv")
    if not UNITS:
        released_units.write(file, ends[first], probe)
    units = released_units.read(file)
columns = ["unit", "category", "label", "truth", "activation", "intersect", "iou", "best_label"]
shown = units[columns].assign(**{name: units[name].astype(int) for name in ("truth", "activation", "intersect")})
charts.table(shown, f"{UNITS or first}: a row for each unit and category", rows=6)

# %% [markdown]
# *Truth*, *activation* and *intersect* are pixels of the concept, of the filter, and of both; *iou* is what they make.
# Units are numbered from 0 here and from 1 in the file. A line where the numbers do not fit each other is refused with
# its place in the file.

# %%
note = "any category: a filter can count in several; the total of its detectors counts filters"
charts.table(released_units.counts(units, CUT), f"{UNITS or first}, above {CUT}; {note}")

# %% [markdown]
# ## What we see
#
# Printed by this run, not typed:

# %%
grouped = steps.groupby(steps["label"].str.rpartition(" ")[0], sort=False)["color or texture"]
bottom, top = grouped.first(), grouped.last()
for name in bottom.index:
    print(
        f"{name}: colors and textures are {bottom[name]:.0%} of the unique detectors in the first layer given,", end=" "
    )
    print(f"{top[name]:.0%} in the last")
print(f"they are more than half at the bottom in {(bottom > 0.5).sum()} of {len(bottom)} networks,", end=" ")
print(f"and fewer at the top than at the bottom in {(top < bottom).sum()};")
falls = grouped.apply(lambda share: (share.diff().dropna() <= 0).all())
print(f"without a rise on the way in {falls.sum()}")
print("bodies, most unique detectors first:", ", ".join(order.index))
for kind, rows in per_network.groupby("training", sort=False):
    ends_of = [f"{value}" for value in sorted({rows["unique_detectors"].min(), rows["unique_detectors"].max()})]
    print(f"{kind}: {' to '.join(ends_of)} unique detectors, {rows['share'].mean():.0%} of the filters on average")

# %%
for row in asked[asked["task"] == "colorization"].itertuples():
    names = found[row.label].query("category == 'color'")["name"].value_counts()
    told = ", ".join(f"{name} {count}" for name, count in names.items()) or "none"
    print(f"{row.label}, color detectors: {told}; of the other networks", end=" ")
    print(", ".join(map(str, asked.loc[asked["label"] != row.label, "color detectors"])))
textures = asked.groupby("training", sort=False)[["texture detectors", "detectors"]].sum()
for kind, row in textures.iterrows():
    print(f"{kind}: {row['texture detectors']} of {row['detectors']} detectors are for textures")
for row in per_network[per_network["training"] == "random"].itertuples():
    print(f"{row.label}: {row.share:.0%} of the filters are detectors, of {row.unique_detectors} concepts")

# %% [markdown]
# Three things deserve a second look.
#
# - **Detectors and unique detectors** are different yardsticks. Where many filters answer to the same few concepts,
#   as they do in the network that was taught nothing, the share can be high while the number of concepts is small.
# - **Photographs are not drawings.** In the default run the share of colors and textures is lower in the last layer given
#   than in the first, as in the paper, though not at every step. But it is never above a half, while in the paper they
#   lead at the bottom. One reason may be that a drawn thing has a plain surface of its own, and a low layer finds that.
# - **A color without colors.** In the default run the colorization network, which sees grey, has color detectors, and
#   the authors' has none. Black can be seen in grey. Another color may be found by the things that have it: a name
#   tells what a mask agrees with, and not what the network used.
#
# ## Where we differ
#
# - **The networks are ours** and small, and were trained for minutes on drawn images. The paper's order of
#   architectures is one of networks up to 152 layers deep. We have neither a DenseNet nor Places.
# - **Not quite the same lessons.** small-alexnet was shown more images than the other networks, which favours it
#   among the bodies and among the teachers.
# - **One network of each kind**, mostly in the paper too. Another training run of the same body would give another
#   count, and no interval here covers that.
# - **The last convolutional layer** is not the same depth everywhere, nor is its map. The paper compares there too.
# - **Widths.** In the default run all last layers have the same number of filters, so detectors and their share order
#   the networks alike. In the paper widths range from 256 to 2,048, and the two orders differ.
# - **Figure 10** groups by object class; which classes without a detector it counts is not stated. Ours are those
#   with at least one.
# - **Self-supervised tasks** are riddles that one still image can pose. The paper's are eleven published networks, of
#   which some learned from video or sound.
#
# ## Exercises
#
# 1. Raise `CUT` to 0.1. Does the order of the networks stay?
# 2. Count unique detectors in random halves of a layer. How would the count grow with the width?
# 3. Take the names of the color detectors of the colorization network, and of the objects that have that color.

# %% tags=["solution", "hide-input"]
for factor in (0.5, 2.5):
    again_found = detecting.detectors(ends, probe, CUT * factor)
    number = detecting.unique(again_found, probe).groupby("label")["unique_detectors"].sum()
    print(f"above {CUT * factor:.2f}:", ", ".join(f"{name} {n}" for name, n in number.nlargest(5).items()))

# %% [markdown]
# ## Take-away
#
# - Unique detectors count concepts, detectors count filters. Quote which, by which rule, and above which cut.
# - The same yardstick serves layers, architectures and teachers; what moves the count most, the tables above tell.
# - Released counts are the one place where the paper's own networks can still be asked here.
#
# Every count in this chapter hangs on two numbers that were chosen: how often a filter fires, and where the cut lies.
# A [later chapter](threshold) moves them. The [next one](captioning) has a teacher who speaks.

# %%
n2vlib.provenance(probe=probe, layers=ends, seed=SEED)
